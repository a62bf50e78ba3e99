/** Forward: a RAW file to a JPEG that carries its way back; as `rendering/render.py`. */

import type { Bytes } from "./bytes";
import { Refusal } from "./bytes";
import { aligned, alignmentFor, numbersFor, recipeFor } from "./frame";
import { Graph, type Progress } from "./graph";
import { cameraName } from "./metadata";
import { brighter, fittedGainMap, highlightsOf } from "./highlights";
import { NEGATIVE_LAYER, negativeLayer } from "./negative";
import { writePicture } from "./picture";
import { PREDICTOR_LAYER, fittedPredictor, predictorBytes } from "./predictor";
import { readRaw } from "./raw";
import type { Record } from "./record";
import { withoutShading } from "./shading";

/** The look that the closed form, whose inverse filters are fitted from, comes near to. */
const NEAR = "libraw";

/** A step by its name, and the share of it that is done. */
export type Steps = (step: string, done: number) => void;

/** What was made of a file. */
export interface Made {
  bytes: Bytes;
  name: string;
  type: string;
  height: number;
  width: number;
  facts: [string, string][];
  notes: string[];
}

/** The pixels before they are encoded, for whoever compares them. */
export interface Rendered extends Made {
  pixels: Bytes;
}

/** Renders a RAW file by a shipped model. Throws Refusal. */
export async function render(bytes: Bytes, name: string, model: string, steps: Steps): Promise<Rendered> {
  steps("Reading the RAW file", 0);
  const frame = await readRaw(bytes, name);
  steps("Opening the model", 0);
  const graph = await Graph.open(model, "forward");
  const { card } = graph;
  const { make, model: camera } = card.contract;
  if ((make || camera) && (make !== frame.facts.make || camera !== frame.facts.model)) {
    throw new Refusal(`${name} is from ${frame.facts.make} ${frame.facts.model}, these weights are for ${make} ${camera}: choose another look.`);
  }
  const alignment = alignmentFor(frame.mosaic, frame.facts.cfa, card.contract.cfa, card.multiple);
  const recipe = recipeFor(frame.facts, frame.mosaic, card.contract, alignment);
  const mosaic = withoutShading(aligned(frame.mosaic, alignment), recipe.shading, recipe.black);
  const { height, width } = mosaic;
  const progress = (step: string): Progress => (done) => steps(step, done);
  const dn = new Uint8Array(mosaic.data.buffer, mosaic.data.byteOffset, mosaic.data.byteLength);
  const pixels = await graph.run(dn, 2, 3, height, width, numbersFor(recipe), progress("Rendering"));
  await graph.close();
  const record: Record = {
    weights: card.weights, precision: card.precision, facts: frame.facts, recipe, height, width, alignment,
    quality: 0, subsampling: "", forced: false, digest: "", own_codes: "",
  };
  const notes = [...frame.notes];
  const own = cameraName(frame.facts.make, frame.facts.model);
  if (card.contract.look !== NEAR && !["", own.toLowerCase()].includes(card.learnedOn.toLowerCase())) {
    notes.push(`the look ${card.contract.look} was learned from pictures of the ${card.learnedOn} alone, this is ${own || "an unknown camera"}`);
  }
  steps("Looking for highlights", 0);
  const near = card.contract.look === NEAR;
  const found = brighter(mosaic, recipe, pixels, near);
  const gainMap = found && fittedGainMap(found);
  const highlights = gainMap && (await highlightsOf(gainMap, height, width));
  steps("Encoding", 0);
  const [made, more] = await writePicture({ pixels, height, width }, record, frame.metadata, gainMap, async (stored, digest) => {
    const layers = new Map<string, Bytes>();
    if (frame.negative) {
      const [layer, leftOut] = await negativeLayer(frame.negative);
      if (layer.length) layers.set(NEGATIVE_LAYER, layer);
      notes.push(...leftOut.map((what) => `not carried, for want of room: ${what}`));
    }
    const fitting = progress("Fitting the way back");
    const predictor = fittedPredictor(stored, mosaic, recipe, digest, found, highlights, near, fitting);
    if (predictor) layers.set(PREDICTOR_LAYER, predictorBytes(predictor));
    return layers;
  });
  const { facts } = frame;
  return {
    bytes: made, pixels, name: `${name.replace(/\.[^.]*$/, "")}.jpg`, type: "image/jpeg", height, width,
    facts: [
      ["Camera", cameraName(facts.make, facts.model) || "not named"],
      ["Size", `${width} × ${height} pixels`],
      ["Light", facts.gains ? "as shot" : "daylight: the file has no white balance"],
      ["Carries", ["its way back: the record", near ? ", a predictor" : "", gainMap ? ", highlights" : ""].join("")],
    ],
    notes: [...notes, ...more],
  };
}
