/** Lossless JPEG of a mosaic's tiles, as DNGs hold them (ITU-T T.81, process 14, predictor 1); as `formats/lossless_jpeg.py`. */

import { type Bytes, joined } from "./bytes";
import type { Mosaic } from "./frame";

const CATEGORIES = 17;
const LONGEST = 16;
/** The code is made from the differences of one row in so many. */
const SAMPLED = 8;

/** A Huffman code of differences by how many digits they have. header: the segment DHT. */
export interface Code {
  bits: number;
  header: Bytes;
  words: number[];
  lengths: number[];
}

const digits = (difference: number): number => 32 - Math.clz32(Math.abs(difference));
/** Modulo 65536, as a signed number. */
const signed = (difference: number): number => (difference << 16) >> 16;

/** The code that a mosaic of values below 2**bits is written in shortest, or nearly so. */
export function codeFor({ data, height, width }: Mosaic, bits: number): Code {
  const counts = new Array<number>(CATEGORIES).fill(1); // none is left out, for not all rows are looked at
  for (let row = 0; row < height; row += SAMPLED) {
    for (let at = row * width + 2; at < (row + 1) * width; at++) counts[digits(signed(data[at] - data[at - 2]))]++;
  }
  const lengths = codeLengths(counts);
  const symbols = [...lengths.keys()].sort((one, other) => lengths[one] - lengths[other] || one - other);
  const words = new Array<number>(CATEGORIES).fill(0);
  let [code, last] = [0, 0];
  for (const symbol of symbols) {
    code <<= lengths[symbol] - last;
    [words[symbol], last] = [code++, lengths[symbol]];
  }
  const perLength = Array.from({ length: LONGEST }, (_, index) => lengths.filter((each) => each === index + 1).length);
  return { bits, header: Uint8Array.of(0xff, 0xc4, 0, 3 + LONGEST + CATEGORIES, 0, ...perLength, ...symbols), words, lengths };
}

/** Bits of the Huffman code of each symbol, at most 16, of a code that leaves the word of ones alone free. */
function codeLengths(counts: number[]): number[] {
  const lengths = new Array<number>(counts.length + 1).fill(0); // a last symbol that is never met takes the word of ones
  let groups = [...counts, 0].map((count, symbol) => ({ count, symbols: [symbol] }));
  while (groups.length > 1) {
    groups.sort((one, other) => one.count - other.count);
    const [few, more, ...others] = groups;
    const symbols = [...few.symbols, ...more.symbols];
    for (const symbol of symbols) lengths[symbol]++;
    groups = [...others, { count: few.count + more.count, symbols }];
  }
  if (Math.max(...lengths) <= LONGEST) return lengths.slice(0, -1);
  return codeLengths(counts.map((count) => Math.floor(count / 2) + 1));
}

/** A tile of an even width, from a row and a column of the mosaic on, as a file of its own. At the mosaic's edges it
 * goes on with the last row and column of their colours. */
export function encodedTile(mosaic: Mosaic, top: number, left: number, down: number, across: number, code: Code): Bytes {
  const mirrored = (place: number, size: number): number => (place < size ? place : 2 * size - 1 - place);
  const tile = new Uint16Array(down * across);
  for (let row = 0; row < down; row++) {
    const from = mirrored(top + row, mosaic.height) * mosaic.width;
    for (let column = 0; column < across; column++) tile[row * across + column] = mosaic.data[from + mirrored(left + column, mosaic.width)];
  }
  const scan = packed(tile, down, across, code);
  const frame = Uint8Array.of(0xff, 0xc3, 0, 14, code.bits, down >> 8, down & 255, (across / 2) >> 8, (across / 2) & 255, 2, 0, 0x11, 0, 1, 0x11, 0);
  const head = Uint8Array.of(0xff, 0xda, 0, 10, 2, 0, 0, 1, 0, 1, 0, 0);
  return joined([Uint8Array.of(0xff, 0xd8), frame, code.header, head, scan, Uint8Array.of(0xff, 0xd9)]);
}

/** Differences to the pixel two to the left, in the first two columns to that above, as words; ones behind the last. */
function packed(tile: Uint16Array, down: number, across: number, { bits, words, lengths }: Code): Bytes {
  const bytes = new Uint8Array(down * across * 8 + 8);
  let [place, held, room] = [0, 0, 0];
  const put = (value: number, count: number): void => {
    held = (held << count) | value;
    for (room += count; room >= 8; room -= 8) {
      const byte = (held >>> (room - 8)) & 255;
      bytes[place++] = byte;
      if (byte === 255) bytes[place++] = 0;
    }
    held &= (1 << room) - 1;
  };
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const at = row * across + column;
      const before = column >= 2 ? tile[at - 2] : row ? tile[at - across] : 1 << (bits - 1);
      const difference = signed(tile[at] - before);
      const count = digits(difference);
      put(words[count], lengths[count]);
      if (count && count < 16) put((difference < 0 ? difference - 1 : difference) & ((1 << count) - 1), count);
    }
  }
  if (room) put((1 << (8 - room)) - 1, 8 - room);
  return bytes.slice(0, place);
}
