/** Pictures that carry their way back as JPEG files: written, and read with what they carry. */

import { type Bytes, Refusal, find, joined, latin } from "./bytes";
import { decoded } from "./decoder";
import { type Picture, encoded } from "./encoder";
import {
  GAIN_MAP_LAYER, VERSION_SEGMENT, gainMapLayer, packetWithGainMap, packetWithoutGainMap, readGainMap, secondImage, withSecond,
} from "./gainmap";
import { type GainMap, highlightsOf } from "./highlights";
import { APP1, APP2, APP9, type JpegHeader, pixelsDigest, readJpegHeader, secondPicture, segment, subsamplingOf, withSegments } from "./jpeg";
import { fromPackets, toPackets } from "./layers";
import type { Highlights } from "./light";
import { type Metadata, XMP_HEAD, jpegWords, ofSegments } from "./metadata";
import { RECORD_LAYER, type Record, readRecord, recordBytes } from "./record";

const QUALITY = 90, SUBSAMPLING = "4:2:2";
const MAX_PIXELS = 200e6;
const END = Uint8Array.of(0xff, 0xd9);

/** A JPEG of a picture with its way back. layersOf: makes the layers beside the record of the pixels as a reader will
 * decode them, and of the record's digest. Returns the file and sentences on what it does not hold. */
export async function writePicture(
  picture: Picture, record: Record, metadata: Metadata, gainMap: GainMap | null,
  layersOf: (stored: Bytes, digest: string) => Promise<Map<string, Bytes>>,
): Promise<[Bytes, string[]]> {
  const coded = encoded(picture, QUALITY, SUBSAMPLING);
  const digest = await pixelsDigest(coded, readJpegHeader(coded));
  const { pixels } = await decoded(coded, "the picture");
  const whole: Record = { ...record, quality: QUALITY, subsampling: SUBSAMPLING, digest };
  const layers = new Map([[RECORD_LAYER, await recordBytes(whole)], ...(await layersOf(pixels, digest))]);
  const [exif, xmp, notes] = jpegWords(metadata, record.facts.orientation, picture.width, picture.height);
  const packetOf = (packet: Bytes): Bytes[] => (packet.length ? [segment(APP1, joined([latin(XMP_HEAD), packet]))] : []);
  const packets = (): Bytes[] => toPackets(layers).map((packet) => segment(APP9, packet));
  if (!gainMap) return [withSegments(coded, [segment(APP1, exif), ...packetOf(xmp), ...packets()]), notes];
  layers.set(GAIN_MAP_LAYER, await gainMapLayer(gainMap));
  const second = secondImage(gainMap);
  const [described, more] = packetWithGainMap(xmp, second.length);
  const segments = [segment(APP1, exif), ...packetOf(described), segment(APP2, VERSION_SEGMENT), ...packets()];
  return [withSecond(withSegments(coded, segments), second), [...notes, ...more]];
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
  const lit = layers.has(GAIN_MAP_LAYER) || damaged.has(GAIN_MAP_LAYER);
  const metadata = lit ? { ...said, xmp: packetWithoutGainMap(said.xmp) } : said;
  const orientation = stored >= 1 && stored <= 8 ? stored : record.facts.orientation;
  const picture = await decoded(bytes, name);
  const gainMap = await readGainMap(bytes, header, layers.get(GAIN_MAP_LAYER));
  const highlights = gainMap && (await highlightsOf(gainMap, picture.height, picture.width));
  const notes = lit && !highlights ? ["its gain map is left out: it is not the one that was written"] : [];
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
