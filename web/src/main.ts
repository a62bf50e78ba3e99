/** The page: takes a file, shows what its worker does and what came of it. */

import type { Answer, Task } from "./worker";

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const look = element<HTMLSelectElement>("look"), file = element<HTMLInputElement>("file");
const work = element("work"), step = element("step"), progress = element<HTMLProgressElement>("progress");
const why = element("why"), result = element("result"), made = element("made");
const save = element<HTMLAnchorElement>("save"), picture = element<HTMLImageElement>("picture");

/** A worker that is ready for the next file: opening it takes a moment. */
let ready = new Worker("worker.js", { type: "module" });
let busy: Worker | null = null;
let last: File | null = null;
let shown = "";

function refuse(sentence: string): void {
  why.textContent = sentence;
  why.hidden = false;
  why.focus();
}

function stop(): void {
  busy?.terminate();
  busy = null;
  work.hidden = true;
}

function run(taken: File): void {
  stop();
  last = taken;
  why.hidden = result.hidden = true;
  work.hidden = false;
  step.textContent = `Opening ${taken.name}`;
  progress.removeAttribute("value");
  const worker = (busy = ready);
  ready = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    if (worker === busy) answered(data);
  });
  worker.addEventListener("error", (event) => {
    if (worker !== busy) return;
    stop();
    refuse(`The page's worker failed (${event.message || "it could not be loaded"}): reload the page.`);
  });
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
  stop();
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
  stop();
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
