/** RAW files in, through LibRaw: a frame with everything the camera said, or a sentence why not; as `formats/raw.py`. */

import type LibRaw from "libraw-wasm";
import type { LibRawMetadata, LibRawSettings } from "libraw-wasm";
import { type Bytes, Refusal, startsWith } from "./bytes";
import { type Matrix, type Row, colorMatrixOf } from "./colour";
import { activeArea, blackLevels, isLinearized, isStored, ofMosaic, patternSize, readDngTags, statedOrientation } from "./dngtags";
import { type Facts, type Four, type Frame, type Mosaic, PATTERNS, checkFacts, cropped, windowCfa } from "./frame";
import { MAKE, MODEL, NOTHING, named, readMetadata } from "./metadata";
import { OPCODES, negativeOf, withoutTags } from "./negative";
import { byteOrder, merged, textOf } from "./tiff";

const SMALLEST = 1024;
const HEADS = ["II", "MM", "FUJIFILM", "\0MRM", "FOVb"];
const MAX_PIXELS = 200e6;
/** LibRaw's flip to the EXIF orientation. */
const ORIENTATIONS = [1, 2, 4, 3, 5, 8, 6, 7];
/** What LibRaw makes of an orientation of 0. */
const FLIP_OF_ZERO = 5;
/** LibRaw passes over a DNG's own matrix if the camera's red gives no more than this of sRGB's. */
const LEAST_RED = 0.125;
const DEAD_ROWS = 0.005;
/** Pixels of a side of the part that black levels are read off. */
const PART = 16;
const ORIGINAL = "use the camera's original RAW file, or a DNG of lossless JPEG such as Adobe's converter writes";

/** Opens LibRaw in a worker of its own, whose memory goes with it. */
async function opened(bytes: Bytes, settings: LibRawSettings = {}): Promise<LibRaw> {
  const place = new URL("libraw/index.js", self.location.href).href;
  const { default: Decoder } = (await import(/* @vite-ignore */ place)) as { default: typeof LibRaw };
  const raw = new Decoder();
  await raw.open(bytes.slice(), settings).catch((error: Error) => {
    raw.dispose();
    throw error;
  });
  return raw;
}

/** The frame of a RAW file. Throws Refusal for what is no whole Bayer mosaic. */
export async function readRaw(bytes: Bytes, name: string): Promise<Frame> {
  if (bytes.length < SMALLEST) throw new Refusal(`${name} is not a RAW file, it has only ${bytes.length} bytes: choose a file of a camera.`);
  const unknown = new Refusal(`${name} is not a RAW file that LibRaw knows (header damaged?): choose a file of a camera.`);
  const raw = await opened(bytes).catch(() => {
    throw unknown;
  });
  try {
    await checkHeader(bytes, name);
    const said = (await raw.metadata(true))!;
    if (!said.raw_width || !said.raw_height) throw unknown;
    checkKind(said, bytes, name);
    const unpacked = await raw.rawImageData().catch(() => undefined);
    if (!unpacked) throw new Refusal(`${name} is cut short or damaged, or of a kind that is not decoded here: ${ORIGINAL}.`);
    const whole: Mosaic = {
      data: unpacked.data as Uint16Array<ArrayBuffer>, height: unpacked.raw_height, width: unpacked.raw_width,
    };
    return await frameOf(bytes, whole, said, (await raw.metadata(true))!, name);
  } finally {
    raw.dispose();
  }
}

async function frameOf(bytes: Bytes, whole: Mosaic, said: LibRawMetadata, after: LibRawMetadata, name: string): Promise<Frame> {
  const tags = readDngTags(bytes);
  const own = tags ? ofMosaic(tags, whole.height, whole.width) : new Map();
  const { top_margin: top, left_margin: left, width, height } = said;
  const [t, l, b, r]: Four = own.size ? activeArea(own, whole.height, whole.width) : [top, left, top + height, left + width];
  const cfa = windowCfa(pattern(said), Math.abs(t - top), Math.abs(l - left));
  const mosaic = cropped(whole, t, l, b, r);
  checkComplete(mosaic, name);
  const colours = after.color_data!;
  const isTiff = byteOrder(bytes) !== null && !startsWith(bytes, "HEAPCCDR", 6);
  const told = isTiff ? readMetadata(bytes) : NOTHING;
  const isNamed = told.ifd0.has(MAKE) || told.ifd0.has(MODEL);
  const metadata = isNamed ? told : named(told, said.camera_make, said.camera_model);
  const notes: string[] = [];
  if (!isTiff) notes.push("of a file of this kind the page keeps make and model alone: invisp-run keeps all metadata");
  let negative = tags ? negativeOf(merged(tags.camera, own), mosaic.height, mosaic.width) : null;
  if (negative?.mosaic.has(OPCODES[0]) && (!isStored(own, mosaic.height, mosaic.width) || isLinearized(own))) {
    negative = withoutTags(negative, OPCODES[0]);
    notes.push("OpcodeList1 is left out: it counts from margins, or in numbers, that the mosaic no longer has");
  }
  const facts: Facts = {
    cfa,
    black: blackLevels(own) ?? (await blackBySubtraction(bytes, whole, said, name)),
    white: colours.maximum,
    gains: gainsOf(colours.cam_mul),
    orientation: said.flip === FLIP_OF_ZERO && (statedOrientation(bytes) ?? 1) % 9 === 0 ? 1 : (ORIENTATIONS[said.flip] ?? 1),
    color_matrix: matrixOf(colours.cmatrix, colours.pre_mul, colours.cam_xyz, tags !== null),
    make: textOf(metadata.ifd0.get(MAKE)),
    model: textOf(metadata.ifd0.get(MODEL)),
  };
  checkFacts(facts);
  return { facts, mosaic, metadata, negative, notes };
}

