/** What a DNG says of how its mosaic is to be developed, kept as its bytes; as `formats/negative.py`. */

import { type Bytes, Refusal, deflated, inflated } from "./bytes";
import {
  ASCII, BYTE, type Directory, type Entry, LONG, RATIONAL, SHORT, SRATIONAL, UNDEFINED,
  countOf, merged, numbersOf, readDirectory, tiffOf, without,
} from "./tiff";

export const NEGATIVE_LAYER = "negative";
export const AS_SHOT_NEUTRAL = 50728, CROP_ORIGIN = 50719, CROP_SIZE = 50720;
/** Lists of what is done to the file's own numbers, to linear ones, to demosaiced ones. */
export const OPCODES = [51008, 51009, 51022];
const FLOAT = 11, DOUBLE = 12, SUB_IFDS = 330;
const WHOLE = [SHORT, LONG];
const MAX_BYTES = 1 << 16;
const INFLATED = 1 << 24;

/** The TIFF types and counts that a tag may have (0: any), whether it stands beside the mosaic. */
type Tag = readonly [kinds: readonly number[], counts: readonly number[], besideMosaic?: boolean];

const TAGS: ReadonlyMap<number, Tag> = new Map<number, Tag>([
  [50708, [[ASCII], [0]]], // UniqueCameraModel
  [50709, [[ASCII, BYTE], [0]]], // LocalizedCameraModel
  [50718, [[RATIONAL], [2], true]], // DefaultScale
  [CROP_ORIGIN, [[...WHOLE, RATIONAL], [2], true]],
  [CROP_SIZE, [[...WHOLE, RATIONAL], [2], true]],
  [50721, [[SRATIONAL], [9]]], // ColorMatrix1
  [50722, [[SRATIONAL], [9]]], // ColorMatrix2
  [50723, [[SRATIONAL], [9]]], // CameraCalibration1
  [50724, [[SRATIONAL], [9]]], // CameraCalibration2
  [50727, [[RATIONAL], [3]]], // AnalogBalance
  [AS_SHOT_NEUTRAL, [[SHORT, RATIONAL], [3]]],
  [50730, [[SRATIONAL], [1]]], // BaselineExposure
  [50731, [[RATIONAL], [1]]], // BaselineNoise
  [50732, [[RATIONAL], [1]]], // BaselineSharpness
  [50733, [[LONG], [1], true]], // BayerGreenSplit
  [50734, [[RATIONAL], [1]]], // LinearResponseLimit
  [50737, [[RATIONAL], [1], true]], // ChromaBlurRadius
  [50738, [[RATIONAL], [1], true]], // AntiAliasStrength
  [50739, [[RATIONAL], [1]]], // ShadowScale
  [50778, [[SHORT], [1]]], // CalibrationIlluminant1
  [50779, [[SHORT], [1]]], // CalibrationIlluminant2
  [50780, [[RATIONAL], [1], true]], // BestQualityScale
  [50931, [[ASCII, BYTE], [0]]], // CameraCalibrationSignature
  [50932, [[ASCII, BYTE], [0]]], // ProfileCalibrationSignature
  [50934, [[ASCII, BYTE], [0]]], // AsShotProfileName
  [50936, [[ASCII, BYTE], [0]]], // ProfileName
  [50937, [[LONG], [3]]], // ProfileHueSatMapDims
  [50938, [[FLOAT], [0]]], // ProfileHueSatMapData1
  [50939, [[FLOAT], [0]]], // ProfileHueSatMapData2
  [50940, [[FLOAT], [0]]], // ProfileToneCurve
  [50941, [[LONG], [1]]], // ProfileEmbedPolicy
  [50942, [[ASCII, BYTE], [0]]], // ProfileCopyright
  [50964, [[SRATIONAL], [9]]], // ForwardMatrix1
  [50965, [[SRATIONAL], [9]]], // ForwardMatrix2
  [50981, [[LONG], [3]]], // ProfileLookTableDims
  [50982, [[FLOAT], [0]]], // ProfileLookTableData
  [OPCODES[0], [[UNDEFINED], [0], true]],
  [OPCODES[1], [[UNDEFINED], [0], true]],
  [OPCODES[2], [[UNDEFINED], [0], true]],
  [51041, [[DOUBLE], [2, 6], true]], // NoiseProfile
  [51107, [[LONG], [1]]], // ProfileHueSatMapEncoding
  [51108, [[LONG], [1]]], // ProfileLookTableEncoding
  [51109, [[RATIONAL, SRATIONAL], [1]]], // BaselineExposureOffset
  [51110, [[LONG], [1]]], // DefaultBlackRender
  [51125, [[RATIONAL], [4], true]], // DefaultUserCrop
]);
export const CARRIED: ReadonlySet<number> = new Set(TAGS.keys());

