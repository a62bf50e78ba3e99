/** DNG out: the mosaic bit for bit, with what other programs need to develop it; as `formats/dng.py`. */

import { type Bytes, Refusal, joined } from "./bytes";
import { XYZ_TO_SRGB } from "./colour";
import { type Picture, encoded } from "./encoder";
import type { Frame } from "./frame";
import { codeFor, encodedTile } from "./lossless";
import { NO_CAMERA, ORIENTATION, SOFTWARE, cameraName, directories, named } from "./metadata";
import { AS_SHOT_NEUTRAL, CROP_ORIGIN, CROP_SIZE, OPCODES, newestOpcode } from "./negative";
import {
  type Directory, type Entry, RATIONAL, bytesEntry, longs, merged, numbersOf, rationals, shorts, text, tiffOf,
} from "./tiff";

const PREVIEW_EDGE = 1024;
const SUB_IFDS = 330, COLOR_MATRIX = 50721;
/** Rows and columns of a tile, at most; sides are multiples of the step. */
const TILE = [256, 512], STEP = 16;
/** Rows and columns below which LibRaw and dcraw take a file for none of a camera's. */
const LEAST_SIDE = 22;

/** shown: the picture, of which the preview is made. Throws Refusal for a frame that is too small. */
export function dngOf(frame: Frame, shown: Picture): Bytes {
  const { mosaic, facts } = frame;
  if (Math.min(mosaic.height, mosaic.width) < LEAST_SIDE) {
    throw new Refusal(`LibRaw opens DNGs from ${LEAST_SIDE}x${LEAST_SIDE} pixels, the frame is ${mosaic.width}x${mosaic.height}.`);
  }
  const small = reduced(shown, PREVIEW_EDGE);
  const preview = encoded(small, 90, "4:2:2");
  const [down, across] = tileSide(mosaic.height, mosaic.width);
  let most = facts.white;
  for (const value of mosaic.data) if (value > most) most = value;
  const bits = Math.max(8, 32 - Math.clz32(most));
  const code = codeFor(mosaic, bits);
  const parts: Bytes[] = [preview];
  for (let top = 0; top < mosaic.height; top += down) {
    for (let left = 0; left < mosaic.width; left += across) parts.push(encodedTile(mosaic, top, left, down, across, code));
  }
  const first = firstDirectory(frame, small);
  const inner = mosaicDirectory(frame, bits, down, across);
  const [, words] = directories(frame.metadata);
  const head = (starts: number[]): Bytes => {
    const sizes = parts.map((part) => part.length);
    const tiles: [number, Entry][] = [[324, longs(...starts.slice(1))], [325, longs(...sizes.slice(1))]];
    const shownAt: [number, Entry][] = [[273, longs(starts[0])], [279, longs(sizes[0])]];
    return tiffOf(merged(first, new Map(shownAt)), [[SUB_IFDS, merged(inner, new Map(tiles))], ...words]);
  };
  const starts: number[] = [];
  let place = head(parts.map(() => 0)).length;
  for (const part of parts) {
    starts.push(place);
    place += part.length + (part.length % 2);
  }
  return joined([head(starts), ...parts.flatMap((part) => [part, new Uint8Array(part.length % 2)])]);
}

