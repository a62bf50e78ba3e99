/** What a picture carries beside its pixels: named layers of bytes in packets; as `formats/layers.py`. */

import { type Bytes, crc32, fromLatin, joined, latin, startsWith } from "./bytes";

export const IDENTIFIER = "InvISP\0";
const HEAD = 8;
const MOST_BYTES = 1 << 28;
/** Bytes that a segment of a JPEG holds beside its length. */
export const MOST_PACKET = 65533;

/** The layers in their order, in packets that segments of a JPEG hold. */
export function toPackets(layers: ReadonlyMap<string, Bytes>): Bytes[] {
  return [...layers].flatMap(([name, data]) => {
    const start = latin(`${IDENTIFIER}${name}\0`);
    const room = MOST_PACKET - start.length - HEAD;
    const parts = Math.max(1, Math.ceil(data.length / room));
    const check = crc32(data);
    return Array.from({ length: parts }, (_, part) => {
      const head = new DataView(new ArrayBuffer(HEAD));
      head.setUint16(0, part);
      head.setUint16(2, parts);
      head.setUint32(4, check);
      return joined([start, new Uint8Array(head.buffer), data.subarray(part * room, (part + 1) * room)]);
    });
  });
}

/** Inverse of `toPackets`, of packets in any order: the layers that are whole, and the others' names and why. */
export function fromPackets(packets: readonly Bytes[]): [Map<string, Bytes>, Map<string, string>] {
  const found = new Map<string, { heads: Set<string>; parts: number; check: number; pieces: Map<number, Uint8Array> }>();
  let held = 0;
  for (const packet of packets) {
    const end = packet.indexOf(0, IDENTIFIER.length);
    const name = fromLatin(packet.subarray(IDENTIFIER.length, Math.max(end, 0)));
    if (!startsWith(packet, IDENTIFIER) || !/^[A-Za-z0-9]{1,63}$/.test(name) || packet.length < end + 1 + HEAD) {
      return [new Map(), new Map([["", "a packet of it cannot be read"]])];
    }
    const view = new DataView(packet.buffer, packet.byteOffset + end + 1, HEAD);
    const [part, parts, check] = [view.getUint16(0), view.getUint16(2), view.getUint32(4)];
    const piece = packet.subarray(end + 1 + HEAD);
    held += piece.length;
    if (held > MOST_BYTES) return [new Map(), new Map([["", `it has more than ${MOST_BYTES >> 20} MB`]])];
    const layer = found.get(name) ?? { heads: new Set(), parts, check, pieces: new Map() };
    layer.heads.add(`${parts} ${check}`);
    layer.pieces.set(part, piece);
    found.set(name, layer);
  }
  const [whole, damaged] = [new Map<string, Bytes>(), new Map<string, string>()];
  for (const [name, { heads, parts, check, pieces }] of found) {
    const ordered = Array.from({ length: parts }, (_, part) => pieces.get(part));
    if (heads.size > 1 || pieces.size !== parts || ordered.includes(undefined)) {
      damaged.set(name, `${pieces.size} of its ${parts} parts are there`);
      continue;
    }
    const data = joined(ordered as Uint8Array[]);
    if (crc32(data) === check) whole.set(name, data);
    else damaged.set(name, "its checksum is wrong");
  }
  return [whole, damaged];
}
