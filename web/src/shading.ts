/** What a lens takes from the corners, given back on the mosaic before the graph; as `isp/shading.py`. */

import { Refusal } from "./bytes";
import type { Four, Mosaic } from "./frame";
import { rounded } from "./light";

const MOST_TERMS = 5;
const MOST_GAIN = 16;

/** Gain at a squared distance from the centre, 1 in the corners. */
function gainAt(squared: number, shading: readonly number[]): number {
  return shading.reduceRight((gain, each) => (gain + each) * squared, 0) + 1;
}

/** Throws Refusal for gains below 1 or above 16. */
export function checkShading(shading: unknown): void {
  const terms = shading as number[];
  const plain = Array.isArray(shading) && shading.length <= MOST_TERMS && shading.every(Number.isFinite);
  const gains = plain ? Array.from({ length: 65 }, (_, index) => gainAt(index / 64, terms)) : [];
  if (plain && gains.every((gain) => gain >= 1 && gain <= MOST_GAIN)) return;
  throw new Refusal(`Lens shading has at most ${MOST_TERMS} numbers and gains from 1 to ${MOST_GAIN}, got ${JSON.stringify(shading)}.`);
}

/** What lies above black times its gain, at most 65535. black: of the 2x2 pattern at the top left pixel. */
export const withoutShading = (mosaic: Mosaic, shading: readonly number[], black: Four): Mosaic =>
  scaled(mosaic, shading, black, (above, gain) => above * gain);

/** Inverse of `withoutShading`. */
export const withShading = (mosaic: Mosaic, shading: readonly number[], black: Four): Mosaic =>
  scaled(mosaic, shading, black, (above, gain) => above / gain);

function scaled(mosaic: Mosaic, shading: readonly number[], black: Four, how: (above: number, gain: number) => number): Mosaic {
  if (!shading.length) return mosaic;
  const { height, width } = mosaic;
  const corner = (height / 2) ** 2 + (width / 2) ** 2;
  const along = (place: number, size: number): number => (place + (0.5 - size / 2)) ** 2 / corner;
  const across = Float64Array.from({ length: width }, (_, column) => along(column, width));
  const data = new Uint16Array(height * width);
  for (let row = 0; row < height; row++) {
    const down = along(row, height);
    for (let column = 0, at = row * width; column < width; column++, at++) {
      const level = black[(row & 1) * 2 + (column & 1)];
      const value = rounded(how(mosaic.data[at] - level, gainAt(down + across[column], shading)) + level);
      data[at] = Math.min(Math.max(value, 0), 65535);
    }
  }
  return { data, height, width };
}
