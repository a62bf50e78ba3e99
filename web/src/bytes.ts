/** Bytes and what is made of them: text, checksums, zlib. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** What a user can cause: a sentence that says what happened, what was found, and what to do. */
export class Refusal extends Error {}

export function joined(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** ASCII or Latin-1 text, one byte a character. */
export function latin(text: string): Bytes {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function fromLatin(bytes: Uint8Array): string {
  let text = "";
  for (let place = 0; place < bytes.length; place += 8192) {
    text += String.fromCharCode(...bytes.subarray(place, place + 8192));
  }
  return text;
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function startsWith(bytes: Uint8Array, head: string, at = 0): boolean {
  return fromLatin(bytes.subarray(at, at + head.length)) === head;
}

/** Where a piece begins in bytes from a place on, -1 where it does not. */
export function find(bytes: Uint8Array, piece: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(piece[0], from); at >= 0; at = bytes.indexOf(piece[0], at + 1)) {
    if (piece.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 as zlib's and PNG's. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** SHA-256, hexadecimal. */
export async function sha256(bytes: Bytes): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** zlib's format. */
export async function deflated(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Inverse of `deflated`. Throws for other bytes, and for what has more than `most` bytes. */
export async function inflated(bytes: Bytes, most: number): Promise<Bytes> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts: Uint8Array[] = [];
  for (let length = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return joined(parts);
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new Error(`it has more than ${most} bytes`);
    }
    parts.push(value);
  }
}
