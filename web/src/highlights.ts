/**
 * What the sensor saw above the picture's white, as the pixels of a gain map; as `sidedata/highlights.py` and
 * `sidedata/saturation.py`.
 *
 * The map is made of 2x2 squares of the mosaic where the picture clips; elsewhere it is 0, and adds nothing.
 */

import type { Bytes } from "./bytes";
import type { Row } from "./colour";
import { decoded } from "./decoder";
import { encoded } from "./encoder";
import type { Four, Mosaic, Recipe } from "./frame";
import { type Highlights, LIGHT_OF_CODES, OFFSET, WHITE, isClipped, rounded } from "./light";

const STOP = 4096;
const MOST = 8 * STOP;
export const SCALES = [2, 4, 8, 16];
const QUALITIES = [85, 75, 60];
const BEST = 92;
/** Bytes of a map, and pixels of one. */
const MOST_BYTES = 64_000, LARGEST = 1 << 23;
/** What is saturated is taken for so much brighter. */
const ABOVE = 1.02;
/** Stops above white from which a map says something. */
const LEAST = 1 / 16;
const BRIGHT: [number, number] = [Math.round(0.8 * 255), Math.round(0.97 * 255)];
const DARK = 0.01;

const BINS = 200, LEAST_BIN = 160, LAST_BIN = 260, LOOKED_AT = 1 << 21;
const TIMES = 5, SHARE = 1e-4, NOISE = 0.03;

/** How much brighter the scene is than the picture. stops: in 4096ths, of three colours of each square. count: pixels
 * of a square that clip. ends: from which DN on sites are saturated. */
export interface Brighter {
  stops: Uint16Array;
  count: Uint8Array;
  height: number;
  width: number;
  ends: Four;
}

/** A gain map's JPEG, and the sixteenths of a stop of its code 255. */
export interface GainMap {
  image: Bytes;
  sixteenths: number;
}

/** Compares a mosaic with its picture; null where nothing lies above white. near: whether the picture shows light as it
 * is, as LibRaw's rendering does. */
export function brighter(mosaic: Mosaic, recipe: Recipe, pixels: Uint8Array, near: boolean): Brighter | null {
  const [height, width] = [mosaic.height / 2, mosaic.width / 2];
  const count = new Uint8Array(height * width);
  let any = false;
  for (let row = 0, at = 0; row < mosaic.height; row++) {
    for (let column = 0; column < mosaic.width; column++, at += 3) {
      if (!isClipped(pixels, at)) continue;
      count[(row >> 1) * width + (column >> 1)]++;
      any = true;
    }
  }
  if (!any) return null;
  const shares = saturatedFrom(mosaic, recipe);
  const exposure = near ? 1 : exposureOf(mosaic, recipe, pixels);
  const stops = new Uint16Array(height * width * 3);
  const offset = OFFSET / WHITE;
  let most = 0;
  for (let square = 0; square < count.length; square++) {
    if (!count[square]) continue;
    const [row, column] = [2 * Math.floor(square / width), 2 * (square % width)];
    const scene = sceneOf(mosaic, row, column, recipe, shares);
    for (let colour = 0; colour < 3; colour++) {
      const above = Math.log2(Math.max(scene[colour] * exposure + offset, offset) / (shownOf(pixels, mosaic.width, row, column, colour) + offset));
      const value = rounded(Math.min(Math.max(above * STOP, 0), MOST));
      stops[square * 3 + colour] = value;
      most = Math.max(most, value);
    }
  }
  const ends = [0, 1, 2, 3].map((site) => {
    const share = shares["RGB".indexOf(recipe.cfa[site])];
    return recipe.black[site] + share * (recipe.white - recipe.black[site]);
  }) as Four;
  return most >= LEAST * STOP ? { stops, count, height, width, ends } : null;
}

/** The finest map of at most 64 kB; null where none fits. */
export function fittedGainMap(found: Brighter): GainMap | null {
  for (const scale of SCALES) {
    if (found.count.length * 4 > LARGEST * scale ** 2) continue;
    const { codes, height, width, sixteenths } = inCodes(found, scale);
    const coded = (quality: number): Bytes => encoded({ pixels: codes, height, width }, quality, "4:4:4");
    for (const quality of QUALITIES) {
      const image = coded(quality);
      if (image.length > MOST_BYTES) {
        if (image.length > 2.5 * MOST_BYTES) break; // a coarser map it is
        continue;
      }
      const finer = quality === QUALITIES[0] ? coded(BEST) : image;
      return { image: finer.length <= MOST_BYTES ? finer : image, sixteenths };
    }
  }
  return null;
}

/** What a map adds to a picture of that size; null for one of no scale of ours. */
export async function highlightsOf({ image, sixteenths }: GainMap, height: number, width: number): Promise<Highlights | null> {
  const { pixels: codes, height: rows, width: columns } = await decoded(image, "the gain map");
  const scale = SCALES.find((each) => rows === Math.ceil(height / each) && columns === Math.ceil(width / each));
  return scale ? { codes, height: rows, width: columns, sixteenths, scale } : null;
}

