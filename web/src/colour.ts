/** Colour between camera RGB and sRGB, as LibRaw's rendering defines it; as `isp/colour.py`. */

import { Refusal } from "./bytes";

export type Row = [number, number, number];
export type Matrix = [Row, Row, Row];

/** Linear sRGB to XYZ (D65), IEC 61966-2-1. */
const SRGB_TO_XYZ: Matrix = [
  [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041],
];
/** XYZ (D65) to linear sRGB: stands in where a camera's own matrix is unknown. */
export const XYZ_TO_SRGB: Matrix = [
  [3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252],
];
const WORST_CONDITION = 100;

const mapped = (make: (row: number, column: number) => number): Matrix =>
  [0, 1, 2].map((row) => [0, 1, 2].map((column) => make(row, column))) as Matrix;

const product = (a: Matrix, b: Matrix): Matrix =>
  mapped((row, column) => a[row][0] * b[0][column] + a[row][1] * b[1][column] + a[row][2] * b[2][column]);

/** By cofactors. */
export function inverse(m: Matrix): Matrix {
  const cofactor = (row: number, column: number): number => {
    const [r1, r2, c1, c2] = [(row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3];
    return m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
  };
  const determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  return mapped((row, column) => cofactor(column, row) / determinant);
}

/** The largest singular value over the smallest, by the eigenvalues of m'm. */
function condition(m: Matrix): number {
  const s = product(mapped((row, column) => m[column][row]), m);
  const mean = (s[0][0] + s[1][1] + s[2][2]) / 3;
  const moved = mapped((row, column) => s[row][column] - (row === column ? mean : 0));
  const spread = Math.sqrt(moved.flat().reduce((sum, value) => sum + value * value, 0) / 6);
  if (spread === 0) return 1;
  const [a, b, c] = moved.map((row) => row.map((value) => value / spread));
  const half =
    (a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])) / 2;
  const angle = Math.acos(Math.min(Math.max(half, -1), 1)) / 3;
  const most = mean + 2 * spread * Math.cos(angle);
  const least = mean + 2 * spread * Math.cos(angle + (2 * Math.PI) / 3);
  return least > 0 ? Math.sqrt(most / least) : Infinity;
}

/** Whether a way leads back from a matrix. */
export const isInvertible = (m: Matrix): boolean => m.flat().every(Number.isFinite) && condition(m) <= WORST_CONDITION;

/** From linear sRGB to white-balanced camera RGB; white stays white. matrix: XYZ to camera. Throws Refusal. */
function srgbToCamera(matrix: Matrix): Matrix {
  const whole = product(matrix, SRGB_TO_XYZ);
  const white = whole.map((row) => row[0] + row[1] + row[2]);
  const normalised = mapped((row, column) => whole[row][column] / white[row]);
  if (Math.min(...white) > 0 && isInvertible(normalised)) return normalised;
  throw new Refusal(`The colour matrix ${JSON.stringify(matrix)} of the file cannot be undone: use another file.`);
}

/** From white-balanced camera RGB to linear sRGB. matrix: XYZ to camera. Throws Refusal. */
export const cameraToSrgb = (matrix: Matrix): Matrix => inverse(srgbToCamera(matrix));

/** Gains of R, G, B under which D65 is white. matrix: XYZ to camera. */
export function daylightGains(matrix: Matrix): Row {
  return product(matrix, SRGB_TO_XYZ).map((row) => 1 / (row[0] + row[1] + row[2])) as Row;
}

/** XYZ to camera, of which `cameraToSrgb` and `daylightGains` make these; null if there is none. */
export function colorMatrixOf(toSrgb: Matrix, daylight: Row): Matrix | null {
  if (!toSrgb.flat().every(Number.isFinite) || !(Math.min(...daylight) > 0)) return null;
  const found = inverse(product(SRGB_TO_XYZ, toSrgb));
  return found.flat().every(Number.isFinite) ? mapped((row, column) => found[row][column] / daylight[row]) : null;
}
