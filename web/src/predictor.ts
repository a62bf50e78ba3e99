/**
 * The mosaic as a filter of the stored picture, fitted to the true one while rendering; as `sidedata/predictor.py`.
 *
 * For each site of the 2x2 pattern DN = a constant and the light of three colours at the 5x5 pixels around, each times
 * a coefficient. Beyond an edge the outermost 2x2 square repeats.
 */

import { type Bytes, Refusal, fromHex, hex, joined } from "./bytes";
import { inverse } from "./colour";
import { NEIGHBOURS, corrected } from "./correction";
import type { Four, Mosaic, Recipe } from "./frame";
import type { Progress } from "./graph";
import { type Brighter, median } from "./highlights";
import { type Highlights, WHITE, isClipped, lightOf } from "./light";

export const PREDICTOR_LAYER = "predictor";
/** Filters of one site: 3 colours of 5x5 pixels, and the constant. */
const TAPS = 76;
const POINT = 2 ** 24;
const VERSION = 1;
/** Bits: of open pixels, of clipped ones, of the network; with a residual. The network's has none. */
const KINDS = [1, 2, 3, 9, 11, 4, 6];
const HEAD = 2 + 5 * 2 + 8 + 8;
const EXACT = 2 ** 53;
/** 2x2 squares that filters are fitted to, in strips of so many pairs of rows. */
const SAMPLES = 70_000, CLIPPED_SAMPLES = 30_000;
const STRIP = 2;
/** How fast filters are held where they begin, as a share of what their pixels say. */
const NEAR = 1e-9, NEAR_CLIPPED = 1e-6;

/** 4 x `TAPS` whole coefficients, by the sites of the 2x2 pattern. */
type Filters = Int32Array;

/** Fields as Python's class of that name. */
export interface Predictor {
  white: number;
  saturated: number[];
  open: Filters | null;
  clipped: Filters | null;
  network: Filters | null;
  picture: string;
  decoded: string;
}

/** The layer `predictor`: a head, then little-endian int32. */
export function predictorBytes({ white, saturated, open, clipped, network, picture, decoded }: Predictor): Bytes {
  const view = new DataView(new ArrayBuffer(HEAD));
  view.setUint8(0, VERSION);
  view.setUint8(1, (open ? 1 : 0) | (clipped ? 2 : 0) | (network ? 4 : 0) | (decoded ? 8 : 0));
  [white, ...saturated].forEach((value, index) => view.setUint16(2 + 2 * index, value, true));
  const head = new Uint8Array(view.buffer);
  head.set(fromHex(picture), 12);
  head.set(fromHex(decoded), 20);
  return joined([head, ...[open, clipped, network].filter((each) => each !== null).map((each) => new Uint8Array(each.slice().buffer))]);
}

/** Inverse of `predictorBytes`. Throws Refusal for what it never wrote. */
export function readPredictor(data: Bytes, name: string): Predictor {
  const damaged = (why: string): Refusal =>
    new Refusal(`The predictor that ${name} carries is damaged, or of another version (${why}): use the file as it was rendered.`);
  if (data.length < HEAD) throw damaged(`it has ${data.length} bytes`);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const kinds = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || !KINDS.includes(kinds)) throw damaged(`version ${view.getUint8(0)}, kinds ${kinds}`);
  let at = HEAD;
  const [open, clipped, network] = [TAPS, TAPS, NEIGHBOURS].map((count, kind) => {
    if (!((kinds >> kind) & 1)) return null;
    const size = 4 * count;
    if (data.length < at + 4 * size) throw damaged(`it has ${data.length} bytes for the kinds ${kinds}`);
    const found = Int32Array.from({ length: size }, (_, place) => view.getInt32(at + 4 * place, true));
    at += 4 * size;
    return found;
  });
  if (data.length !== at) throw damaged(`it has ${data.length} bytes for the kinds ${kinds}`);
  return {
    white: view.getUint16(2, true),
    saturated: [4, 6, 8, 10].map((at) => view.getUint16(at, true)),
    open, clipped, network,
    picture: hex(data.subarray(12, 20)),
    decoded: kinds & 8 ? hex(data.subarray(20, 28)) : "",
  };
}