/** Codes of a map, one to `scale` x `scale` pixels of the picture: means over the pixels that clip. */
function inCodes({ stops, count, height, width }: Brighter, scale: number): Omit<Highlights, "scale" | "codes"> & { codes: Bytes } {
  const step = scale / 2;
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const means = new Uint16Array(rows * columns * 3);
  let most = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const sums = [0, 0, 0];
      let total = 0;
      for (let y = row * step; y < Math.min((row + 1) * step, height); y++) {
        for (let at = y * width + column * step; at < y * width + Math.min((column + 1) * step, width); at++) {
          total += count[at];
          for (let colour = 0; colour < 3; colour++) sums[colour] += stops[at * 3 + colour] * count[at];
        }
      }
      if (!total) continue;
      for (let colour = 0; colour < 3; colour++) {
        const mean = step === 1 ? sums[colour] / total : Math.floor((sums[colour] + (total >> 1)) / total);
        means[(row * columns + column) * 3 + colour] = mean;
        most = Math.max(most, mean);
      }
    }
  }
  const sixteenths = Math.max(Math.ceil((most * 16) / STOP), 1);
  const codes = new Uint8Array(means.length);
  means.forEach((mean, place) => (codes[place] = rounded(Math.min(mean * ((255 * 16) / (STOP * sixteenths)), 255))));
  return { codes, height: rows, width: columns, sixteenths };
}

/** Mean light of a square of the picture, of one colour; 1 is white. */
function shownOf(pixels: Uint8Array, width: number, row: number, column: number, colour: number): number {
  const at = (row * width + column) * 3 + colour;
  const sum = LIGHT_OF_CODES[pixels[at]] + LIGHT_OF_CODES[pixels[at + 3]] + LIGHT_OF_CODES[pixels[at + width * 3]] + LIGHT_OF_CODES[pixels[at + width * 3 + 3]];
  return sum / 4 / WHITE;
}

/** Linear sRGB of a square, 1 at the picture's white; a saturated colour for no more coloured than the two others. */
function sceneOf({ data, width }: Mosaic, row: number, column: number, recipe: Recipe, shares: Row): Row {
  const sums = [0, 0, 0], counts = [0, 0, 0];
  const saturated = [false, false, false];
  for (let site = 0; site < 4; site++) {
    const colour = "RGB".indexOf(recipe.cfa[site]);
    const black = recipe.black[site];
    const share = (data[(row + (site >> 1)) * width + column + (site & 1)] - black) / (recipe.white - black);
    sums[colour] += share;
    counts[colour]++;
    if (share >= shares[colour]) saturated[colour] = true;
  }
  const camera = sums.map((sum, colour) => (sum / counts[colour]) * recipe.gains[colour]);
  const total = camera[0] + camera[1] + camera[2];
  let whole = camera.map((value, colour) => (saturated[colour] ? Math.max(value * ABOVE, (total - value) / 2) : value));
  if (saturated.every(Boolean)) whole = whole.map(() => Math.max(...whole));
  if (!recipe.matrix) return whole as Row;
  return recipe.matrix.map((line) => line[0] * whole[0] + line[1] * whole[1] + line[2] * whole[2]) as Row;
}

/** By how much a look shows what is bright, but not white, brighter than it is: the median over squares. */
function exposureOf(mosaic: Mosaic, recipe: Recipe, pixels: Uint8Array): number {
  const found: number[] = [];
  const never: Row = [Infinity, Infinity, Infinity];
  for (let row = 0; row + 1 < mosaic.height; row += 16) {
    for (let column = 0; column < mosaic.width; column += 2) {
      let largest = 0;
      for (const line of [row, row + 1]) {
        const at = (line * mosaic.width + column) * 3;
        for (let place = at; place < at + 6; place++) largest = Math.max(largest, pixels[place]);
      }
      if (largest < BRIGHT[0] || largest > BRIGHT[1]) continue;
      const scene = sceneOf(mosaic, row, column, recipe, never);
      const shown = [0, 1, 2].map((colour) => shownOf(pixels, mosaic.width, row, column, colour));
      found.push((shown[0] + shown[1] + shown[2]) / Math.max(scene[0] + scene[1] + scene[2], DARK));
    }
  }
  return found.length ? median(found) : 1;
}

/** From which share of white each colour of a mosaic is saturated: where its pixels pile up; infinite for none. */
function saturatedFrom({ data, height, width }: Mosaic, recipe: Recipe): Row {
  const step = 2 * Math.max(Math.floor((height * width) / LOOKED_AT), 1);
  return [0, 1, 2].map((colour) => {
    const counts = new Float64Array(LAST_BIN + 1);
    for (let site = 0; site < 4; site++) {
      if (recipe.cfa[site] !== "RGB"[colour]) continue;
      const black = recipe.black[site];
      for (let row = site >> 1; row < height; row += step) {
        for (let at = row * width + (site & 1); at < (row + 1) * width; at += 2) {
          const bin = ((data[at] - black) / (recipe.white - black)) * BINS;
          counts[Math.trunc(Math.min(Math.max(bin, 0), LAST_BIN))]++;
        }
      }
    }
    let fullest = LEAST_BIN;
    for (let bin = LEAST_BIN; bin <= LAST_BIN; bin++) if (counts[bin] > counts[fullest]) fullest = bin;
    const sum = (from: number, to: number): number => counts.subarray(from, to).reduce((total, each) => total + each, 0);
    const below = sum(fullest - 8, fullest - 3) / 5;
    const piles = counts[fullest] >= TIMES * (below + 1) && sum(fullest - 1, LAST_BIN + 1) >= SHARE * sum(0, LAST_BIN + 1);
    return piles ? fullest / BINS - NOISE : Infinity;
  }) as Row;
}

export function median(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
