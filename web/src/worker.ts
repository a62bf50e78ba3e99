/** The worker of the page: one file at a time; whoever wants to stop it ends it. */

import { type Bytes, Refusal, fromLatin, startsWith } from "./bytes";
import { recover, render } from "./engine";
import type { Made } from "./render";

/** What the page asks. */
export interface Task {
  file: File;
  model: string;
  models: string[];
}

/** What the worker answers. */
export type Answer =
  | { kind: "step"; step: string; done: number }
  | { kind: "made"; made: Omit<Made, "bytes">; blob: Blob; seconds: number }
  | { kind: "refused"; why: string };

const answer = (message: Answer): void => self.postMessage(message);

/** Pictures that are no JPEG, by how they begin. */
function otherPicture(bytes: Bytes): string | null {
  if (startsWith(bytes, "PNG", 1)) return "a PNG";
  if (startsWith(bytes, "GIF8")) return "a GIF";
  if (startsWith(bytes, "WEBP", 8)) return "a WebP";
  const brand = fromLatin(bytes.subarray(4, 12));
  return /^ftyp(heic|heix|mif1|msf1|avif)/.test(brand) ? "an HEIF or AVIF picture" : null;
}

async function made(task: Task): Promise<Made> {
  const { file, model, models } = task;
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!bytes.length) throw new Refusal(`${file.name} is empty (0 bytes): copy it again from where it came.`);
  const other = otherPicture(bytes);
  if (other) throw new Refusal(`${file.name} is ${other}: the page takes RAW files, and JPEGs that it or invisp-run made.`);
  let last = { step: "", at: 0 };
  const steps = (step: string, done: number): void => {
    const now = performance.now();
    if (step === last.step && now - last.at < 100) return;
    last = { step, at: now };
    answer({ kind: "step", step, done });
  };
  return bytes[0] === 0xff && bytes[1] === 0xd8 ? recover(bytes, file.name, models, steps) : render(bytes, file.name, model, steps);
}

self.addEventListener("message", (event: MessageEvent<Task>) => {
  const begun = performance.now();
  made(event.data).then(
    ({ bytes, name, type, height, width, facts, notes }) => {
      const seconds = (performance.now() - begun) / 1000;
      answer({ kind: "made", made: { name, type, height, width, facts, notes }, blob: new Blob([bytes], { type }), seconds });
    },
    (error: unknown) => {
      if (error instanceof Refusal) answer({ kind: "refused", why: error.message });
      else if (error instanceof RangeError) answer({ kind: "refused", why: `There is not enough memory for this file (${error.message}): close other pages.` });
      else answer({ kind: "refused", why: `The page failed: ${String(error instanceof Error ? error.message : error)}. Reload it, and try again.` });
    },
  );
});
