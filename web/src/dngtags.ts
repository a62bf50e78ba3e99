/** What a DNG says of its mosaic: directories of its raw images, active area, black levels; as `formats/dng_tags.py`. */

import { type Bytes, Refusal } from "./bytes";
import type { Four } from "./frame";
import { ORIENTATION } from "./metadata";
import { CARRIED } from "./negative";
import { type Directory, numbersOf, readDirectory, readFirstDirectory } from "./tiff";

const CFA = 32803, LINEAR_RAW = 34892;
const SUBFILE = 254, COLUMNS = 256, ROWS = 257, COMPRESSION = 259, PHOTOMETRIC = 262, SUB_IFDS = 330, FORMAT = 339;
const PATTERN_SIZE = 33421, VERSION = 50706, LINEARIZATION = 50712, ACTIVE_AREA = 50829;
const BLACK_SIZE = 50713, BLACK = 50714, BLACK_ACROSS = 50715, BLACK_DOWN = 50716;
const READ = new Set([
  ...CARRIED, ORIENTATION, SUBFILE, COLUMNS, ROWS, COMPRESSION, PHOTOMETRIC, SUB_IFDS, FORMAT, PATTERN_SIZE, VERSION,
  LINEARIZATION, ACTIVE_AREA, BLACK_SIZE, BLACK, BLACK_ACROSS, BLACK_DOWN,
]);
const MOST_SUB_IFDS = 32;
/** DN by which rows or columns may differ in black and still have one level. */
const SAME_BLACK = 1;

/** camera: tags of the first directory. images: those of each raw image, in the file's order. */
export interface DngTags {
  camera: Directory;
  images: Directory[];
}

/** Tags of a DNG, null for a file that does not say of itself that it is one. */
export function readDngTags(bytes: Bytes): DngTags | null {
  const [camera, order] = readFirstDirectory(bytes, (tag) => READ.has(tag));
  if (!camera.has(VERSION)) return null;
  const places = whole(camera, SUB_IFDS).slice(0, MOST_SUB_IFDS).filter((place) => place > 0);
  const all = [camera, ...places.map((place) => readDirectory(bytes, place, order, (tag) => READ.has(tag)))];
  const images = all.filter((tags) => (first(tags, SUBFILE) ?? 0) === 0 && [CFA, LINEAR_RAW].includes(first(tags, PHOTOMETRIC) ?? 0));
  return { camera, images };
}

/** Tags of the first Bayer image of these stored rows and columns; empty if there is none. */
export function ofMosaic(tags: DngTags, height: number, width: number): Directory {
  return tags.images.find((each) => first(each, PHOTOMETRIC) === CFA && isStored(each, height, width)) ?? new Map();
}

/** Whether an image has these rows and columns, margins included. */
export const isStored = (tags: Directory, height: number, width: number): boolean =>
  first(tags, ROWS) === height && first(tags, COLUMNS) === width;

/** EXIF's orientation as the first directory of a TIFF based file has it, right or wrong; null if it has none. */
export const statedOrientation = (bytes: Bytes): number | null => first(readFirstDirectory(bytes)[0], ORIENTATION);

export const isLinearized = (tags: Directory): boolean => tags.has(LINEARIZATION);

/** Rows and columns after which the colours of a mosaic come again; empty if the file does not say. */
export const patternSize = (tags: Directory): number[] => whole(tags, PATTERN_SIZE);

/** Top, left, bottom, right of the picture in an image of that size; all where the file names none that can be. */
export function activeArea(tags: Directory, height: number, width: number): Four {
  const area = whole(tags, ACTIVE_AREA);
  const [top, left, bottom, right] = area;
  const can = area.length === 4 && top >= 0 && top < bottom && bottom <= height && left >= 0 && left < right && right <= width;
  return can ? [top, left, bottom, right] : [0, 0, height, width];
}

/** DN at the four positions of the active area's top left 2x2 pixels; null if the file has none that can be read.
 * Throws Refusal for levels that no 2x2 pattern holds. */
export function blackLevels(tags: Directory): Four | null {
  const size = tags.has(BLACK_SIZE) ? whole(tags, BLACK_SIZE) : [1, 1];
  const stated = numbersOf(tags.get(BLACK));
  const [down, across] = size;
  const can = size.length === 2 && Math.min(down, across) >= 1 && down * across === stated.length;
  if (!can || !stated.every(Number.isFinite)) return null;
  const at = (row: number, column: number): number => stated[(row % down) * across + (column % across)];
  for (let row = 0; row < 2 * down; row++) {
    for (let column = 0; column < 2 * across; column++) {
      if (at(row, column) !== at(row % 2, column % 2)) {
        throw new Refusal(
          `Its black levels come again every ${down} rows and ${across} columns, expected 2x2 at most: use the camera's own file.`,
        );
      }
    }
  }
  let added = 0;
  for (const code of [BLACK_ACROSS, BLACK_DOWN]) {
    const values = numbersOf(tags.get(code));
    if (!values.length) continue;
    const [least, most] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    if (!(most - least <= SAME_BLACK)) {
      throw new Refusal("Its black level changes over the picture, expected one for all rows and columns: use the camera's own file.");
    }
    added += values.reduce((sum, value) => sum + value, 0) / values.length;
  }
  return [at(0, 0) + added, at(0, 1) + added, at(1, 0) + added, at(1, 1) + added];
}

function first(tags: Directory, code: number): number | null {
  return whole(tags, code)[0] ?? null;
}

function whole(tags: Directory, code: number): number[] {
  const values = numbersOf(tags.get(code));
  return values.every(Number.isFinite) ? values.map(Math.trunc) : [];
}
