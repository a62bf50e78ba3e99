/** Inverse: a JPEG that we rendered back to a DNG; as `rendering/recover.py`. */

import { type Bytes, Refusal } from "./bytes";
import { dngOf } from "./dng";
import { type Frame, type Mosaic, numbersFor, unaligned } from "./frame";
import { Graph } from "./graph";
import { cameraName } from "./metadata";
import { NEGATIVE_LAYER, readNegative } from "./negative";
import { type Carried, readPicture } from "./picture";
import { PREDICTOR_LAYER, type Predictor, predicted, readPredictor } from "./predictor";
import type { Made, Steps } from "./render";
import { withShading } from "./shading";

const RESIDUAL_LAYER = "residual";

/** What was made, with the mosaic for whoever compares it. */
export interface Recovered extends Made {
  mosaic: Mosaic;
}

/** Takes a JPEG back, by its predictor, else by the inverse graph of the weights that rendered it. models: names of the
 * shipped ones. Throws Refusal. */
export async function recover(bytes: Bytes, name: string, models: readonly string[], steps: Steps): Promise<Recovered> {
  steps("Reading the picture", 0);
  const carried = await readPicture(bytes, name);
  const { record, picture, layers, notes } = carried;
  if (picture.height !== record.height || picture.width !== record.width) {
    throw new Refusal(`${name} is ${picture.width}x${picture.height}, its way back is for ${record.width}x${record.height}.`);
  }
  const predictor = predictorOf(carried, name);
  let base: Mosaic | null = null;
  if (!predictor?.open) base = await byGraph(carried, name, models, steps);
  let mosaic = base;
  if (predictor) {
    mosaic = predicted(predictor, picture.pixels, record.height, record.width, carried.highlights, base, (done) => steps("Predicting the mosaic", done));
    if (predictor.clipped && !carried.highlights) notes.push("it has lost its gain map: what it clips is not as it was");
    if (layers.has(RESIDUAL_LAYER)) notes.push("its residual is not used here, so the RAW is not within its bound: invisp-run gives that");
  }
  const { shading, black } = record.recipe;
  const own = unaligned(withShading(mosaic!, shading, black), record.alignment);
  const layer = layers.get(NEGATIVE_LAYER);
  const negative = layer ? await readNegative(layer, own.height, own.width) : null;
  steps("Writing the DNG", 0);
  const frame: Frame = { facts: record.facts, mosaic: own, metadata: carried.metadata, negative, notes: [] };
  const { facts } = record;
  return {
    bytes: dngOf(frame, picture), name: `${name.replace(/\.[^.]*$/, "")}.dng`, type: "image/x-adobe-dng",
    height: own.height, width: own.width, mosaic: own,
    facts: [
      ["Camera", cameraName(facts.make, facts.model) || "not named"],
      ["Size", `${own.width} × ${own.height} pixels`],
      ["Made by", predictor?.open ? "its predictor" : "the model's inverse"],
    ],
    notes,
  };
}

function predictorOf({ layers, record }: Carried, name: string): Predictor | null {
  const layer = layers.get(PREDICTOR_LAYER);
  if (!layer) {
    if (!layers.has(RESIDUAL_LAYER)) return null;
    throw new Refusal(`${name} has lost the predictor that its residual belongs to: use the file as it was rendered.`);
  }
  const predictor = readPredictor(layer, name);
  if (record.digest.startsWith(predictor.picture)) return predictor;
  throw new Refusal(`The predictor that ${name} carries is another picture's: use the file as it was rendered.`);
}

async function byGraph({ picture, record }: Carried, name: string, models: readonly string[], steps: Steps): Promise<Mosaic> {
  steps("Opening the model", 0);
  for (const model of models) {
    const graph = await Graph.open(model, "inverse");
    if (graph.card.weights !== record.weights) {
      await graph.close();
      continue;
    }
    const { height, width } = record;
    if (height % graph.card.multiple || width % graph.card.multiple) throw new Refusal(`${name} is ${width}x${height}, its graph takes multiples of ${graph.card.multiple}.`);
    const dn = await graph.run(picture.pixels, 3, 2, height, width, numbersFor(record.recipe), (done) => steps("Recovering", done));
    await graph.close();
    return { data: new Uint16Array(dn.buffer), height, width };
  }
  throw new Refusal(`${name} was rendered by the weights ${record.weights.slice(0, 12)}, which the page does not have: use invisp-run with that model.`);
}
