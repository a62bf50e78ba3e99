/** What a file says of its picture for people, as the bytes that the file has; as `formats/metadata.py`. */

import { type Bytes, fromLatin, joined, latin, startsWith } from "./bytes";
import {
  ASCII, BYTE, type Directory, type Entry, IFD, LONG, UNDEFINED,
  longs, merged, numbersOf, readDirectory, readFirstDirectory, shorts, text, textOf, tiffOf, without,
} from "./tiff";

const EXIF_IFD = 0x8769, GPS_IFD = 0x8825, XMP = 700;
export const ORIENTATION = 0x0112, MAKE = 0x010f, MODEL = 0x0110, SOFTWARE = 0x0131;
const EXIF_VERSION = 0x9000, COMMENT = 0x9286, UNIQUE_CAMERA_MODEL = 0xc614;
export const NO_CAMERA = "unknown camera";
const MADE_BY = "invisp-deploy";
const range = (first: number, last: number): number[] => Array.from({ length: last - first }, (_, index) => first + index);

const KEPT_IFD0 = [0x010e, MAKE, MODEL, SOFTWARE, 0x0132, 0x013b, 0x4746, 0x4749, 0x8298, ...range(0x9c9b, 0x9ca0)];
const EXIF_IN_IFD0 = [
  0x829a, 0x829d, 0x8822, 0x8824, 0x8827, ...range(0x8830, 0x8836), 0x9003, 0x9004, ...range(0x9010, 0x9013),
  ...range(0x9201, 0x920b), 0x9214, ...range(0x9290, 0x9293), 0xa215, 0xa217, ...range(0xa401, 0xa40b), 0xa40c, 0xa420,
  ...range(0xa430, 0xa436),
];
const DNG_TO_EXIF = new Map([[0xc62f, 0xa431], [0xc630, 0xa432]]);
const WANTED = new Set([
  ...KEPT_IFD0, ...EXIF_IN_IFD0, ...DNG_TO_EXIF.keys(), UNIQUE_CAMERA_MODEL, XMP, EXIF_IFD, GPS_IFD,
]);
const DROPPED_EXIF = [0x927c, 0xa001, 0xa002, 0xa003, 0xa005];
/** Bytes that a segment of a JPEG holds beside its marker and length. */
const SEGMENT = 65533;
export const XMP_HEAD = "http://ns.adobe.com/xap/1.0/\0";
export const EXIF_HEAD = "Exif\0\0";

/** Entries of three directories that are worth keeping; xmp: the packet, empty if none. */
export interface Metadata {
  ifd0: Directory;
  exif: Directory;
  gps: Directory;
  xmp: Bytes;
}

export const NOTHING: Metadata = { ifd0: new Map(), exif: new Map(), gps: new Map(), xmp: new Uint8Array() };

/** What a TIFF says, with that XMP packet; nothing where it is none. */
export function readMetadata(bytes: Bytes, xmp: Bytes = new Uint8Array()): Metadata {
  const [ifd0, order] = readFirstDirectory(bytes, (tag) => WANTED.has(tag));
  const [exif, gps] = [EXIF_IFD, GPS_IFD].map((tag) => {
    const pointer = ifd0.get(tag);
    ifd0.delete(tag);
    const place = pointer && [LONG, IFD].includes(pointer.kind) ? numbersOf(pointer)[0] : 0;
    return place ? readDirectory(bytes, place, order, (code) => !DROPPED_EXIF.includes(code)) : new Map<number, Entry>();
  });
  const found = kept(ifd0, exif, gps);
  return { ...found, xmp: xmp.length ? xmp : found.xmp };
}

function kept(ifd0: Directory, exif: Directory, gps: Directory): Metadata {
  const worth = (directory: Directory): Map<number, Entry> =>
    new Map([...directory].filter(([, value]) => value.kind !== ASCII || value.data.some((byte) => byte && byte !== 0x20)));
  const [first, own, places] = [worth(ifd0), worth(exif), worth(gps)];
  const comment = own.get(COMMENT);
  if (comment && !comment.data.subarray(8).some((byte) => byte && byte !== 0x20)) own.delete(COMMENT);
  const moved = new Map<number, Entry>();
  for (const tag of [...EXIF_IN_IFD0, ...DNG_TO_EXIF.keys()]) {
    const value = first.get(tag);
    if (value) moved.set(DNG_TO_EXIF.get(tag) ?? tag, value);
  }
  const [unique, xmp] = [first.get(UNIQUE_CAMERA_MODEL), first.get(XMP)];
  const words = new Map([...first].filter(([tag]) => KEPT_IFD0.includes(tag)));
  if (unique && !["", NO_CAMERA].includes(textOf(unique)) && !words.has(MAKE) && !words.has(MODEL)) {
    words.set(MODEL, { kind: ASCII, data: unique.data });
  }
  return { ifd0: words, exif: without(merged(moved, own), ...DROPPED_EXIF), gps: places, xmp: xmp?.data ?? new Uint8Array() };
}

