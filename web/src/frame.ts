/** A frame: its mosaic, what its file states, and the numbers that a graph takes; as `isp/frame.py`, `isp/recipe.py`. */

import { Refusal } from "./bytes";
import { type Matrix, type Row, cameraToSrgb, daylightGains, inverse, isInvertible } from "./colour";
import type { Metadata } from "./metadata";
import type { Negative } from "./negative";
import { checkShading } from "./shading";

export type Four = [number, number, number, number];
export const PATTERNS = ["RGGB", "GRBG", "GBRG", "BGGR"];
const ADJUST_THRESHOLD = 0.75;

/** (height, width) DN in sensor order. */
export interface Mosaic {
  data: Uint16Array<ArrayBuffer>;
  height: number;
  width: number;
}

/** What a file states of its mosaic; fields and their order are the record's. color_matrix: XYZ to camera. */
export interface Facts {
  cfa: string;
  black: Four;
  white: number;
  gains: Row | null;
  orientation: number;
  color_matrix: Matrix | null;
  make: string;
  model: string;
}

/** The numbers of one frame; fields and their order are the record's. matrix: camera RGB to linear sRGB. */
export interface Recipe {
  cfa: string;
  black: Four;
  white: number;
  gains: Row;
  curve: number | string;
  matrix: Matrix | null;
  shading: number[];
  clips: boolean;
}

