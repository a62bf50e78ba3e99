/** What a network's inverse gives, filtered by coefficients that a look's picture carries; as `sidedata/correction.py`. */

import type { Mosaic } from "./frame";

/** Filters of one site: the 5x5 pixels around, and a constant that is worth 256 DN. */
export const NEIGHBOURS = 26;
const CONSTANT = 256;
const POINT = 2 ** 24;
const REACH = 2;

/** DN of a network for a picture through the filters of each site, at most `white`; beyond an edge pixels are mirrored.
 * Where a colour of the picture is black they stay as they were. */
export function corrected({ data, height, width }: Mosaic, pixels: Uint8Array, filters: Int32Array, white: number): Mosaic {
  const made = new Uint16Array(height * width);
  const inside = (place: number, size: number): number => (place < 0 ? -place : place < size ? place : 2 * size - 2 - place);
  const columns = Int32Array.from({ length: width + 2 * REACH }, (_, column) => inside(column - REACH, width));
  const rows = Array.from({ length: 2 * REACH + 1 }, () => 0);
  for (let row = 0; row < height; row++) {
    for (let down = 0; down < rows.length; down++) rows[down] = inside(row + down - REACH, height) * width;
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      if (!pixels[3 * at] || !pixels[3 * at + 1] || !pixels[3 * at + 2]) {
        made[at] = data[at];
        continue;
      }
      const first = ((row & 1) * 2 + (column & 1)) * NEIGHBOURS;
      let sum = filters[first + NEIGHBOURS - 1] * CONSTANT;
      for (let tap = 0; tap < NEIGHBOURS - 1; tap++) sum += filters[first + tap] * data[rows[(tap / 5) | 0] + columns[column + (tap % 5)]];
      made[at] = Math.min(Math.max(Math.floor(sum / POINT + 0.5), 0), white);
    }
  }
  return { data: made, height, width };
}
