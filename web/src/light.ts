/**
 * Light that a picture's codes and its gain map stand for, in whole 65536ths of white; as `sidedata/linear.py`.
 *
 * Every number here is a whole one in a double that holds it exactly, so sums of products of them are those of Python.
 */

export const WHITE = 65536;
/** What a gain map adds to both pictures before it divides them. */
export const OFFSET = WHITE / 64;
/** Parts of a gain map's code that interpolation between its pixels knows. */
const STEPS = 16;
/** Code from which a pixel counts as clipped. */
const CLIPPED = 250;
const SLOPE = 4.5, KNEE = 0.018053968510807, ALPHA = 1.09929682680944, POWER = 0.45;

/** Whole numbers, a half to the even one. */
export function rounded(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

/** The inverse of the picture's curve, of codes 0 to 255. */
export const LIGHT_OF_CODES = Float64Array.from({ length: 256 }, (_, index) => {
  const code = index / 255;
  const light = code < SLOPE * KNEE ? code / SLOPE : ((code + (ALPHA - 1)) / ALPHA) ** (1 / POWER);
  return rounded(WHITE * light);
});

/** What a gain map adds to a picture. codes: (height, width, 3) of the map. sixteenths: of a stop at code 255.
 * scale: pixels of the picture to one of the map, from the top left pixel. */
export interface Highlights {
  codes: Uint8Array;
  height: number;
  width: number;
  sixteenths: number;
  scale: number;
}

/** 2 ** (sixteenths / 16 * code / 255) in 65536ths, by 16ths of a code. */
function gainsOfCodes(sixteenths: number): Float64Array {
  const codes = 255 * STEPS;
  return Float64Array.from({ length: codes + 1 }, (_, index) => rounded(WHITE * 2 ** ((index / codes) * (sixteenths / 16))));
}

/** Codes of the map at a pixel between its own, in 16ths, bilinear; of three colours. */
function codeAt(map: Highlights, row: number, column: number, colour: number): number {
  const { scale, height, width, codes } = map;
  const along = (pixel: number, size: number): [number, number, number] => {
    const place = 2 * pixel + 1 - scale; // in halves of a pixel, from the first of the map
    const first = Math.floor(place / (2 * scale));
    const inside = (index: number): number => Math.min(Math.max(index, 0), size - 1);
    return [inside(first), inside(first + 1), place - first * 2 * scale];
  };
  const [above, below, down] = along(row, height);
  const [left, right, across] = along(column, width);
  const at = (r: number, c: number): number => codes[(r * width + c) * 3 + colour];
  const mixed = (c: number): number => at(above, c) * (2 * scale - down) + at(below, c) * down;
  const whole = (2 * scale) ** 2;
  return Math.floor(((mixed(left) * (2 * scale - across) + mixed(right) * across) * STEPS + whole / 2) / whole);
}

/** Of one pixel: whether a colour of it is clipped. */
export const isClipped = (pixels: Uint8Array, at: number): boolean =>
  pixels[at] >= CLIPPED || pixels[at + 1] >= CLIPPED || pixels[at + 2] >= CLIPPED;

/** A function that gives the light of a picture's rows: three planes of `width` values of one row, one behind the other. */
export function lightOf(pixels: Uint8Array, width: number, map: Highlights | null): (row: number, into: Float64Array) => void {
  const gains = map && gainsOfCodes(map.sixteenths);
  return (row, into) => {
    for (let column = 0, at = row * width * 3; column < width; column++, at += 3) {
      const raised = map !== null && isClipped(pixels, at);
      for (let colour = 0; colour < 3; colour++) {
        let value = LIGHT_OF_CODES[pixels[at + colour]];
        if (raised) value = Math.floor(((value + OFFSET) * gains![codeAt(map, row, column, colour)]) / WHITE) - OFFSET;
        into[colour * width + column] = value;
      }
    }
  };
}
