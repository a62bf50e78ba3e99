/** Pictures that carry their way back as JPEG files: written, and read with what they carry. */

import { type Bytes, Refusal, find, hex, joined, sha256, startsWith } from "./bytes";
import { type Picture, decoded, encoded } from "./codec";
import {
  APP1, APP9, type JpegHeader, pixelsDigest, readJpegHeader, secondPicture, segment, subsamplingOf, withSegments,
} from "./jpeg";
import { IDENTIFIER, fromPackets, toPackets } from "./layers";
import type { Highlights } from "./light";
import { type Metadata, XMP_HEAD, jpegSegments, ofSegments, withoutGainMap } from "./metadata";
import { RECORD_LAYER, type Record, readRecord, recordBytes } from "./record";

const QUALITY = 90, SUBSAMPLING = "4:2:2";
const GAIN_MAP_LAYER = "gainmap";
const ISO = "urn:iso:std:iso:ts:21496:-1\0";
const MOST_GAIN_MAP = 1 << 25, MOST_SIXTEENTHS = 256;
const MAX_PIXELS = 200e6;
const END = Uint8Array.of(0xff, 0xd9);

/** A JPEG of a picture with its way back. layersOf: makes the layers beside the record of the pixels as a reader will
 * decode them, and of the record's digest. Returns the file and sentences on what it does not hold. */
export async function writePicture(
  picture: Picture, record: Record, metadata: Metadata, layersOf: (stored: Bytes, digest: string) => Promise<Map<string, Bytes>>,
): Promise<[Bytes, string[]]> {
  const coded = await encoded(picture, QUALITY, SUBSAMPLING);
  const digest = await pixelsDigest(coded, readJpegHeader(coded));
  const { pixels } = await decoded(coded, "the picture");
  const whole: Record = { ...record, quality: QUALITY, subsampling: SUBSAMPLING, digest };
  const layers = new Map([[RECORD_LAYER, await recordBytes(whole)], ...(await layersOf(pixels, digest))]);
  const [words, notes] = jpegSegments(metadata, record.facts.orientation, picture.width, picture.height);
  const packets = toPackets(layers).map((packet) => segment(APP9, packet));
  return [withSegments(coded, [...words.map((body) => segment(APP1, body)), ...packets]), notes];
}

/** A picture that was read: its pixels as rendered, its record with the orientation that the file states now, and what
 * it carries. */
export interface Carried {
  picture: Picture;
  record: Record;
  metadata: Metadata;
  layers: Map<string, Bytes>;
  highlights: Highlights | null;
  notes: string[];
}

/** Throws Refusal for a JPEG that carries no way back, or that of other pixels. */
export async function readPicture(bytes: Bytes, name: string): Promise<Carried> {
  const header = headerOf(bytes, name);
  if (header.width * header.height > MAX_PIXELS) throw new Refusal(`${name} claims to be ${header.width}x${header.height} pixels, 200 megapixels are the limit.`);
  const [layers, damaged] = fromPackets([...header.packets, ...packetsBehind(bytes, header)]);
  for (const [layer, why] of damaged) {
    if (layer === GAIN_MAP_LAYER) continue;
    throw new Refusal(`What ${name} carries of its way back is damaged (${layer || "a packet"}: ${why}): use the file as it was rendered.`);
  }
  const packed = layers.get(RECORD_LAYER);
  if (!packed) {
    throw new Refusal(
      `${name} carries no way back: it was not rendered by invisp, or its metadata was removed. The RAW file is not in it.`,
    );
  }
  const record = await readRecord(packed, name);
  await checkUntouched(bytes, header, record, name);
  const [said, stored] = ofSegments(header.app1);
  const metadata = layers.has(GAIN_MAP_LAYER) || damaged.has(GAIN_MAP_LAYER) ? { ...said, xmp: withoutGainMap(said.xmp) } : said;
  const orientation = stored >= 1 && stored <= 8 ? stored : record.facts.orientation;
  const picture = await decoded(bytes, name);
  const highlights = await highlightsOf(bytes, header, layers, picture);
  const notes = layers.has(GAIN_MAP_LAYER) && !highlights ? ["its gain map is left out: it is not the one that was written"] : [];
  return { picture, record: { ...record, facts: { ...record.facts, orientation } }, metadata, layers, highlights, notes };
}

function headerOf(bytes: Bytes, name: string): JpegHeader {
  try {
    return readJpegHeader(bytes);
  } catch (error) {
    throw new Refusal(`${name} is a JPEG that cannot be read (${(error as Error).message}): copy it again from where it came.`);
  }
}

/** The packets of layers that the second picture's segments hold (docs/layers.md). */
function packetsBehind(bytes: Bytes, header: JpegHeader): Bytes[] {
  const second = secondPicture(header);
  try {
    return second ? readJpegHeader(bytes, second[0]).packets : [];
  } catch {
    return [];
  }
}

async function checkUntouched(bytes: Bytes, header: JpegHeader, record: Record, name: string): Promise<void> {
  const digest = await pixelsDigest(bytes, header);
  if (digest === record.digest || (record.own_codes && digest === record.own_codes)) return;
  const sizes = [[record.height, record.width], [record.width, record.height]];
  let why = "edited or damaged since it was rendered, or turned or coded again without loss, which invisp-run undoes";
  if (find(bytes, END, header.scan.start) < 0) why = "cut short";
  else if (!sizes.some(([height, width]) => header.height === height && header.width === width)) {
    why = `${header.width}x${header.height} now, it was rendered as ${record.width}x${record.height}`;
  } else if (subsamplingOf(header) !== record.subsampling) why = "saved again by another program";
  throw new Refusal(`${name} carries the way back of other pixels (it is ${why}): use the file as it was rendered.`);
}

/** What the gain map behind a picture adds to it; null where there is none, or not the one that was written. */
async function highlightsOf(bytes: Bytes, header: JpegHeader, layers: Map<string, Bytes>, picture: Picture): Promise<Highlights | null> {
  const layer = layers.get(GAIN_MAP_LAYER);
  const second = secondPicture(header);
  if (!layer || layer.length !== 34 || !second) return null;
  const sixteenths = (layer[0] << 8) | layer[1];
  const image = plain(bytes, ...second);
  if (!image || !(sixteenths >= 1 && sixteenths <= MOST_SIXTEENTHS)) return null;
  if ((await sha256(image)) !== hex(layer.subarray(2))) return null;
  const { pixels: codes, height, width } = await decoded(image, "the gain map");
  const scale = [2, 4, 8, 16].find((each) => height === Math.ceil(picture.height / each) && width === Math.ceil(picture.width / each));
  return scale ? { codes, height, width, sixteenths, scale } : null;
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
  return joined([...kept, bytes.subarray(at, Math.min(place + size, at + MOST_GAIN_MAP))]);
}

