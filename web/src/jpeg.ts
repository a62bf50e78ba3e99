/** JPEG files by their segments (ITU-T T.81, annex B): header, layers, what decides their pixels; as `formats/jpeg.py`. */

import { type Bytes, find, fromLatin, joined, latin, sha256, startsWith } from "./bytes";
import { IDENTIFIER } from "./layers";
import { readFirstDirectory } from "./tiff";

export const APP1 = 0xe1, APP2 = 0xe2, APP9 = 0xe9;
const APP0 = 0xe0, APP14 = 0xee, APP15 = 0xef, DQT = 0xdb, DHT = 0xc4, DRI = 0xdd, SOS = 0xda;
const END = Uint8Array.of(0xff, 0xd9);
const INDEX = "MPF\0", ENTRIES = 0xb002;

interface Component {
  identity: number;
  h: number;
  v: number;
  table: number[];
}

/** What stands before a JPEG's first scan. huffman: `class,number` -> 16 counts and the symbols. start: of the scan's
 * entropy-coded bytes. index: of the pictures in the file, with its place there. */
export interface JpegHeader {
  frame: number;
  precision: number;
  height: number;
  width: number;
  components: Component[];
  huffman: Map<number, Bytes>;
  restart: number;
  packets: Bytes[];
  app1: Bytes[];
  index: { body: Bytes; at: number } | null;
  ycc: boolean;
  scan: { components: [number, number, number][]; spectral: [number, number]; bits: [number, number]; start: number };
}

/** Throws an Error with the reason for what is no JPEG. */
export function readJpegHeader(bytes: Bytes, from = 0): JpegHeader {
  if (bytes[from] !== 0xff || bytes[from + 1] !== 0xd8) throw new Error("it does not begin as a JPEG");
  const header: Omit<JpegHeader, "scan"> = {
    frame: 0, precision: 0, height: 0, width: 0, components: [], huffman: new Map(), restart: 0, packets: [], app1: [],
    index: null, ycc: true,
  };
  const quantisation = new Map<number, number[]>();
  let planes: [number, number, number, number][] = [];
  let [jfif, adobe] = [false, -1];
  for (let place = from + 2; ; ) {
    if (bytes[place] !== 0xff) throw new Error("a segment does not begin with a marker");
    while (bytes[place + 1] === 0xff) place++;
    const marker = bytes[place + 1];
    if (!marker || marker === 0xd9) throw new Error("it ends before its first scan");
    const size = ((bytes[place + 2] << 8) | bytes[place + 3]) - 2;
    const body = bytes.subarray(place + 4, place + 4 + size);
    if (!(size >= 0) || body.length < size) throw new Error("it ends within a segment");
    const bodyAt = place + 4;
    place += 4 + size;
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    if (marker === APP9 && startsWith(body, IDENTIFIER)) header.packets.push(body);
    else if (marker === APP1) header.app1.push(body);
    else if (marker === APP2 && startsWith(body, INDEX)) header.index = { body: body.slice(INDEX.length), at: bodyAt + INDEX.length };
    else if (marker === APP0 && startsWith(body, "JFIF\0")) jfif = true;
    else if (marker === APP14 && startsWith(body, "Adobe") && size >= 12) adobe = body[11];
    else if (marker === DQT) readQuantisation(body, quantisation);
    else if (marker === DHT) readHuffman(body, header.huffman);
    else if (marker === DRI) header.restart = view.getUint16(0);
    else if (marker >= 0xc0 && marker <= 0xcf && ![DHT, 0xc8, 0xcc].includes(marker)) {
      header.frame = marker;
      header.precision = body[0];
      [header.height, header.width] = [view.getUint16(1), view.getUint16(3)];
      planes = Array.from({ length: body[5] }, (_, index) => {
        const [identity, sampling, table] = body.subarray(6 + 3 * index);
        const [h, v] = [sampling >> 4, sampling & 15];
        if (!(h >= 1 && h <= 4 && v >= 1 && v <= 4)) throw new Error("a component has no sampling factor");
        return [identity, h, v, table];
      });
    } else if (marker === SOS) {
      header.components = planes.map(([identity, h, v, table]) => ({ identity, h, v, table: quantisation.get(table) ?? [] }));
      const identities = planes.map(([identity]) => identity);
      header.ycc = jfif || (adobe >= 0 ? adobe === 1 : fromLatin(Uint8Array.from(identities)) !== "RGB");
      const count = body[0];
      if (!count || size < 4 + 2 * count) throw new Error("the header of a scan is cut short");
      const components = Array.from({ length: count }, (_, index): [number, number, number] => {
        const [identity, tables] = body.subarray(1 + 2 * index);
        if (!identities.includes(identity)) throw new Error("a scan is of a component that is not there");
        return [identities.lastIndexOf(identity), tables >> 4, tables & 15];
      });
      const [first, last, bits] = body.subarray(1 + 2 * count);
      return { ...header, scan: { components, spectral: [first, last], bits: [bits >> 4, bits & 15], start: place } };
    }
  }
}

