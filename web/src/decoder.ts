/** Pixels of JPEGs by libjpeg-turbo, the same as Python's. */

import { type Bytes, Refusal } from "./bytes";
import type { Picture } from "./encoder";

interface Decoder {
  getEncodedBuffer(size: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { width: number; height: number; componentCount: number };
  delete(): void;
}

interface Turbo {
  JPEGDecoder: new () => Decoder;
}

/** A new instance each time: WebAssembly's memory never shrinks, and goes with it. */
async function turbo(): Promise<Turbo> {
  const place = new URL("turbo/libjpegturbo.js", self.location.href).href;
  const { default: factory } = (await import(/* @vite-ignore */ place)) as {
    default: (options: object) => Promise<Turbo>;
  };
  return factory({ locateFile: (name: string) => new URL(`turbo/${name}`, self.location.href).href, print: () => {}, printErr: () => {} });
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
