/** The page: takes a file, shows what its worker does and what came of it. */

import type { Answer, Task } from "./worker";

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const look = element<HTMLSelectElement>("look"), file = element<HTMLInputElement>("file");
const work = element("work"), step = element("step"), progress = element<HTMLProgressElement>("progress");
const why = element("why"), result = element("result"), made = element("made");
const save = element<HTMLAnchorElement>("save"), picture = element<HTMLImageElement>("picture");

/** Takes one file after the other; ended where one is cancelled. */
let worker = started();
let busy = false;
let last: File | null = null;
let shown = "";

function refuse(sentence: string): void {
  why.textContent = sentence;
  why.hidden = false;
  why.focus();
}

function started(): Worker {
  const made = new Worker("worker.js", { type: "module" });
  made.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    if (made === worker) answered(data);
  });
  made.addEventListener("error", (event) => {
    if (made !== worker) return;
    rest();
    refuse(`The page's worker failed (${event.message || "it could not be loaded"}): reload the page.`);
  });
  return made;
}

function rest(): void {
  busy = false;
  work.hidden = true;
}

/** Ends what is under way, with all its memory. */
function end(): void {
  worker.terminate();
  worker = started();
  rest();
}

function run(taken: File): void {
  if (busy) end();
  busy = true;
  last = taken;
  why.hidden = result.hidden = true;
  work.hidden = false;
  step.textContent = `Opening ${taken.name}`;
  progress.removeAttribute("value");
  const task: Task = { file: taken, model: look.value, models: Array.from(look.options, (option) => option.value) };
  worker.postMessage(task);
}

function answered(answer: Answer): void {
  if (answer.kind === "step") {
    if (step.textContent !== answer.step) step.textContent = answer.step;
    if (answer.done) progress.value = answer.done;
    else progress.removeAttribute("value");
    return;
  }
  rest();
  if (answer.kind === "refused") refuse(answer.why);
  else show(answer);
}

function show({ made: { name, type, facts, notes }, blob, seconds }: Extract<Answer, { kind: "made" }>): void {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  made.textContent = name;
  save.href = shown;
  save.download = name;
  save.textContent = `Save ${name}`;
  picture.hidden = type !== "image/jpeg";
  picture.src = picture.hidden ? "" : shown;
  picture.alt = picture.hidden ? "" : `The picture rendered from ${last!.name}`;
  const lines = [...facts, ["File", `${(blob.size / 1e6).toFixed(2)} MB`], ["Took", `${seconds.toFixed(1)} s`]];
  const cell = (kind: string, text: string): HTMLElement => Object.assign(document.createElement(kind), { textContent: text });
  element("facts").replaceChildren(...lines.flatMap(([term, value]) => [cell("dt", term), cell("dd", value)]));
  element("notes").replaceChildren(...notes.map((note) => cell("li", note)));
  element("notes").hidden = !notes.length;
  result.hidden = false;
  made.focus();
}

file.addEventListener("change", () => {
  const chosen = file.files?.[0];
  if (chosen) run(chosen);
  file.value = ""; // so that the same file can be chosen again
});
look.addEventListener("change", () => {
  if (last && !result.hidden && !picture.hidden) run(last);
});
element("cancel").addEventListener("click", () => {
  end();
  step.textContent = "";
  refuse("Cancelled: nothing was made.");
});
element("drop").closest("form")!.addEventListener("submit", (event) => event.preventDefault());
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const dropped = event.dataTransfer?.files[0];
  if (dropped && !file.disabled) run(dropped);
});

/** Threads need two headers. The service worker adds them where a server does not, from the second load on. */
async function prepare(): Promise<void> {
  if (navigator.serviceWorker) {
    await navigator.serviceWorker.register("offline.js");
    if (!crossOriginIsolated) {
      await navigator.serviceWorker.ready;
      if (!sessionStorage.getItem("again")) {
        sessionStorage.setItem("again", "yes");
        location.reload();
        return;
      }
    }
  }
  if (!crossOriginIsolated) {
    refuse("This browser does not let the page use threads, which LibRaw needs: open it by `invisp serve`, in a current browser.");
    return;
  }
  const models = (await (await fetch("models/models.json")).json()) as { name: string; folder: string }[];
  look.replaceChildren(...models.map(({ name, folder }) => new Option(name, folder)));
  look.disabled = file.disabled = false;
}

prepare().catch((error: Error) => refuse(`The page could not be prepared (${error.message}): reload it.`));