/** Metadata with that camera, in the file's own bytes where these say the same. */
export function named(metadata: Metadata, make: string, model: string): Metadata {
  const ifd0 = new Map(metadata.ifd0);
  for (const [tag, name] of [[MAKE, make], [MODEL, model]] as const) {
    if (textOf(ifd0.get(tag)) === name) continue;
    if (name) ifd0.set(tag, text(name));
    else ifd0.delete(tag);
  }
  return { ...metadata, ifd0 };
}

/** Make and model as one name; models that repeat their make are not doubled. */
export function cameraName(make: string, model: string): string {
  const [first, second] = [make.trim(), model.trim()];
  return second.toLowerCase().startsWith(first.toLowerCase()) ? second : `${first} ${second}`.trim();
}

/** What stands in a TIFF's first directory, the XMP packet among it, and the two others by their tags. */
export function directories(metadata: Metadata): [Map<number, Entry>, [number, Directory][]] {
  const first = new Map(metadata.ifd0);
  if (metadata.xmp.length) first.set(XMP, { kind: BYTE, data: metadata.xmp });
  return [first, [[EXIF_IFD, metadata.exif], [GPS_IFD, metadata.gps]]];
}

const exifBlock = (metadata: Metadata): Bytes =>
  tiffOf(metadata.ifd0, [[EXIF_IFD, metadata.exif], [GPS_IFD, metadata.gps]]);

/** The body of a JPEG's Exif segment for a picture of that size and orientation, its XMP packet, and a sentence on each
 * thing that they do not hold. */
export function jpegWords(metadata: Metadata, orientation: number, width: number, height: number): [Bytes, Bytes, string[]] {
  const said = metadata.exif.get(EXIF_VERSION)?.data;
  const version = said && /^\d{4}$/.test(fromLatin(said)) && fromLatin(said) > "0232" ? said : latin("0232");
  const rational72: Entry = { kind: 5, data: new Uint8Array(Uint32Array.of(72, 1).buffer) };
  let whole: Metadata = {
    ...metadata,
    ifd0: merged(metadata.ifd0, new Map<number, Entry>([
      [ORIENTATION, shorts(orientation)], [0x011a, rational72], [0x011b, rational72], [0x0128, shorts(2)],
      [SOFTWARE, text(MADE_BY)], [0x0213, shorts(1)],
    ])),
    exif: merged(metadata.exif, new Map<number, Entry>([
      [EXIF_VERSION, { kind: UNDEFINED, data: version }], [0x9101, { kind: UNDEFINED, data: Uint8Array.of(1, 2, 3, 0) }],
      [0xa000, { kind: UNDEFINED, data: latin("0100") }], [0xa001, shorts(1)],
      [0xa002, longs(width)], [0xa003, longs(height)],
    ])),
  };
  const notes: string[] = [];
  const leftOut = (what: string, size: number): void => {
    notes.push(`${what} of ${size} bytes does not fit a JPEG and was left out`);
  };
  if (whole.xmp.length > SEGMENT - XMP_HEAD.length) {
    leftOut("the XMP packet", whole.xmp.length);
    whole = { ...whole, xmp: new Uint8Array() };
  }
  while (exifBlock(whole).length > SEGMENT - EXIF_HEAD.length) {
    const all = (["ifd0", "exif", "gps"] as const).flatMap((part) => [...whole[part]].map(([tag, value]) => ({ part, tag, value })));
    const longest = all.reduce((one, other) => (other.value.data.length > one.value.data.length ? other : one));
    leftOut(`the tag ${longest.tag}`, longest.value.data.length);
    whole = { ...whole, [longest.part]: without(whole[longest.part], longest.tag) };
  }
  return [joined([latin(EXIF_HEAD), exifBlock(whole)]), whole.xmp, notes];
}

/** Metadata and the stored orientation (0 where there is none) of a JPEG, by the bodies of its APP1 segments. */
export function ofSegments(segments: readonly Bytes[]): [Metadata, number] {
  const exif = segments.find((body) => startsWith(body, EXIF_HEAD));
  const xmp = segments.find((body) => startsWith(body, XMP_HEAD));
  const block = exif ? exif.slice(EXIF_HEAD.length) : new Uint8Array();
  const [first] = readFirstDirectory(block, (tag) => tag === ORIENTATION);
  const stored = numbersOf(first.get(ORIENTATION))[0] ?? 0;
  return [readMetadata(block, xmp ? xmp.slice(XMP_HEAD.length) : new Uint8Array()), stored];
}