function firstDirectory(frame: Frame, preview: Picture): Directory {
  const { facts, negative } = frame;
  const [words] = directories(named(frame.metadata, facts.make, facts.model));
  words.delete(SOFTWARE);
  const kept = new Map(negative?.camera ?? []);
  const neutral = neutralOf(frame, kept.get(AS_SHOT_NEUTRAL));
  kept.delete(AS_SHOT_NEUTRAL);
  const lists = OPCODES.flatMap((tag) => negative?.mosaic.get(tag) ?? []);
  const version = Math.max(newestOpcode(lists), 0x01040000);
  const four = (value: number): Entry => bytesEntry(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  const colours: [number, Entry][] = kept.has(COLOR_MATRIX)
    ? []
    : [[COLOR_MATRIX, rationals((facts.color_matrix ?? XYZ_TO_SRGB).flat())], [50778, shorts(21)]]; // D65
  return merged(
    new Map<number, Entry>([[50708, text(cameraName(facts.make, facts.model) || NO_CAMERA)], [50730, rationals([0])]]),
    words, new Map(colours), kept, neutral,
    new Map<number, Entry>([
      [254, longs(1)], // NewSubfileType: a preview
      [256, longs(preview.width)], [257, longs(preview.height)], [258, shorts(8, 8, 8)], [259, shorts(7)], [262, shorts(6)],
      [ORIENTATION, shorts(facts.orientation)], [277, shorts(3)], [278, longs(preview.height)], [284, shorts(1)],
      [SOFTWARE, text("invisp-deploy")], [530, shorts(2, 1)], [531, shorts(1)],
      [50706, four(version)], // DNGVersion
      [50707, lists.length ? four(0x01030000) : four(0x01010000)], // DNGBackwardVersion
    ]),
  );
}

function mosaicDirectory({ facts, mosaic, negative }: Frame, bits: number, down: number, across: number): Directory {
  const { height, width } = mosaic;
  return merged(
    new Map<number, Entry>([[CROP_ORIGIN, longs(0, 0)], [CROP_SIZE, longs(width, height)]]),
    negative?.mosaic ?? new Map(),
    new Map<number, Entry>([
      [254, longs(0)], [256, longs(width)], [257, longs(height)], [258, shorts(bits)], [259, shorts(7)], [262, shorts(32803)],
      [277, shorts(1)], [284, shorts(1)], [322, longs(across)], [323, longs(down)],
      [33421, shorts(2, 2)], // CFARepeatPatternDim
      [33422, bytesEntry(...Array.from(facts.cfa, (letter) => "RGB".indexOf(letter)))], // CFAPattern
      [50710, bytesEntry(0, 1, 2)], [50711, shorts(1)], // CFAPlaneColor, CFALayout: rectangular
      [50713, shorts(2, 2)], [50714, rationals(facts.black, RATIONAL)], // BlackLevelRepeatDim, BlackLevel
      [50717, longs(facts.white)], [50829, longs(0, 0, height, width)], // WhiteLevel, ActiveArea
    ]),
  );
}

/** AsShotNeutral: as the source has it, where its gains are the frame's; none for a frame without gains. */
function neutralOf({ facts }: Frame, stated: Entry | undefined): Directory {
  if (!facts.gains) return new Map();
  const least = Math.min(...facts.gains);
  const own = facts.gains.map((gain) => least / gain);
  const theirs = numbersOf(stated);
  const most = Math.max(...theirs);
  const same = theirs.length === 3 && theirs.every((each, index) => each > 0 && Math.abs(each / most - own[index]) <= 1e-8 + 1e-4 * own[index]);
  return new Map([[AS_SHOT_NEUTRAL, stated && same ? stated : rationals(own, RATIONAL)]]);
}

/** Rows and columns of tiles that cover a mosaic with little to spare, none as wide as half of it (LibRaw misreads it). */
function tileSide(height: number, width: number): [number, number] {
  const side = (length: number, most: number): number => Math.ceil(Math.ceil(length / Math.ceil(length / most)) / STEP) * STEP;
  const across = Math.min(side(width, TILE[1]), Math.floor(width / STEP) * STEP);
  return [side(height, TILE[0]), 2 * across === width ? across + STEP : across];
}

/** A picture of at most `edge` pixels a side: each of its pixels is the mean of a square. */
function reduced({ pixels, height, width }: Picture, edge: number): Picture {
  const step = Math.ceil(Math.max(height, width) / edge);
  if (step === 1) return { pixels, height, width };
  const [down, across] = [Math.ceil(height / step), Math.ceil(width / step)];
  const small = new Uint8Array(down * across * 3);
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const [bottom, right] = [Math.min((row + 1) * step, height), Math.min((column + 1) * step, width)];
      const sums = [0, 0, 0];
      for (let y = row * step; y < bottom; y++) {
        for (let at = (y * width + column * step) * 3; at < (y * width + right) * 3; at += 3) {
          for (let colour = 0; colour < 3; colour++) sums[colour] += pixels[at + colour];
        }
      }
      const count = (bottom - row * step) * (right - column * step);
      small.set(sums.map((sum) => Math.round(sum / count)), (row * across + column) * 3);
    }
  }
  return { pixels: small, height: down, width: across };
}