function readQuantisation(body: Bytes, into: Map<number, number[]>): void {
  for (let place = 0; place < body.length; ) {
    const [wide, number] = [body[place] >> 4, body[place] & 15];
    const size = wide ? 128 : 64;
    if (body.length < place + 1 + size) throw new Error("a quantisation table is cut short");
    const data = body.subarray(place + 1, place + 1 + size);
    into.set(number, wide ? Array.from({ length: 64 }, (_, index) => (data[2 * index] << 8) | data[2 * index + 1]) : [...data]);
    place += 1 + size;
  }
}

function readHuffman(body: Bytes, into: Map<number, Bytes>): void {
  for (let place = 0; place < body.length; ) {
    const count = body.subarray(place + 1, place + 17).reduce((sum, each) => sum + each, 0);
    if (body.length < place + 17 + count) throw new Error("a Huffman table is cut short");
    into.set(body[place], body.slice(place + 1, place + 17 + count));
    place += 17 + count;
  }
}

/** As 4:2:2; empty for a JPEG that is not of three planes of which the first is the finest. */
export function subsamplingOf({ components }: JpegHeader): string {
  const [luma, ...chroma] = components;
  if (components.length !== 3 || chroma.some((one) => one.h !== 1 || one.v !== 1)) return "";
  return { 11: "4:4:4", 21: "4:2:2", 22: "4:2:0", 12: "4:4:0", 41: "4:1:1" }[luma.h * 10 + luma.v] ?? "";
}

/**
 * SHA-256, hexadecimal, of what decides a JPEG's pixels as any decoder has them, and of nothing else: of a text of its
 * sizes, tables and scan, spelt as Python spells such a tuple, and of the entropy-coded bytes.
 */
export async function pixelsDigest(bytes: Bytes, header: JpegHeader): Promise<string> {
  const { scan } = header;
  const planes = header.components.map(({ h, v, table }) => pythonTuple(h, v, pythonTuple(...table)));
  const huffman = [...header.huffman]
    .sort(([one], [other]) => one - other)
    .map(([key, table]) => pythonTuple(pythonTuple(key >> 4, key & 15), pythonBytes(table)));
  const decides = pythonTuple(
    header.frame === 0xc2 ? "True" : "False", header.precision, header.height, header.width, header.ycc ? "True" : "False",
    pythonTuple(...planes), `[${huffman.join(", ")}]`, header.restart,
    pythonTuple(...scan.components.map((each) => pythonTuple(...each))), pythonTuple(...scan.spectral), pythonTuple(...scan.bits),
  );
  const end = find(bytes, END, scan.start);
  return sha256(joined([latin(decides), bytes.subarray(scan.start, end < 0 ? bytes.length : end)]));
}

const pythonTuple = (...parts: (string | number)[]): string => `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;

function pythonBytes(bytes: Bytes): string {
  const quote = bytes.includes(0x27) && !bytes.includes(0x22) ? '"' : "'";
  const escapes: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\", [quote.charCodeAt(0)]: `\\${quote}` };
  const letter = (byte: number): string =>
    escapes[byte] ?? (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  return `b${quote}${Array.from(bytes, letter).join("")}${quote}`;
}

export function segment(marker: number, body: Uint8Array): Bytes {
  const size = body.length + 2;
  return joined([Uint8Array.of(0xff, marker, size >> 8, size & 255), body]);
}

/** A JPEG with these segments behind the application segments that it begins with. */
export function withSegments(bytes: Bytes, segments: readonly Bytes[]): Bytes {
  let place = 2;
  while (bytes[place + 1] >= APP0 && bytes[place + 1] <= APP15) place += 2 + ((bytes[place + 2] << 8) | bytes[place + 3]);
  return joined([bytes.subarray(0, place), ...segments, bytes.subarray(place)]);
}

/** Where in the file the second picture begins, and its bytes, as the index claims; null where nothing is said. */
export function secondPicture(header: JpegHeader): [place: number, size: number] | null {
  if (!header.index) return null;
  const [directory, order] = readFirstDirectory(header.index.body);
  const entry = directory.get(ENTRIES);
  if (!entry || entry.data.length < 32) return null;
  const view = new DataView(entry.data.buffer, entry.data.byteOffset);
  const little = order === "little";
  return [header.index.at + view.getUint32(24, little), view.getUint32(20, little)];
}

