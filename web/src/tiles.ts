/** Tiles with the exact halo: a large picture through a graph in bounded memory; as `rendering/tiles.py`. */

import { Refusal } from "./bytes";

/** What a graph's network is, as its card says. */
export interface NetworkConfig {
  squeeze: number;
  blocks: number;
  depth: number;
  growth: number;
  coupling: string;
  kind: string;
  first: number;
}

/** One axis of a tile, in pixels: [coreStart, coreStop) inside [start, stop). */
export interface Span {
  start: number;
  coreStart: number;
  coreStop: number;
  stop: number;
}

/** Megabytes of tensors that a CPU's caches still serve, and what a pixel of a larger tile takes beside one of such. */
const CACHED = 32;
const BEYOND = 1.3;
/** Megabytes that a tile's tensors may take. */
const MEMORY = 256;
const MAX_SPLITS = 256;

/** Exact receptive radius of the network in pixels. */
export const haloOf = (config: NetworkConfig): number =>
  2 * (config.kind === "chain" ? 2 : config.depth) * config.blocks * config.squeeze;

function bytesPerPixel(config: NetworkConfig): number {
  const channels = 3 * config.squeeze ** 2;
  const first = config.first || Math.floor(channels / 2);
  const inner = config.kind === "chain" ? 7 : config.depth + 2;
  return (4 * (Math.max(first, channels - first) + inner * config.growth + 5 * channels)) / config.squeeze ** 2;
}

/** The grid of tiles that takes the least time within the memory: spans of rows and of columns. */
export function planTiles(height: number, width: number, config: NetworkConfig, multiple: number, reach: number): [Span[], Span[]] {
  const rows = splits(height, reach, multiple);
  const columns = splits(width, reach, multiple);
  const [budget, cached] = [MEMORY, CACHED].map((megabytes) => (megabytes * 1e6) / bytesPerPixel(config));
  let best = { cost: Infinity, number: Infinity, row: rows[0], column: columns[0] };
  for (const row of rows) {
    for (const column of columns) {
      const largest = row.largest * column.largest;
      if (largest > budget) continue;
      const cost = row.computed * column.computed * (largest > cached ? BEYOND : 1);
      const number = row.number * column.number;
      if (cost < best.cost || (cost === best.cost && number < best.number)) best = { cost, number, row, column };
    }
  }
  if (best.cost === Infinity) throw new Refusal("Not even the smallest tile of this network fits into the page's memory: use invisp-run.");
  return [best.row.spans, best.column.spans];
}

interface Split {
  spans: Span[];
  number: number;
  computed: number;
  largest: number;
}

/** All ways to cut one axis into 1, 2, 3... cores of equal size; the last takes what is left. */
function splits(size: number, reach: number, multiple: number): Split[] {
  return Array.from({ length: Math.max(Math.min(Math.floor(size / multiple), MAX_SPLITS), 1) }, (_, index) => {
    const core = Math.ceil(size / ((index + 1) * multiple)) * multiple;
    const spans: Span[] = [];
    for (let start = 0; start < size; start += core) {
      const coreStop = Math.min(start + core, size);
      spans.push({ start: Math.max(start - reach, 0), coreStart: start, coreStop, stop: Math.min(coreStop + reach, size) });
    }
    const sizes = spans.map((span) => span.stop - span.start);
    return { spans, number: spans.length, computed: sizes.reduce((sum, each) => sum + each, 0), largest: Math.max(...sizes) };
  });
}