/** The colours of the 2x2 pixels at the top left of LibRaw's visible mosaic. */
function pattern(said: LibRawMetadata): string {
  const code = (row: number, column: number): number => ((said.filters ?? 0) >>> ((((row << 1) & 14) + (column & 1)) << 1)) & 3;
  for (let row = 0; row < 8; row++) if (code(row, 0) !== code(row % 2, 0) || code(row, 1) !== code(row % 2, 1)) return "";
  return [0, 1, 2, 3].map((site) => (said.cdesc ?? "")[code(site >> 1, site & 1)]).join("");
}

function checkKind(said: LibRawMetadata, bytes: Bytes, name: string): void {
  if (said.raw_width * said.raw_height > MAX_PIXELS) {
    throw new Refusal(`${name} claims to be ${said.raw_width}x${said.raw_height} pixels, 200 megapixels are the limit: use another file.`);
  }
  const tags = readDngTags(bytes);
  if (said.is_foveon || !said.filters) {
    throw new Refusal(`${name} holds all colours at every pixel (a linear DNG, Foveon, sRAW), not a Bayer mosaic: ${ORIGINAL}.`);
  }
  const unusual = tags?.images.map(patternSize).find((size) => size.length === 2 && !(size[0] === 2 && size[1] === 2));
  if (unusual || !PATTERNS.includes(pattern(said))) {
    const kind = unusual ? unusual.join("x") : said.filters === 9 ? "X-Trans" : `colours ${said.cdesc}`;
    throw new Refusal(`${name} has no 2x2 Bayer pattern (found: ${kind}): use a file of a Bayer camera.`);
  }
}

/** LibRaw takes a file without a header for that of the camera whose files have its size, to the byte. */
async function checkHeader(bytes: Bytes, name: string): Promise<void> {
  if (HEADS.some((head) => startsWith(bytes, head)) || startsWith(bytes, "ftyp", 4)) return;
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  const raw = await opened(longer).catch(() => {
    throw new Refusal(`${name} has no header that names a camera, LibRaw guesses one by the ${bytes.length} bytes: choose a file of a camera.`);
  });
  raw.dispose();
}

/** LibRaw opens some truncated files without complaint and leaves the rest of the mosaic zero. */
function checkComplete({ data, height, width }: Mosaic, name: string): void {
  const dead = Array.from({ length: height }, (_, row) => {
    for (let place = row * width; place < (row + 1) * width; place++) if (data[place]) return false;
    return true;
  });
  const count = dead.filter(Boolean).length;
  const bar = Math.max(dead.indexOf(false), 0); // rows before the first that is not dead: a bar, not a missing rest
  if (count <= DEAD_ROWS * height || (count < height && count - 2 * bar <= DEAD_ROWS * height)) return;
  throw new Refusal(`${name} is cut short: ${count} of ${height} rows hold nothing but zeros; copy it from the camera again.`);
}

const gainsOf = ([red, green, blue]: number[]): Row | null => (Math.min(red, green, blue) > 0 ? [red, green, blue] : null);

/** XYZ to camera, of the matrix that LibRaw's rendering applies; null where it applies none. */
function matrixOf(cmatrix: number[][], daylight: number[], table: number[][], ofDng: boolean): Matrix | null {
  const three = (rows: number[][]): Matrix => rows.slice(0, 3).map((row) => row.slice(0, 3) as Row) as Matrix;
  if (ofDng && cmatrix[0][0] > LEAST_RED) return colorMatrixOf(three(cmatrix), daylight.slice(0, 3) as Row);
  return table.slice(0, 3).flat().some(Boolean) ? three(table) : null;
}

/** DN of each site's black level. libraw-wasm states one for all sites; so LibRaw is asked to subtract them from a few
 * pixels and to do nothing else, and what is missing is the level. */
async function blackBySubtraction(bytes: Bytes, whole: Mosaic, said: LibRawMetadata, name: string): Promise<Four> {
  const { top_margin: top, left_margin: left, width, height } = said;
  const at = (row: number, column: number): number => whole.data[(top + row) * whole.width + left + column];
  let [best, y, x] = [-1, 0, 0];
  const step = (side: number): number => Math.max(Math.floor(side / 64 / 4) * 4, 4); // LibRaw crops at multiples of 4
  for (let row = 0; row + PART <= height; row += step(height)) {
    for (let column = 0; column + PART <= width; column += step(width)) {
      const sum = [0, 5, 10, 15].reduce((total, each) => total + at(row + each, column + each) + at(row + each, column + each - (each & 1)), 0);
      if (sum > best) [best, y, x] = [sum, row, column];
    }
  }
  const raw = await opened(bytes, {
    cropbox: [x, y, PART, PART], noInterpolation: true, noAutoScale: true, outputColor: 0, outputBps: 16,
    gamm: [1, 1, 0, 0, 0, 0] as unknown as [number, number], // all six, else it takes the curve of BT.709
    noAutoBright: true, userFlip: 0, useCameraMatrix: 0,
  });
  try {
    const less = (await raw.imageData())!;
    const levels = [0, 1, 2, 3].map((site) => {
      for (let row = site >> 1; row < PART; row += 2) {
        for (let column = site & 1; column < PART; column += 2) {
          const left3 = less.data.subarray((row * less.width + column) * 3, (row * less.width + column) * 3 + 3);
          const rest = Math.max(...left3);
          if (rest > 0) return at(y + row, x + column) - rest;
        }
      }
      throw new Refusal(`${name} has no pixel above its black level: choose a file that shows something.`);
    });
    if (less.width !== PART || levels.some((level) => level < 0)) throw new Refusal(`The black level of ${name} cannot be read here: use invisp-run.`);
    return levels as Four;
  } finally {
    raw.dispose();
  }
}
