/**
 * Drives the built page in Chromium: node test/drive.mjs URL CHROMIUM < steps.json > results.json
 *
 * Each step is an object with `do`; each result what the page showed, so that scripts/check_page.py can compare.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [url, executablePath] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({ acceptDownloads: true });
const page = await context.newPage();
const said = [];
page.on("console", (message) => message.type() === "error" && said.push(message.text()));
page.on("pageerror", (error) => said.push(error.message));

const open = async () => {
  await page.goto(url);
  await page.waitForSelector("#file:enabled, #why:not([hidden])", { timeout: 60_000 });
};
const outcome = () => page.waitForSelector("#result:not([hidden]), #why:not([hidden])", { timeout: 300_000 });
const refusal = async () => ((await page.isVisible("#why")) ? page.textContent("#why") : null);

const doing = {
  /** The page again, of another width and colours. */
  async open({ width = 1000, dark = false }) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await open();
    return { refusal: await refusal(), looks: await page.$$eval("#look option", (all) => all.map((each) => each.textContent)) };
  },
  /** Takes a file by a look, and saves what is made of it. */
  async make({ file, look, save }) {
    if (look) await page.selectOption("#look", { label: look });
    await page.setInputFiles("#file", file);
    await outcome();
    if (await refusal()) return { refusal: await refusal() };
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    await download.saveAs(save);
    const facts = await page.$$eval("#facts dt", (all) => all.map((term) => [term.textContent, term.nextElementSibling.textContent]));
    const notes = await page.$$eval("#notes li", (all) => all.map((each) => each.textContent));
    const picture = await page.$eval("#picture", (image) => (image.hidden ? null : image.decode().then(() => image.naturalWidth)));
    return { name: download.suggestedFilename(), facts: Object.fromEntries(facts), notes, picture, focus: await page.evaluate(() => document.activeElement.id) };
  },
  /** Takes a file and cancels as soon as a step is named. */
  async cancel({ file, at }) {
    await page.setInputFiles("#file", file);
    await page.waitForFunction((step) => document.getElementById("step").textContent === step, at, { polling: 5 });
    await page.focus("#cancel");
    await page.keyboard.press("Enter"); // nothing but keys
    await page.waitForTimeout(500);
    return { refusal: await refusal(), result: await page.isVisible("#result"), work: await page.isVisible("#work") };
  },
  /** Drops a file on the page. */
  async drop({ file, name }) {
    const bytes = readFileSync(file).toString("base64");
    await page.evaluate(
      ([text, called]) => {
        const data = new DataTransfer();
        const whole = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
        data.items.add(new File([whole], called));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [bytes, name],
    );
    await outcome();
    return { refusal: await refusal(), made: await page.textContent("#made") };
  },
  /** The pixels of a RAW file before they are encoded. */
  async pixels({ file, look, save }) {
    const name = file.replace(/.*\//, "");
    const text = await page.evaluate(
      async ([data, called, model]) => {
        const engine = await import("./engine.js");
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const { pixels } = await engine.render(bytes, called, model, () => {});
        let all = "";
        for (let at = 0; at < pixels.length; at += 8190) all += btoa(String.fromCharCode(...pixels.subarray(at, at + 8190)));
        return all;
      },
      [readFileSync(file).toString("base64"), name, look],
    );
    writeFileSync(save, Buffer.from(text, "base64"));
    return {};
  },
  /** Seconds of a RAW file's steps there and back, and the largest memory that a process of pages ever had, MB. */
  async time({ file, look }) {
    await page.evaluate(() => document.body.append(Object.assign(document.createElement("input"), { type: "file", id: "timed" })));
    await page.setInputFiles("#timed", file);
    const seconds = await page.evaluate(async (model) => {
      const engine = await import("./engine.js");
      const input = document.getElementById("timed");
      const [raw] = input.files;
      input.remove();
      const parts = {};
      let [last, since, total] = ["", 0, 0];
      const next = (step) => {
        const now = performance.now();
        if (last) parts[last] = (parts[last] ?? 0) + (now - since) / 1000;
        if (last) total += (now - since) / 1000;
        [last, since] = [step, now];
      };
      const steps = (step) => step !== last && next(step);
      const made = await engine.render(new Uint8Array(await raw.arrayBuffer()), raw.name, model, steps);
      next("");
      const there = total;
      await engine.recover(made.bytes, made.name, [model], steps);
      next("");
      return { there, back: total - there, parts, pixels: made.height * made.width };
    }, look);
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const peaks = processInfo
      .filter(({ type }) => type === "renderer")
      .map(({ id }) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1]) / 1000);
    return { ...seconds, peak: Math.max(...peaks) };
  },
  /** What axe-core finds. */
  async axe() {
    const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(source); // not a script element, which the page's policy forbids
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return { violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`) };
  },
  /** Whether the page is as wide as its window. */
  async width() {
    return page.evaluate(() => ({ page: document.documentElement.scrollWidth, window: innerWidth }));
  },
  async shot({ save }) {
    await page.screenshot({ path: save, fullPage: true });
    return {};
  },
  /** Loads the page again without a network. */
  async offline() {
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null, null, { timeout: 60_000 });
    await context.setOffline(true);
    await open();
    return { refusal: await refusal() };
  },
};

const results = [];
for (const step of steps) results.push(await doing[step.do](step));
await browser.close();
process.stdout.write(JSON.stringify({ results, said }));