/** Light of the rows around a pair of rows: rows `2 top - 2` to `2 top + 3`, each three planes of `width + 4` values. */
class Around {
  private readonly rows: Float64Array[] = Array.from({ length: 6 }, () => new Float64Array(0));
  private readonly held: number[] = Array(6).fill(-1) as number[];
  private readonly wide: number;

  constructor(
    private readonly light: (row: number, into: Float64Array) => void,
    private readonly height: number,
    private readonly width: number,
  ) {
    this.wide = width + 4;
  }

  /** `place`: of the first row's first plane beyond the two columns at the left. */
  at(top: number): Float64Array[] {
    const line = new Float64Array(3 * this.width);
    return Array.from({ length: 6 }, (_, index) => {
      const pair = Math.min(Math.max(top - 1 + (index >> 1), 0), this.height / 2 - 1);
      const row = 2 * pair + (index & 1);
      const slot = row % 6;
      if (this.held[slot] !== row) {
        this.light(row, line);
        this.rows[slot] = this.padded(line);
        this.held[slot] = row;
      }
      return this.rows[slot];
    });
  }

  private padded(line: Float64Array): Float64Array {
    const { wide, width } = this;
    const row = new Float64Array(3 * wide);
    for (let colour = 0; colour < 3; colour++) {
      const from = colour * width, to = colour * wide;
      row.set(line.subarray(from, from + width), to + 2);
      row.set(line.subarray(from, from + 2), to);
      row.set(line.subarray(from + width - 2, from + width), to + wide - 2);
    }
    return row;
  }
}

/** Of each tap of a site its row of the six, and its place in it for the first square. */
interface Taps {
  rows: Uint8Array;
  places: Int32Array;
}

function tapsOf(site: number, wide: number): Taps {
  const [rows, places] = [new Uint8Array(TAPS - 1), new Int32Array(TAPS - 1)];
  for (let tap = 0; tap < TAPS - 1; tap++) {
    const [colour, down, right] = [Math.floor(tap / 25), Math.floor(tap / 5) % 5, tap % 5];
    rows[tap] = (site >> 1) + down;
    places[tap] = colour * wide + (site & 1) + right;
  }
  return { rows, places };
}

/** The mosaic of a picture of even sides; where there are no filters for all pixels, `base` through those of the
 * network and with its clipped ones replaced. Throws Refusal for coefficients with which sums would not be exact. */
export function predicted(
  predictor: Predictor, pixels: Uint8Array, height: number, width: number, highlights: Highlights | null,
  base: Mosaic | null, progress: Progress,
): Mosaic {
  const through = base && predictor.network ? corrected(base, pixels, predictor.network, predictor.white) : base;
  const data = through?.data ?? new Uint16Array(height * width);
  const clipped = highlights ? predictor.clipped : null;
  for (const filters of [predictor.open, clipped]) if (filters) checkExact(filters, highlights);
  const around = new Around(lightOf(pixels, width, highlights), height, width);
  const sums = new Float64Array(width / 2);
  const taps = [0, 1, 2, 3].map((site) => tapsOf(site, width + 4));
  for (let top = 0; top < height / 2; top++) {
    const rows = around.at(top);
    for (let site = 0; site < 4; site++) {
      const start = (2 * top + (site >> 1)) * width + (site & 1);
      if (predictor.open) {
        const filters = predictor.open.subarray(site * TAPS, (site + 1) * TAPS);
        sums.fill(filters[TAPS - 1] * WHITE + POINT / 2);
        for (let tap = 0; tap < TAPS - 1; tap++) {
          const factor = filters[tap], from = rows[taps[site].rows[tap]];
          if (factor) for (let each = 0, at = taps[site].places[tap]; each < sums.length; each++, at += 2) sums[each] += factor * from[at];
        }
        for (let each = 0; each < sums.length; each++) data[start + 2 * each] = within(sums[each], predictor.white);
      }
      if (!clipped) continue;
      const filters = clipped.subarray(site * TAPS, (site + 1) * TAPS);
      for (let each = 0; each < sums.length; each++) {
        if (!isClipped(pixels, (start + 2 * each) * 3)) continue;
        let sum = filters[TAPS - 1] * WHITE + POINT / 2;
        for (let tap = 0; tap < TAPS - 1; tap++) sum += filters[tap] * rows[taps[site].rows[tap]][taps[site].places[tap] + 2 * each];
        data[start + 2 * each] = within(sum, predictor.saturated[site]);
      }
    }
    if (top % 64 === 0) progress((2 * top) / height);
  }
  return { data, height, width };
}