/** What is left out for want of room, in this order: tastes before repairs. */
const TOGETHER: readonly [string, number[]][] = [
  ["the profile's look table", [50981, 50982, 51108]],
  ["the profile's table of hues", [50937, 50938, 50939, 51107]],
  ["the profile's tone curve", [50940]],
  ["OpcodeList1", [51008]],
  ["OpcodeList3", [51022]],
  ["OpcodeList2", [51009]],
];

/** Tags of a DNG's own: `camera` of its first directory, `mosaic` of that of its mosaic. */
export interface Negative {
  camera: Directory;
  mosaic: Directory;
}

/** Of a file's tags those that are carried and can be: finite numbers, a crop within the mosaic, whole lists. */
export function negativeOf(tags: Directory, height: number, width: number): Negative {
  let kept = new Map([...tags].filter(([code, entry]) => isSound(code, entry)));
  if (!isWithin(kept, height, width)) kept = without(kept, CROP_ORIGIN, CROP_SIZE);
  const beside = (wanted: boolean): Directory =>
    new Map([...kept].filter(([code]) => (TAGS.get(code)?.[2] ?? false) === wanted));
  return { camera: beside(false), mosaic: beside(true) };
}

export function withoutTags(negative: Negative, ...codes: number[]): Negative {
  return { camera: without(negative.camera, ...codes), mosaic: without(negative.mosaic, ...codes) };
}

/** A picture's layer of it, empty where there is nothing to say; and what was left out for want of room. */
export async function negativeLayer(negative: Negative): Promise<[Bytes, string[]]> {
  let fitting = negative;
  const leftOut: string[] = [];
  for (const [name, codes] of TOGETHER) {
    if ((await packed(fitting)).length <= MAX_BYTES) break;
    const size = codes.reduce((sum, code) => sum + (merged(fitting.camera, fitting.mosaic).get(code)?.data.length ?? 0), 0);
    if (!size) continue;
    fitting = withoutTags(fitting, ...codes);
    leftOut.push(`${name} (${size} bytes)`);
  }
  const bytes = await packed(fitting);
  if (bytes.length <= MAX_BYTES) return [bytes, leftOut];
  return [new Uint8Array(), [`everything that the DNG says of its development (more than ${MAX_BYTES} bytes)`]];
}

async function packed(negative: Negative): Promise<Bytes> {
  if (!negative.camera.size && !negative.mosaic.size) return new Uint8Array();
  return deflated(tiffOf(negative.camera, [[SUB_IFDS, negative.mosaic]]));
}

/** Inverse of `negativeLayer` for a mosaic of that size. Throws Refusal for other bytes. */
export async function readNegative(layer: Bytes, height: number, width: number): Promise<Negative> {
  const tiff = await inflated(layer, INFLATED).catch(() => new Uint8Array());
  const tags = readDirectory(tiff, 8, "little");
  const pointer = tags.get(SUB_IFDS);
  tags.delete(SUB_IFDS);
  const all = pointer?.kind === LONG ? merged(tags, readDirectory(tiff, numbersOf(pointer)[0], "little")) : tags;
  const found = negativeOf(all, height, width);
  if (!tiff.length || found.camera.size + found.mosaic.size !== all.size) {
    throw new Refusal("What the picture carries of its negative is damaged: use the file as it was rendered.");
  }
  return found;
}

/** The latest version of the DNG specification that sound opcode lists ask for, 0 without any. */
export function newestOpcode(lists: readonly Entry[]): number {
  return Math.max(0, ...lists.flatMap((list) => opcodeVersions(list.data) ?? []));
}

/** Version of each opcode of a list (DNG 1.4, chapter 7; big-endian); null if the list is not whole. */
function opcodeVersions(data: Bytes): number[] | null {
  if (data.length < 4) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const versions: number[] = [];
  let place = 4;
  for (let left = view.getUint32(0); left > 0; left--) {
    if (data.length < place + 16) return null;
    versions.push(view.getUint32(place + 4));
    place += 16 + view.getUint32(place + 12);
  }
  return place === data.length ? versions : null;
}

function isSound(code: number, entry: Entry): boolean {
  const tag = TAGS.get(code);
  if (!tag || !tag[0].includes(entry.kind) || (tag[1][0] !== 0 && !tag[1].includes(countOf(entry)))) return false;
  return OPCODES.includes(code) ? opcodeVersions(entry.data) !== null : numbersOf(entry).every(Number.isFinite);
}

function isWithin(tags: Directory, height: number, width: number): boolean {
  const [left, top] = numbersOf(tags.get(CROP_ORIGIN));
  const [across, down] = numbersOf(tags.get(CROP_SIZE));
  return across > 0 && down > 0 && left + across <= width && top + down <= height;
}
