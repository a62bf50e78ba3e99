/** ONNX graphs of the package in ONNX Runtime Web, and what each says of itself. */

import type * as Ort from "onnxruntime-web";
import { type Bytes, Refusal } from "./bytes";
import type { Contract } from "./frame";
import { type NetworkConfig, haloOf, planTiles } from "./tiles";

/** What a graph says of itself (`invisp_deploy/graph_card.py`). */
export interface Card {
  direction: string;
  config: NetworkConfig;
  contract: Contract;
  weights: string;
  precision: string;
  /** The one camera whose files the weights were trained on; empty where there were several, or that is not known. */
  learnedOn: string;
  multiple: number;
  reach: number;
}

/** Values of a graph's inputs beside its picture, and their shape, by name. */
export type Numbers = Record<string, [Float32Array | Int32Array, number[]]>;

/** Called with the share that is done, 0 to 1. */
export type Progress = (done: number) => void;

/** The `metadata_props` of an ONNX file: field 14 of its message, pairs of a key (1) and a value (2). */
export function metadataOf(bytes: Uint8Array): Map<string, string> {
  const fields = function* (part: Uint8Array): Generator<[number, Uint8Array]> {
    let place = 0;
    const varint = (): number => {
      for (let value = 0, scale = 1; ; scale *= 128) {
        const byte = part[place++];
        value += (byte & 127) * scale;
        if (!(byte & 128)) return value;
      }
    };
    while (place < part.length) {
      const key = varint();
      const kind = key & 7;
      if (kind === 2) {
        const length = varint();
        yield [key >>> 3, part.subarray(place, place + length)];
        place += length;
      } else if (kind === 0) varint();
      else place += kind === 1 ? 8 : 4;
    }
  };
  const found = new Map<string, string>();
  const words = new TextDecoder();
  for (const [field, pair] of fields(bytes)) {
    if (field !== 14) continue;
    const parts = new Map(fields(pair));
    found.set(words.decode(parts.get(1)), words.decode(parts.get(2)));
  }
  return found;
}

function cardOf(bytes: Uint8Array): Card {
  const said = metadataOf(bytes);
  const text = (name: string): string => said.get(`invisp.${name}`) ?? "";
  const config = JSON.parse(text("config")) as NetworkConfig;
  const multiple = config.squeeze % 2 ? config.squeeze * 2 : config.squeeze;
  const direction = text("direction");
  const reach = haloOf(config) + (direction === "forward" ? multiple : 0); // demosaicing adds two, rounded up
  if (text("form") !== "mosaic" || text("bits") !== "8") throw new Error("a graph of another form");
  return {
    direction, config, multiple, reach,
    contract: JSON.parse(text("contract")) as Contract, weights: text("weights"), precision: text("precision"), learnedOn: text("learned_on"),
  };
}

let runtime: Promise<typeof Ort> | undefined;

function loaded(): Promise<typeof Ort> {
  runtime ??= (async () => {
    const place = new URL("ort/", self.location.href).href;
    const ort = (await import(/* @vite-ignore */ `${place}ort.wasm.min.mjs`)) as typeof Ort;
    ort.env.wasm.wasmPaths = place;
    ort.env.wasm.numThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    ort.env.logLevel = "error";
    return ort;
  })();
  return runtime;
}

export class Graph {
  private constructor(
    private readonly ort: typeof Ort,
    private readonly session: Ort.InferenceSession,
    readonly card: Card,
  ) {}

  /** The graph of a shipped model: the look's folder and `forward` or `inverse`. */
  static async open(model: string, direction: "forward" | "inverse"): Promise<Graph> {
    const bytes = await fetched(`models/${model}/${direction}.onnx`);
    const ort = await loaded();
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    return new Graph(ort, session, cardOf(bytes));
  }

  async close(): Promise<void> {
    await this.session.release();
  }

  /**
   * Computes a picture tile by tile. taken, made: bytes a pixel of input and output.
   * Throws Refusal where a result is not finite.
   */
  async run(
    input: Uint8Array, taken: number, made: number, height: number, width: number, numbers: Numbers, progress: Progress,
  ): Promise<Bytes> {
    const { card, session, ort } = this;
    const [source, target] = card.direction === "forward" ? ["mosaic", "rgb"] : ["rgb", "mosaic"];
    const feeds: Record<string, Ort.Tensor> = {};
    for (const name of session.inputNames) {
      if (name === source) continue;
      const [values, shape] = numbers[name];
      feeds[name] = values instanceof Int32Array ? new ort.Tensor("int32", values, shape) : new ort.Tensor("float32", values, shape);
    }
    const [rows, columns] = planTiles(height, width, card.config, card.multiple, card.reach);
    const result = new Uint8Array(height * width * made);
    let done = 0;
    for (const row of rows) {
      for (const column of columns) {
        const [h, w] = [row.stop - row.start, column.stop - column.start];
        const window = new Uint8Array(h * w * taken);
        for (let each = 0; each < h; each++) {
          const from = ((row.start + each) * width + column.start) * taken;
          window.set(input.subarray(from, from + w * taken), each * w * taken);
        }
        feeds[source] = new ort.Tensor("uint8", window, [1, h, w, taken]);
        const outputs = await session.run(feeds);
        const mean = (outputs.mean.data as Float32Array)[0];
        if (!Number.isFinite(mean)) throw new Refusal("The graph made a number that is not finite of a tile: its file or model is damaged.");
        const tile = outputs[target].data as Uint8Array;
        const across = column.coreStop - column.coreStart;
        for (let each = row.coreStart; each < row.coreStop; each++) {
          const from = ((each - row.start) * w + column.coreStart - column.start) * made;
          result.set(tile.subarray(from, from + across * made), (each * width + column.coreStart) * made);
        }
        for (const output of Object.values(outputs)) output.dispose();
        feeds[source].dispose();
        done += (row.coreStop - row.coreStart) * across;
        progress(done / (height * width));
      }
    }
    return result;
  }
}

/** A file of the page's own. */
export async function fetched(path: string): Promise<Bytes> {
  const answer = await fetch(new URL(path, self.location.href));
  if (!answer.ok) throw new Refusal(`The page's own file ${path} could not be loaded (${answer.status}): reload the page.`);
  return new Uint8Array(await answer.arrayBuffer());
}
