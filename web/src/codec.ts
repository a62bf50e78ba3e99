/** JPEG pixels in and out by libjpeg-turbo, which computes what Python's does. */

import { type Bytes, Refusal } from "./bytes";

interface Encoder {
  getDecodedBuffer(frame: object): Uint8Array;
  setProgressive(is: boolean): void;
  setQuality(quality: number): void;
  setSubSampling(number: number): void;
  encode(): void;
  getEncodedBuffer(): Uint8Array;
  delete(): void;
}

interface Decoder {
  getEncodedBuffer(size: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { width: number; height: number; componentCount: number };
  delete(): void;
}

interface Turbo {
  JPEGEncoder: new () => Encoder;
  JPEGDecoder: new () => Decoder;
}

/** (height, width, 3) codes. */
export interface Picture {
  pixels: Bytes;
  height: number;
  width: number;
}

const SUBSAMPLING = { "4:4:4": 0, "4:2:2": 1, "4:2:0": 2 };

/** A new instance each time: WebAssembly's memory never shrinks, and goes with it. */
async function turbo(): Promise<Turbo> {
  const place = new URL("turbo/libjpegturbo.js", self.location.href).href;
  const { default: factory } = (await import(/* @vite-ignore */ place)) as {
    default: (options: object) => Promise<Turbo>;
  };
  return factory({ locateFile: (name: string) => new URL(`turbo/${name}`, self.location.href).href, print: () => {}, printErr: () => {} });
}

/** A baseline JPEG with the Huffman codes of the specification. quality: 1 to 100. */
export async function encoded({ pixels, height, width }: Picture, quality: number, subsampling: keyof typeof SUBSAMPLING): Promise<Bytes> {
  const encoder = new (await turbo()).JPEGEncoder();
  const frame = { width, height, bitsPerSample: 8, componentCount: 3, isSigned: false };
  encoder.getDecodedBuffer(frame).set(pixels);
  encoder.setProgressive(false); // its own choice is true
  encoder.setQuality(quality);
  encoder.setSubSampling(SUBSAMPLING[subsampling]);
  encoder.encode();
  const made = encoder.getEncodedBuffer().slice() as Bytes;
  encoder.delete();
  return made;
}

/** Throws Refusal for what is no whole JPEG of three colours. */
export async function decoded(jpeg: Uint8Array, name: string): Promise<Picture> {
  const decoder = new (await turbo()).JPEGDecoder();
  try {
    decoder.getEncodedBuffer(jpeg.length).set(jpeg);
    decoder.decode();
    const { width, height, componentCount } = decoder.getFrameInfo();
    if (componentCount !== 3) throw new Error("not three colours");
    return { pixels: decoder.getDecodedBuffer().slice() as Bytes, height, width };
  } catch {
    throw new Refusal(`The pixels of ${name} cannot be decoded: copy it again from where it came.`);
  } finally {
    decoder.delete();
  }
}
