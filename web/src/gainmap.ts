/** A gain map as a second JPEG behind a picture, described by ISO 21496-1 and Adobe's XMP; as `formats/gain_map.py`. */

import { type Bytes, fromHex, fromLatin, hex, joined, latin, sha256, startsWith, utf8 } from "./bytes";
import type { GainMap } from "./highlights";
import { APP1, APP2, type JpegHeader, secondPicture, segment, withSegments } from "./jpeg";
import { IDENTIFIER, MOST_PACKET } from "./layers";
import { XMP_HEAD } from "./metadata";

export const GAIN_MAP_LAYER = "gainmap";
const ISO = "urn:iso:std:iso:ts:21496:-1\0";
const INDEX = "MPF\0";
const MOST_BYTES = 1 << 25, MOST_SIXTEENTHS = 256;
const OFFSET = 64;
const RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"';
const HDRGM = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"';
const CONTAINER = "http://ns.google.com/photos/1.0/container/";
const EMPTY =
  '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">' +
  `<rdf:RDF ${RDF}></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;

/** What the picture's layer holds: the largest gain, and the map's SHA-256. */
export async function gainMapLayer({ image, sixteenths }: GainMap): Promise<Bytes> {
  return joined([Uint8Array.of(sixteenths >> 8, sixteenths & 255), fromHex(await sha256(image))]);
}

/** The gain map that a layer speaks of; null where it is not there any more, or is not that which was written. */
export async function readGainMap(bytes: Bytes, header: JpegHeader, layer: Bytes | undefined): Promise<GainMap | null> {
  const second = secondPicture(header);
  if (!layer || layer.length !== 34 || !second) return null;
  const sixteenths = (layer[0] << 8) | layer[1];
  const image = plain(bytes, ...second);
  if (!image || !(sixteenths >= 1 && sixteenths <= MOST_SIXTEENTHS)) return null;
  return (await sha256(image)) === hex(layer.subarray(2)) ? { image, sixteenths } : null;
}

/** A gain map's JPEG without its description and without layers; null where none begins there. */
function plain(bytes: Bytes, place: number, size: number): Bytes | null {
  if (bytes[place] !== 0xff || bytes[place + 1] !== 0xd8) return null;
  const kept = [bytes.subarray(place, place + 2)];
  let at = place + 2;
  while (bytes[at] === 0xff && bytes[at + 1] >= 0xe0 && bytes[at + 1] <= 0xef) {
    const next = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (![XMP_HEAD, ISO, IDENTIFIER].some((head) => startsWith(bytes, head, at + 4))) kept.push(bytes.subarray(at, next));
    at = next;
  }
  return joined([...kept, bytes.subarray(at, Math.min(place + size, at + MOST_BYTES))]);
}

/** The gain map's JPEG as it stands behind a picture. */
export function secondImage({ image, sixteenths }: GainMap): Bytes {
  const [stops, offset] = [String(sixteenths / 16), String(1 / OFFSET)];
  const described =
    `<rdf:Description ${RDF} ${HDRGM} hdrgm:GainMapMin="0" hdrgm:GainMapMax="${stops}" hdrgm:Gamma="1" ` +
    `hdrgm:OffsetSDR="${offset}" hdrgm:OffsetHDR="${offset}" hdrgm:HDRCapacityMin="0" hdrgm:HDRCapacityMax="${stops}" ` +
    'hdrgm:BaseRenditionIsHDR="False"/>';
  const channel = [0, 1, sixteenths, 16, 1, 1, 1, OFFSET, 1, OFFSET];
  const numbers = bigEndian([0, 1, sixteenths, 16, ...channel, ...channel, ...channel]);
  const flags = Uint8Array.of(0, 0, 0, 0, 0xc0); // three channels, colours of the picture
  return withSegments(image, [
    segment(APP1, joined([latin(XMP_HEAD), withDescription(new Uint8Array(), described)!])),
    segment(APP2, joined([latin(ISO), flags, numbers])),
  ]);
}

/** The XMP packet of a picture that a gain map of so many bytes stands behind, and sentences on what it had to leave. */
export function packetWithGainMap(packet: Bytes, size: number): [Bytes, string[]] {
  const item = (semantic: string, more: string): string =>
    `<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="${semantic}" Item:Mime="image/jpeg"${more}/></rdf:li>`;
  const described =
    `<rdf:Description ${RDF} ${HDRGM} xmlns:Container="${CONTAINER}" xmlns:Item="${CONTAINER}item/">` +
    `<Container:Directory><rdf:Seq>${item("Primary", "")}${item("GainMap", ` Item:Length="${size}"`)}</rdf:Seq></Container:Directory>` +
    "</rdf:Description>";
  const speaks = /\shdrgm:\w+\s*=|<hdrgm:|<Container:Directory>/.test(fromLatin(packet));
  const made = speaks ? null : withDescription(packet, described);
  if (made && made.length + XMP_HEAD.length <= MOST_PACKET) return [made, []];
  const note = `the XMP packet of ${packet.length} bytes cannot speak of the gain map, too, and was left out`;
  return [withDescription(new Uint8Array(), described)!, [note]];
}

/** An XMP packet without the description of a gain map; empty where it says nothing else. */
export function packetWithoutGainMap(packet: Bytes): Bytes {
  const left = fromLatin(packet).replace(/<rdf:Description rdf:about="[^"]*" [^>]*xmlns:hdrgm=[^]*?<\/rdf:Description>/, "");
  return /<rdf:RDF[^>]*><\/rdf:RDF>/.test(left) ? new Uint8Array() : latin(left);
}

/** A packet that says a further thing of the same picture; null for one that nothing can be added to. */
function withDescription(packet: Bytes, description: string): Bytes | null {
  const words = packet.length ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(packet) : EMPTY;
  const ends = [...words.matchAll(/<\/[\w.-]+:RDF\s*>/g)];
  if (words.includes("\0") || words.includes("<!DOCTYPE") || !ends.length) return null;
  const about = /\s[\w.-]+:about\s*=\s*["']([^"'<>]*)["']/.exec(words)?.[1] ?? "";
  const end = ends[ends.length - 1].index;
  return utf8(words.slice(0, end) + description.replace("<rdf:Description", `<rdf:Description rdf:about="${about}"`) + words.slice(end));
}

/** The body of the segment that says that a picture has a gain map; numbers stand in the map alone. */
export const VERSION_SEGMENT: Bytes = joined([latin(ISO), new Uint8Array(4)]);

/** A JPEG, with a second one behind it, and directly before its scan the index of both (CIPA DC-007). */
export function withSecond(bytes: Bytes, second: Bytes): Bytes {
  let scan = 2;
  while (bytes[scan + 1] !== 0xda) scan += 2 + ((bytes[scan + 2] << 8) | bytes[scan + 3]);
  const head = 4 + INDEX.length; // bytes of the segment before the one that offsets count from
  const size = indexSegment(0, 0, 0).length;
  const first = bytes.length + size;
  return joined([bytes.subarray(0, scan), indexSegment(first, second.length, first - (scan + head)), bytes.subarray(scan), second]);
}

function indexSegment(first: number, second: number, offset: number): Bytes {
  const entries = bigEndian([0x030000, first, 0, 0, 0, second, offset, 0]);
  const entry = (tag: number, kind: number, count: number, value: number): Bytes => bigEndian([(tag << 16) | kind, count, value]);
  return segment(APP2, joined([
    latin(INDEX), latin("MM\0*"), bigEndian([8]), Uint8Array.of(0, 3),
    entry(0xb000, 7, 4, 0x30313030), entry(0xb001, 4, 1, 2), entry(0xb002, 7, entries.length, 8 + 2 + 3 * 12 + 4),
    bigEndian([0]), entries,
  ]));
}

function bigEndian(values: number[]): Bytes {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setUint32(4 * index, value));
  return new Uint8Array(view.buffer);
}

