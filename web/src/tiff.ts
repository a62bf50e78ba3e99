/** TIFF directories as bytes: read with bounds, written small and little-endian (TIFF 6.0, section 2). */

import { type Bytes, joined, utf8 } from "./bytes";

export const BYTE = 1, ASCII = 2, SHORT = 3, LONG = 4, RATIONAL = 5, UNDEFINED = 7, SRATIONAL = 10, IFD = 13;
const SIZES: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4 };
/** What a value of a type is turned round by, in bytes. */
const WORDS: Record<number, number> = { 3: 2, 8: 2, 4: 4, 9: 4, 5: 4, 10: 4, 11: 4, 13: 4, 12: 8 };
const MAX_ENTRIES = 4096;
const MAX_VALUE = 1 << 20;
const MAX_VALUES = 1 << 22;

/** A value of a directory. kind: its TIFF type; data: its bytes, little-endian, of whole values. */
export interface Entry {
  kind: number;
  data: Bytes;
}

/** Tag -> value. */
export type Directory = ReadonlyMap<number, Entry>;

export const countOf = (entry: Entry): number => entry.data.length / SIZES[entry.kind];

/** What a value says to people; empty for a type that is no text. */
export function textOf(entry: Entry | undefined): string {
  if (!entry || ![BYTE, ASCII, UNDEFINED].includes(entry.kind)) return "";
  const end = entry.data.indexOf(0);
  const said = end < 0 ? entry.data : entry.data.subarray(0, end);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(said).trim();
  } catch {
    return new TextDecoder("latin1").decode(said).trim();
  }
}

/** Values of an entry; a rational without a denominator is NaN; none of text and bytes without a type. */
export function numbersOf(entry: Entry | undefined): number[] {
  if (!entry || [ASCII, UNDEFINED].includes(entry.kind)) return [];
  const view = new DataView(entry.data.buffer, entry.data.byteOffset, entry.data.length);
  const read: Record<number, (at: number) => number> = {
    1: (at) => view.getUint8(at),
    3: (at) => view.getUint16(at, true),
    4: (at) => view.getUint32(at, true),
    13: (at) => view.getUint32(at, true),
    5: (at) => view.getUint32(at, true) / view.getUint32(at + 4, true),
    6: (at) => view.getInt8(at),
    8: (at) => view.getInt16(at, true),
    9: (at) => view.getInt32(at, true),
    10: (at) => view.getInt32(at, true) / view.getInt32(at + 4, true),
    11: (at) => view.getFloat32(at, true),
    12: (at) => view.getFloat64(at, true),
  };
  const values = Array.from({ length: countOf(entry) }, (_, index) => read[entry.kind](index * SIZES[entry.kind]));
  const rational = entry.kind === RATIONAL || entry.kind === SRATIONAL;
  return rational ? values.map((value) => (Number.isFinite(value) ? value : NaN)) : values;
}

function packed(kind: number, values: readonly number[], size: number): Entry {
  const view = new DataView(new ArrayBuffer(values.length * size));
  values.forEach((value, index) => (size === 2 ? view.setUint16(2 * index, value, true) : view.setUint32(4 * index, value, true)));
  return { kind, data: new Uint8Array(view.buffer) };
}

export const longs = (...values: number[]): Entry => packed(LONG, values, 4);
export const shorts = (...values: number[]): Entry => packed(SHORT, values, 2);
export const bytesEntry = (...values: number[]): Entry => ({ kind: BYTE, data: Uint8Array.from(values) });
export const text = (value: string): Entry => ({ kind: ASCII, data: utf8(`${value}\0`) });

const LARGEST = 2 ** 31 - 1;

/** The nearest fraction with a denominator of at most `most`, by continued fractions. */
function fraction(value: number, most: number): [number, number] {
  let [p0, q0, p1, q1] = [0, 1, 1, 0];
  let rest = Math.abs(value);
  while (true) {
    const whole = Math.floor(rest);
    const q2 = q0 + whole * q1;
    if (q2 > most || p0 + whole * p1 > LARGEST) {
      const k = Math.floor((most - q0) / q1);
      const [pa, qa] = [p0 + k * p1, q0 + k * q1];
      const near = Math.abs(p1 / q1 - Math.abs(value)) <= Math.abs(pa / qa - Math.abs(value));
      const [p, q] = near || pa > LARGEST ? [p1, q1] : [pa, qa];
      return [value < 0 ? -p : p, q];
    }
    [p0, q0, p1, q1] = [p1, q1, p0 + whole * p1, q2];
    if (rest === whole) return [value < 0 ? -p1 : p1, q1];
    rest = 1 / (rest - whole);
  }
}

