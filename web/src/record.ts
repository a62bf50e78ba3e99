/** The way back: what a rendered picture must carry to become a RAW file again; as `formats/record.py`. */

import { type Bytes, Refusal, deflated, inflated, utf8 } from "./bytes";
import { type Alignment, type Facts, type Recipe, checkFacts, checkRecipe } from "./frame";

export const RECORD_LAYER = "record";
const MAX_BYTES = 4096;
const LARGEST_SIDE = 65535;

/** Fields and their order are Python's. */
export interface Record {
  weights: string;
  precision: string;
  facts: Facts;
  recipe: Recipe;
  height: number;
  width: number;
  alignment: Alignment;
  quality: number;
  subsampling: string;
  forced: boolean;
  digest: string;
  own_codes: string;
}

const FIELDS = [
  "weights", "precision", "facts", "recipe", "height", "width", "alignment", "quality", "subsampling", "forced", "digest", "own_codes",
];
const FACTS = ["cfa", "black", "white", "gains", "orientation", "color_matrix", "make", "model"];
const RECIPE = ["cfa", "black", "white", "gains", "curve", "matrix", "shading", "clips"];
const ALIGNMENT = ["top", "left", "bottom", "right"];

/** Compressed JSON. Throws Refusal above 4 KB. */
export async function recordBytes(record: Record): Promise<Bytes> {
  const packed = await deflated(utf8(JSON.stringify(record)));
  if (packed.length > MAX_BYTES) throw new Refusal(`The record of the way back needs ${packed.length} bytes, at most ${MAX_BYTES} fit.`);
  return packed;
}

/** Inverse of `recordBytes`; `name` is of the file in the Refusal for damaged bytes. */
export async function readRecord(bytes: Bytes, name: string): Promise<Record> {
  try {
    const found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await inflated(bytes, 1 << 16))) as Record;
    checkRecord(found);
    return found;
  } catch (error) {
    throw new Refusal(
      `The way back that ${name} carries is damaged, or of another version (${(error as Error).message}): use the file as it was rendered.`,
    );
  }
}

function checkRecord(record: Record): void {
  const has = (value: object, names: string[], what: string): void => {
    const found = Object.keys(value).sort().join();
    if (found !== [...names].sort().join()) throw new Error(`${what} has the fields ${found}`);
  };
  has(record, FIELDS, "the record");
  has(record.facts, FACTS, "a frame");
  has(record.recipe, RECIPE, "a recipe");
  has(record.alignment, ALIGNMENT, "an alignment");
  checkFacts(record.facts);
  checkRecipe(record.recipe);
  const { top, left, bottom, right } = record.alignment;
  if (![top, left, bottom, right].every((each) => Number.isInteger(each) && each >= 0 && each < 16)) throw new Error("its alignment cannot be");
  const [height, width] = [record.height, record.width];
  const inner = Math.min(height - top - bottom, width - left - right);
  const whole = [height, width, record.quality].every(Number.isInteger) && record.quality >= 0 && record.quality <= 100;
  if (!whole || !(inner >= 2 && Math.max(height, width) <= LARGEST_SIDE)) throw new Error("its sides or quality cannot be");
  if (![record.digest, record.own_codes].every((each) => /^(?:[0-9a-f]{64})?$/.test(each))) throw new Error("its digest cannot be");
  const texts = [record.weights, record.precision, record.subsampling];
  if (!texts.every((each) => typeof each === "string") || typeof record.forced !== "boolean") throw new Error("its texts cannot be");
}
