/**
 * Baseline JPEGs (ITU-T T.81) of which every coefficient is the one that libjpeg computes by its accurate transform.
 *
 * WebAssembly builds of libjpeg on npm take its fast transform, which costs 0.2 dB at quality 90, or cannot sample
 * 4:2:2; so equal pixels give equal files here and in Python. Tables are those of annex K.
 */

import { type Bytes, fromHex, joined } from "./bytes";
import { segment } from "./jpeg";

/** (height, width, 3) codes. */
export interface Picture {
  pixels: Bytes;
  height: number;
  width: number;
}

/** Of colour to its luma, across. */
export type Subsampling = "4:4:4" | "4:2:2";

/** Quantisation in zigzag order at quality 50, of luma and of colour. */
const QUANTISATION = [
  "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763",
  `1112121815182f1a1a2f6342384263${"63".repeat(49)}`,
];
/** DC and AC of luma, then of colour: 16 counts and the symbols. */
const HUFFMAN = [
  "00010501010101010100000000000000000102030405060708090a0b",
  "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25" +
    "262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798" +
    "999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
  "00030101010101010101010000000000000102030405060708090a0b",
  "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718" +
    "191a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a9293949596" +
    "9798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
].map(fromHex);
/** Place of each zigzag index in a block. */
const ZIGZAG = Uint8Array.from({ length: 64 }, (_, index) => index).sort((one, other) => {
  const [a, b] = [one, other].map((place) => ({ line: (place >> 3) + (place & 7), row: place >> 3 }));
  return a.line - b.line || (a.line % 2 ? a.row - b.row : b.row - a.row);
});

const fixed = (value: number): number => Math.round(value * 8192);
const F0298 = fixed(0.298631336), F0390 = fixed(0.390180644), F0541 = fixed(0.5411961), F0765 = fixed(0.765366865);
const F0899 = fixed(0.899976223), F1175 = fixed(1.175875602), F1501 = fixed(1.50132111), F1847 = fixed(1.847759065);
const F1961 = fixed(1.96157056), F2053 = fixed(2.053119869), F2562 = fixed(2.562915447), F3072 = fixed(3.072711026);

/** Along rows (step 1) or columns (step 8): the transform of Loeffler, Ligtenberg and Moschytz in whole numbers. */
function transform(block: Int32Array, step: number, across: number, shift: number, whole: number): void {
  const half = 1 << (shift - 1);
  const round = whole < 0 ? 1 << (-whole - 1) : 0;
  for (let at = 0, count = 0; count < 8; count++, at += across) {
    const d0 = block[at], d1 = block[at + step], d2 = block[at + 2 * step], d3 = block[at + 3 * step];
    const d4 = block[at + 4 * step], d5 = block[at + 5 * step], d6 = block[at + 6 * step], d7 = block[at + 7 * step];
    const s0 = d0 + d7, s1 = d1 + d6, s2 = d2 + d5, s3 = d3 + d4;
    let t7 = d0 - d7, t6 = d1 - d6, t5 = d2 - d5, t4 = d3 - d4;
    const e0 = s0 + s3, e3 = s0 - s3, e1 = s1 + s2, e2 = s1 - s2;
    block[at] = whole < 0 ? (e0 + e1 + round) >> -whole : (e0 + e1) << whole;
    block[at + 4 * step] = whole < 0 ? (e0 - e1 + round) >> -whole : (e0 - e1) << whole;
    const z = (e2 + e3) * F0541;
    block[at + 2 * step] = (z + e3 * F0765 + half) >> shift;
    block[at + 6 * step] = (z - e2 * F1847 + half) >> shift;
    const z5 = (t4 + t6 + t5 + t7) * F1175;
    const z1 = -(t4 + t7) * F0899, z2 = -(t5 + t6) * F2562;
    const z3 = z5 - (t4 + t6) * F1961, z4 = z5 - (t5 + t7) * F0390;
    t4 *= F0298;
    t5 *= F2053;
    t6 *= F3072;
    t7 *= F1501;
    block[at + 7 * step] = (t4 + z1 + z3 + half) >> shift;
    block[at + 5 * step] = (t5 + z2 + z4 + half) >> shift;
    block[at + 3 * step] = (t6 + z2 + z3 + half) >> shift;
    block[at + step] = (t7 + z1 + z4 + half) >> shift;
  }
}

/** Words of a Huffman table by symbol, and their bits. */
function wordsOf(table: Bytes): { words: Uint16Array; lengths: Uint8Array } {
  const [words, lengths] = [new Uint16Array(256), new Uint8Array(256)];
  let [code, place] = [0, 16];
  for (let length = 1; length <= 16; length++, code <<= 1) {
    for (let count = table[length - 1]; count > 0; count--) {
      const symbol = table[place++];
      [words[symbol], lengths[symbol]] = [code++, length];
    }
  }
  return { words, lengths };
}

/** Entropy-coded bytes that grow. */
class Bits {
  private bytes = new Uint8Array(1 << 16);
  private place = 0;
  private held = 0;
  private count = 0;

  put(value: number, count: number): void {
    this.held = (this.held << count) | value;
    this.count += count;
    while (this.count >= 8) {
      this.count -= 8;
      this.byte((this.held >> this.count) & 255);
    }
    this.held &= (1 << this.count) - 1;
  }

  done(): Bytes {
    if (this.count) this.put((1 << (8 - this.count)) - 1, 8 - this.count);
    return this.bytes.slice(0, this.place);
  }