/** Fractions of two whole numbers each; kind: `RATIONAL` or `SRATIONAL`. */
export function rationals(values: readonly number[], kind: number = SRATIONAL): Entry {
  const pairs = values.flatMap((value) => fraction(value, Math.min(1_000_000, Math.floor(LARGEST / Math.max(Math.abs(value), 1)))));
  return { kind, data: new Uint8Array(Int32Array.from(pairs).buffer) };
}

export type Order = "little" | "big" | null;

/** What the first two bytes of a TIFF file say. */
export function byteOrder(bytes: Uint8Array): Order {
  if (bytes[0] === 0x49 && bytes[1] === 0x49) return "little";
  return bytes[0] === 0x4d && bytes[1] === 0x4d ? "big" : null;
}

function turned(kind: number, data: Bytes): Bytes {
  const size = WORDS[kind];
  if (size) for (let at = 0; at < data.length; at += size) data.subarray(at, at + size).reverse();
  return data;
}

/** The wanted entries of the directory at an offset; what is damaged or too large is left out. */
export function readDirectory(
  bytes: Bytes, offset: number, order: Order, wanted: (tag: number) => boolean = () => true,
): Map<number, Entry> {
  const entries = new Map<number, Entry>();
  const little = order === "little";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (offset < 0 || offset + 2 > bytes.length) return entries;
  const count = view.getUint16(offset, little);
  if (count > MAX_ENTRIES) return entries;
  let left = MAX_VALUES;
  for (let index = 0; index < count; index++) {
    const at = offset + 2 + 12 * index;
    if (at + 12 > bytes.length) break;
    const [tag, kind] = [view.getUint16(at, little), view.getUint16(at + 2, little)];
    const length = view.getUint32(at + 4, little) * (SIZES[kind] ?? 0);
    if (!(0 < length && length <= Math.min(MAX_VALUE, left)) || entries.has(tag) || !wanted(tag)) continue;
    const place = length <= 4 ? at + 8 : view.getUint32(at + 8, little);
    if (place + length > bytes.length) continue;
    left -= length;
    const data = bytes.slice(place, place + length);
    entries.set(tag, { kind, data: little ? data : turned(kind, data) });
  }
  return entries;
}

/** The wanted entries of the first directory of a TIFF, and its byte order; none where it is none. */
export function readFirstDirectory(bytes: Bytes, wanted?: (tag: number) => boolean): [Map<number, Entry>, Order] {
  const order = byteOrder(bytes);
  if (!order || bytes.length < 8) return [new Map(), null];
  const first = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, order === "little");
  return [readDirectory(bytes, first, order, wanted), order];
}

function directoryBytes(entries: Directory, offset: number): Bytes {
  const sorted = [...entries].sort(([one], [other]) => one - other);
  const size = 2 + 12 * sorted.length + 4;
  const head = new DataView(new ArrayBuffer(size));
  head.setUint16(0, sorted.length, true);
  const values: Uint8Array[] = [];
  let place = offset + size;
  sorted.forEach(([tag, entry], index) => {
    const at = 2 + 12 * index;
    head.setUint16(at, tag, true);
    head.setUint16(at + 2, entry.kind, true);
    head.setUint32(at + 4, countOf(entry), true);
    if (entry.data.length <= 4) new Uint8Array(head.buffer).set(entry.data, at + 8);
    else {
      head.setUint32(at + 8, place, true);
      values.push(entry.data, new Uint8Array(entry.data.length % 2));
      place += entry.data.length + (entry.data.length % 2);
    }
  });
  return joined([new Uint8Array(head.buffer), ...values]);
}

/** A TIFF file of one directory without pixels, which points by each tag of `inner` to one of these. */
export function tiffOf(ifd0: Directory, inner: readonly [number, Directory][]): Bytes {
  const filled = inner.filter(([, directory]) => directory.size);
  const whole = new Map(ifd0);
  for (const [tag] of filled) whole.set(tag, longs(0));
  let place = 8 + directoryBytes(whole, 8).length;
  const parts: Bytes[] = [];
  for (const [tag, directory] of filled) {
    parts.push(directoryBytes(directory, place));
    whole.set(tag, longs(place));
    place += parts[parts.length - 1].length;
  }
  return joined([Uint8Array.of(0x49, 0x49, 0x2a, 0, 8, 0, 0, 0), directoryBytes(whole, 8), ...parts]);
}

/** Two maps as one, of which the last has the last word. */
export function merged(...parts: Directory[]): Map<number, Entry> {
  return new Map(parts.flatMap((part) => [...part]));
}

export function without(directory: Directory, ...tags: number[]): Map<number, Entry> {
  return new Map([...directory].filter(([tag]) => !tags.includes(tag)));
}