/** Mirrored rows and columns around a frame. */
export interface Alignment {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

/** What weights expect of a frame (docs/contract.md). */
export interface Contract {
  make: string;
  model: string;
  white: string | number;
  white_balance: string;
  color: string;
  curve: number | string;
  cfa: string;
  look: string;
  shading: number[];
  clips: boolean;
}

export interface Frame {
  facts: Facts;
  mosaic: Mosaic;
  metadata: Metadata;
  negative: Negative | null;
  notes: string[];
}

export const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const numbers = (value: unknown, count: number): boolean =>
  Array.isArray(value) && value.length === count && value.every(isNumber);
const isMatrix = (value: unknown): boolean => Array.isArray(value) && value.length === 3 && value.every((row) => numbers(row, 3));
const isPattern = (value: unknown): boolean => typeof value === "string" && PATTERNS.includes(value);
const isCurve = (value: unknown): boolean => value === "bt709" || (isNumber(value) && value >= 1 && value <= 4);

/** Throws Refusal for values that no camera states. */
export function checkFacts(facts: Facts): void {
  const { cfa, black, white, gains, orientation, color_matrix: matrix } = facts;
  if (!isPattern(cfa)) throw new Refusal(`A mosaic is one of ${PATTERNS.join(", ")}, got ${cfa}.`);
  if (!numbers(black, 4) || !isNumber(white)) throw new Refusal("Levels are numbers, four of black and one of white.");
  if (!(Math.min(...black) >= 0 && Math.max(...black) < white && white <= 65535)) {
    throw new Refusal(`The black level ${black} must lie below the white level ${white}: the levels are wrong.`);
  }
  if (gains !== null && !(numbers(gains, 3) && Math.min(...gains) > 0)) {
    throw new Refusal("White-balance gains are three numbers above 0.");
  }
  if (![1, 2, 3, 4, 5, 6, 7, 8].includes(orientation)) throw new Refusal(`An orientation is 1 to 8, got ${orientation}.`);
  if (matrix !== null && !isMatrix(matrix)) throw new Refusal("A colour matrix has three rows of three numbers.");
  if (typeof facts.make !== "string" || typeof facts.model !== "string") throw new Refusal("Make and model are text.");
}

/** Throws Refusal for numbers that no frame has. */
export function checkRecipe(recipe: Recipe): void {
  checkShading(recipe.shading);
  const { cfa, black, white, gains, curve, matrix } = recipe;
  const sound =
    isPattern(cfa) && typeof recipe.clips === "boolean" && numbers(black, 4) && isNumber(white) && numbers(gains, 3) && isCurve(curve) &&
    (matrix === null || (isMatrix(matrix) && isInvertible(matrix))) &&
    Math.min(...black) >= 0 && Math.max(...black) < white && white <= 65535 &&
    Math.min(...gains) >= 1e-4 && Math.max(...gains) <= 1e4;
  if (!sound) throw new Refusal("These are no numbers of a frame: its levels, gains or matrix cannot be.");
}

/** The pattern as seen from a pixel. */
export function windowCfa(cfa: string, row: number, column: number): string {
  return [0, 1, 2, 3].map((site) => cfa[(((site >> 1) + row) % 2) * 2 + (((site & 1) + column) % 2)]).join("");
}

/** The smallest alignment after which the pattern is `wanted` (or `any`) and both sides are multiples. */
export function alignmentFor(mosaic: Mosaic, cfa: string, wanted: string, multiple: number): Alignment {
  const [top, left] =
    wanted === "any" ? [0, 0] : [[0, 0], [0, 1], [1, 0], [1, 1]].find(([r, c]) => windowCfa(cfa, r, c) === wanted)!;
  const missing = (side: number): number => (multiple - (side % multiple)) % multiple;
  return { top, left, bottom: missing(mosaic.height + top), right: missing(mosaic.width + left) };
}

/** Mirrored rows and columns around a mosaic: row -1 is row 1. */
export function aligned(mosaic: Mosaic, { top, left, bottom, right }: Alignment): Mosaic {
  if (!(top || left || bottom || right)) return mosaic;
  const [height, width] = [mosaic.height + top + bottom, mosaic.width + left + right];
  const data = new Uint16Array(height * width);
  const mirrored = (place: number, size: number): number => (place < 0 ? -place : place < size ? place : 2 * size - 2 - place);
  for (let row = 0; row < height; row++) {
    const from = mirrored(row - top, mosaic.height) * mosaic.width;
    data.set(mosaic.data.subarray(from, from + mosaic.width), row * width + left);
    for (let column = 0; column < left; column++) data[row * width + column] = mosaic.data[from + left - column];
    for (let column = left + mosaic.width; column < width; column++) {
      data[row * width + column] = mosaic.data[from + mirrored(column - left, mosaic.width)];
    }
  }
  return { data, height, width };
}

/** Inverse of `aligned`. */
export function unaligned(mosaic: Mosaic, { top, left, bottom, right }: Alignment): Mosaic {
  if (!(top || left || bottom || right)) return mosaic;
  return cropped(mosaic, top, left, mosaic.height - bottom, mosaic.width - right);
}

/** Rows and columns from the first pair of numbers up to the second. */
export function cropped(mosaic: Mosaic, top: number, left: number, bottom: number, right: number): Mosaic {
  if (top === 0 && left === 0 && bottom === mosaic.height && right === mosaic.width) return mosaic;
  const [height, width] = [bottom - top, right - left];
  const data = new Uint16Array(height * width);
  for (let row = 0; row < height; row++) {
    const from = (top + row) * mosaic.width + left;
    data.set(mosaic.data.subarray(from, from + width), row * width);
  }
  return { data, height, width };
}

/** The contract's rules resolved for a frame, as seen from its first aligned pixel. Throws Refusal. */
export function recipeFor(facts: Facts, mosaic: Mosaic, contract: Contract, { top, left }: Alignment): Recipe {
  let white = Number(contract.white);
  if (contract.white === "file") white = facts.white;
  else if (contract.white === "adjusted") white = adjustedWhite(facts, mosaic);
  let gains: Row = [1, 1, 1];
  if (contract.white_balance !== "none") {
    const given = lightOf(facts);
    const divisor = contract.white_balance === "max" ? Math.max(...given) : Math.min(...given);
    gains = given.map((gain) => gain / divisor) as Row;
  }
  let matrix: Matrix | null = null;
  if (contract.color === "srgb") {
    if (!facts.color_matrix) {
      throw new Refusal(
        "The file has no colour matrix, and none is known here for its camera: render it by invisp-run, which takes one.",
      );
    }
    matrix = cameraToSrgb(facts.color_matrix);
  }
  const black = [0, 1, 2, 3].map((site) => facts.black[(((site >> 1) + top) % 2) * 2 + (((site & 1) + left) % 2)]) as Four;
  const { curve, shading, clips } = contract;
  const recipe: Recipe = { cfa: windowCfa(facts.cfa, top, left), black, white, gains, curve, matrix, shading, clips };
  checkRecipe(recipe);
  return recipe;
}

/** As shot, else for daylight by the colour matrix, as LibRaw does. */
function lightOf(facts: Facts): Row {
  if (facts.gains) return facts.gains;
  if (facts.color_matrix) return daylightGains(facts.color_matrix);
  throw new Refusal("The file has no as-shot white balance and no colour matrix to take daylight from: use invisp-run.");
}

/** DN that LibRaw's rendering maps to full scale (its `adjust_maximum` with the default threshold). */
function adjustedWhite(facts: Facts, { data, height, width }: Mosaic): number {
  const most = [0, 0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const site = (row & 1) * 2 + (column & 1);
      if (data[row * width + column] > most[site]) most[site] = data[row * width + column];
    }
  }
  const brightest = Math.max(...most.map((value, site) => value - facts.black[site]));
  const base = Math.min(...facts.black);
  const span = facts.white - base;
  return ADJUST_THRESHOLD * span < brightest && brightest < span ? base + brightest : facts.white;
}

/** The graph inputs of a frame beside its picture, by name: values and their shape. */
export function numbersFor(recipe: Recipe): Record<string, [Float32Array | Int32Array, number[]]> {
  const all: Record<string, [Float32Array | Int32Array, number[]]> = {
    black: [Float32Array.from(recipe.black), [4]],
    white: [Float32Array.of(recipe.white), [1]],
    gains: [Float32Array.from(recipe.gains), [3]],
    cfa: [Int32Array.from(recipe.cfa, (letter) => "RGB".indexOf(letter)), [4]],
  };
  if (recipe.matrix) {
    all.to_srgb = [Float32Array.from(recipe.matrix.flat()), [3, 3]];
    all.to_camera = [Float32Array.from(inverse(recipe.matrix).flat()), [3, 3]];
  }
  return all;
}