  private byte(value: number): void {
    if (this.place + 2 > this.bytes.length) {
      const larger = new Uint8Array(2 * this.bytes.length);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[this.place++] = value;
    if (value === 255) this.bytes[this.place++] = 0;
  }
}

/** quality: 1 to 100. */
export function encoded(picture: Picture, quality: number, subsampling: Subsampling): Bytes {
  const { height, width } = picture;
  const share = quality < 50 ? Math.trunc(5000 / quality) : 200 - 2 * quality;
  const tables = QUANTISATION.map((text) =>
    fromHex(text).map((each) => Math.min(Math.max(Math.trunc((each * share + 50) / 100), 1), 255)),
  );
  const h = subsampling === "4:2:2" ? 2 : 1;
  const frame = Uint8Array.of(
    8, height >> 8, height & 255, width >> 8, width & 255, 3, 1, (h << 4) | 1, 0, 2, 0x11, 1, 3, 0x11, 1,
  );
  return joined([
    Uint8Array.of(0xff, 0xd8),
    segment(0xe0, Uint8Array.of(0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0)), // JFIF
    ...tables.map((table, index) => segment(0xdb, joined([Uint8Array.of(index), table]))),
    segment(0xc0, frame),
    ...HUFFMAN.map((table, index) => segment(0xc4, joined([Uint8Array.of(((index & 1) << 4) | (index >> 1)), table]))),
    segment(0xda, Uint8Array.of(3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0)),
    scanOf(picture, tables, h),
    Uint8Array.of(0xff, 0xd9),
  ]);
}

/** h: pixels across to one of colour. */
function scanOf({ pixels, height, width }: Picture, tables: Bytes[], h: number): Bytes {
  const across = Math.ceil(width / (8 * h)); // blocks of colour
  const wide = across * 8 * h;
  const luma = Math.ceil(width / 8); // the block beyond the last only fills its unit
  const planes = [0, 1, 2].map((plane) => new Int32Array(8 * (plane ? across * 8 : wide)));
  const line = [0, 1, 2].map(() => new Int32Array(wide));
  const divisors = tables.map((table) => {
    const found = new Int32Array(64);
    ZIGZAG.forEach((place, index) => (found[place] = table[index] << 3));
    return found;
  });
  const words = HUFFMAN.map(wordsOf);
  const bits = new Bits();
  const block = new Int32Array(64);
  const before = [0, 0, 0];

  const put = (plane: number, column: number): void => {
    const kind = plane ? 1 : 0;
    if (column < 0) block.fill(0); // a block that only fills its unit: no change, and nothing else
    else {
      const stride = plane ? across * 8 : wide;
      for (let row = 0; row < 8; row++) {
        for (let each = 0; each < 8; each++) block[row * 8 + each] = planes[plane][row * stride + column * 8 + each] - 128;
      }
      transform(block, 1, 8, 11, 2);
      transform(block, 8, 1, 15, -2);
      const divisor = divisors[kind];
      for (let place = 0; place < 64; place++) {
        const value = block[place], by = divisor[place];
        block[place] = value < 0 ? -(((-value + (by >> 1)) / by) | 0) : ((value + (by >> 1)) / by) | 0;
      }
    }
    const dc = words[2 * kind], ac = words[2 * kind + 1];
    const difference = column < 0 ? 0 : block[0] - before[plane];
    if (column >= 0) before[plane] = block[0];
    let size = 32 - Math.clz32(Math.abs(difference));
    bits.put(dc.words[size], dc.lengths[size]);
    if (size) bits.put((difference < 0 ? difference - 1 : difference) & ((1 << size) - 1), size);
    let run = 0;
    for (let index = 1; index < 64; index++) {
      const value = block[ZIGZAG[index]];
      if (!value) {
        run++;
        continue;
      }
      for (; run > 15; run -= 16) bits.put(ac.words[0xf0], ac.lengths[0xf0]);
      size = 32 - Math.clz32(Math.abs(value));
      bits.put(ac.words[(run << 4) | size], ac.lengths[(run << 4) | size]);
      bits.put((value < 0 ? value - 1 : value) & ((1 << size) - 1), size);
      run = 0;
    }
    if (run) bits.put(ac.words[0], ac.lengths[0]);
  };

  for (let top = 0; top < height; top += 8) {
    for (let row = 0; row < 8; row++) {
      const from = Math.min(top + row, height - 1) * width * 3; // beyond an edge the last pixels repeat
      for (let column = 0; column < wide; column++) {
        const at = from + Math.min(column, width - 1) * 3;
        const r = pixels[at], g = pixels[at + 1], b = pixels[at + 2];
        line[0][column] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
        line[1][column] = (-11059 * r - 21709 * g + 32768 * b + 8421375) >> 16;
        line[2][column] = (32768 * r - 27439 * g - 5329 * b + 8421375) >> 16;
      }
      planes[0].set(line[0], row * wide);
      for (const plane of [1, 2]) {
        const [target, source] = [planes[plane], line[plane]];
        const start = row * across * 8;
        if (h === 1) target.set(source, start);
        else for (let column = 0; column < across * 8; column++) target[start + column] = (source[2 * column] + source[2 * column + 1] + (column & 1)) >> 1;
      }
    }
    for (let unit = 0; unit < across; unit++) {
      for (let each = 0; each < h; each++) put(0, unit * h + each < luma ? unit * h + each : -1);
      put(1, unit);
      put(2, unit);
    }
  }
  return bits.done();
}