const within = (sum: number, most: number): number => Math.min(Math.max(Math.floor(sum / POINT), 0), most);

function checkExact(filters: Filters, highlights: Highlights | null): void {
  const largest = highlights ? 2 * WHITE * 2 ** (Math.floor(highlights.sixteenths / 16) + 1) : WHITE;
  for (let site = 0; site < 4; site++) {
    const sum = filters.subarray(site * TAPS, (site + 1) * TAPS).reduce((total, each) => total + Math.abs(each), 0);
    if (sum >= Math.floor(EXACT / largest)) {
      throw new Refusal("The predictor that the picture carries is damaged (its coefficients are too large): use the file as it was rendered.");
    }
  }
}

/** The inverse of the recipe's matrix, gains and levels, at each site alone: what filters are without a fit. */
function closedForm(recipe: Recipe): Float64Array {
  const toCamera = recipe.matrix ? inverse(recipe.matrix) : [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const found = new Float64Array(4 * TAPS);
  for (let site = 0; site < 4; site++) {
    const own = "RGB".indexOf(recipe.cfa[site]);
    const black = recipe.black[site];
    const span = (recipe.white - black) / (recipe.gains[own] * WHITE);
    for (let colour = 0; colour < 3; colour++) found[site * TAPS + centre(colour)] = toCamera[own][colour] * span;
    found[site * TAPS + TAPS - 1] = black / WHITE;
  }
  return found;
}

const centre = (colour: number): number => colour * 25 + 12;

/**
 * The predictor of a picture as it is stored, fitted to its true mosaic. picture: what the record's digest begins with.
 * found, highlights: where the picture clips, and the map that it carries of it. near: whether filters of the picture
 * are nearer than the network's inverse. Null where nothing would be in it.
 */
export function fittedPredictor(
  pixels: Uint8Array, mosaic: Mosaic, recipe: Recipe, picture: string, found: Brighter | null, highlights: Highlights | null,
  near: boolean, progress: Progress,
): Predictor | null {
  const white = Math.ceil(recipe.white);
  const start = closedForm(recipe).map((each) => whole(each));
  const { height, width } = mosaic;
  const none: Four = [recipe.white, recipe.white, recipe.white, recipe.white];
  const share = found && highlights ? 2 : 1;
  const fit = (tops: number[], ends: Four, from: Filters | Float64Array, clipped: boolean): Filters =>
    fitted(pixels, mosaic, tops, ends, highlights, from, clipped, (done) => progress((done + (clipped ? 1 : 0)) / share));
  const open = fit(strips(everyStrip(height), (STRIP * width) / 2, SAMPLES, height), none, start, false);
  let [clipped, saturated]: [Filters | null, number[]] = [null, [white, white, white, white]];
  if (found && highlights) {
    const counts = squaresThatClip(found);
    const among = [...counts.keys()].filter((strip) => counts[strip]);
    const mean = among.reduce((sum, strip) => sum + counts[strip], 0) / among.length;
    const tops = strips(among, mean, CLIPPED_SAMPLES, height);
    clipped = fit(tops, found.ends, open, true);
    saturated = saturatedAt(mosaic, tops, found.ends, white);
  }
  if (!near && !clipped) return null;
  return { white, saturated, open: near ? open : null, clipped, network: null, picture: picture.slice(0, 16), decoded: "" };
}

/** Least squares over pairs of rows `tops`, of the pixels that clip or of the others, below the DN `ends` of their site. */
function fitted(
  pixels: Uint8Array, mosaic: Mosaic, tops: readonly number[], ends: Four, highlights: Highlights | null,
  near: Filters | Float64Array, clipped: boolean, progress: Progress,
): Filters {
  const { height, width } = mosaic;
  const sums = Array.from({ length: 4 }, () => new Float64Array(TAPS * TAPS));
  const targets = Array.from({ length: 4 }, () => new Float64Array(TAPS));
  const around = new Around(lightOf(pixels, width, highlights), height, width);
  const taps = [0, 1, 2, 3].map((site) => tapsOf(site, width + 4));
  const seen = new Float64Array(TAPS);
  tops.forEach((top, index) => {
    const rows = around.at(top);
    for (let site = 0; site < 4; site++) {
      const start = (2 * top + (site >> 1)) * width + (site & 1);
      const total = sums[site], target = targets[site], from = taps[site];
      for (let each = 0; each < width / 2; each++) {
        const value = mosaic.data[start + 2 * each];
        if (value >= ends[site] || isClipped(pixels, (start + 2 * each) * 3) !== clipped) continue;
        for (let tap = 0; tap < TAPS - 1; tap++) seen[tap] = rows[from.rows[tap]][from.places[tap] + 2 * each];
        seen[TAPS - 1] = WHITE;
        for (let one = 0; one < TAPS; one++) {
          const factor = seen[one];
          for (let other = one; other < TAPS; other++) total[one * TAPS + other] += factor * seen[other];
          target[one] += factor * value;
        }
      }
    }
    progress(index / tops.length);
  });
  const found = new Int32Array(4 * TAPS);
  for (let site = 0; site < 4; site++) {
    const from = Float64Array.from(near.subarray(site * TAPS, (site + 1) * TAPS), (each) => each / POINT);
    solved(sums[site], targets[site], from, clipped ? NEAR_CLIPPED : NEAR).forEach((each, tap) => (found[site * TAPS + tap] = whole(each)));
  }
  return found;
}

const whole = (coefficient: number): number => Math.min(Math.max(Math.round(coefficient * POINT), -(2 ** 31)), 2 ** 31 - 1);

const everyStrip = (height: number): number[] => [...Array(Math.ceil(height / 2 / STRIP)).keys()];

/** Pairs of rows of about so many squares in whole strips, evenly among these. perStrip: squares that count in one. */
function strips(among: readonly number[], perStrip: number, samples: number, height: number): number[] {
  const wanted = Math.min(Math.ceil(samples / perStrip), among.length);
  const place = (index: number): number => Math.trunc(wanted > 1 ? (index * (among.length - 1)) / (wanted - 1) : 0);
  const chosen = new Set(Array.from({ length: wanted }, (_, index) => among[place(index)]));
  return [...chosen].flatMap((strip) => [STRIP * strip, STRIP * strip + 1]).filter((top) => top < height / 2);
}

/** Of each strip, how many squares have a pixel that clips. */
function squaresThatClip({ count, height, width }: Brighter): number[] {
  const found = new Array<number>(Math.ceil(height / STRIP)).fill(0);
  for (let row = 0; row < height; row++) {
    for (let at = row * width; at < (row + 1) * width; at++) if (count[at]) found[Math.floor(row / STRIP)]++;
  }
  return found;
}

/** The median DN of each site from its end on, in these pairs of rows; white where none has so many. */
function saturatedAt({ data, width }: Mosaic, tops: readonly number[], ends: Four, white: number): number[] {
  return [0, 1, 2, 3].map((site) => {
    const values: number[] = [];
    for (const top of tops) {
      const start = (2 * top + (site >> 1)) * width + (site & 1);
      for (let at = start; at < start + width - (site & 1); at += 2) if (data[at] >= ends[site]) values.push(data[at]);
    }
    return values.length ? Math.trunc(median(values)) : white;
  });
}

/** The minimum of the squares with a pull towards `near`, by Cholesky's factors of the upper triangle `total`. */
function solved(total: Float64Array, target: Float64Array, near: Float64Array, share: number): Float64Array {
  let trace = 0;
  for (let tap = 0; tap < TAPS; tap++) trace += total[tap * TAPS + tap];
  const ridge = Math.max(trace, 1) * share;
  const lower = new Float64Array(TAPS * TAPS);
  const result = Float64Array.from(target, (value, tap) => value + ridge * near[tap]);
  for (let row = 0; row < TAPS; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = total[column * TAPS + row] + (row === column ? ridge : 0);
      for (let each = 0; each < column; each++) sum -= lower[row * TAPS + each] * lower[column * TAPS + each];
      lower[row * TAPS + column] = row === column ? Math.sqrt(sum) : sum / lower[column * TAPS + column];
    }
    for (let each = 0; each < row; each++) result[row] -= lower[row * TAPS + each] * result[each];
    result[row] /= lower[row * TAPS + row];
  }
  for (let row = TAPS - 1; row >= 0; row--) {
    for (let each = row + 1; each < TAPS; each++) result[row] -= lower[each * TAPS + row] * result[each];
    result[row] /= lower[row * TAPS + row];
  }
  return result;
}
