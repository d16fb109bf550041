/** The example page in Chromium, with networks of the size that the quickstart trains: classes, times, drawing, dropped files, errors. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeExample, serveFolder } from "../examples/browser/make.js";
import { createRng, tensor } from "../src/core/index.js";
import { createModel, inferenceProgram } from "../src/models/index.js";
import { anyBatch } from "../src/program/index.js";
import { createSession, type ModelFile, packModel, writeModel } from "../src/runtime/index.js";

const executablePath = process.env["SPARSELAND_CHROMIUM"] ?? "/usr/bin/chromium";
const args =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
/** Screenshots of the last run, for people. */
const pictures = join(dirname(fileURLToPath(import.meta.url)), "../.cache/screenshots");
const classes = Array.from({ length: 10 }, (_, i) => `kind ${i}`);

/** The quickstart's network with random weights: all of them, or one in ten. */
function network(sparse: boolean): ModelFile {
  const model = createModel("convnet", { channels: [16, 32, 64, 128] });
  const rng = createRng(4);
  const params = Object.fromEntries(
    Object.entries(model.module.params).map(([path, { shape }]) => {
      const value = tensor(shape);
      for (let i = 0; i < value.data.length; i++) value.data[i] = path.includes("var") ? 1 : rng.uniform() - 0.45;
      return [path, value];
    }),
  );
  const masks = Object.fromEntries(
    ["conv2.weight", "conv3.weight", "conv4.weight"].map((path) => {
      const { shape, data } = params[path]!;
      return [path, { shape, data: Uint8Array.from(data, () => (rng.uniform() < 0.1 ? 1 : 0)) }];
    }),
  );
  return packModel({ program: anyBatch((batch) => inferenceProgram(model, batch)), params, ...(sparse && { masks }) });
}

describe.skipIf(!existsSync(executablePath))(`the example page (needs ${executablePath}; set SPARSELAND_CHROMIUM)`, () => {
  const folder = mkdtempSync(join(tmpdir(), "sparseland-example-"));
  const rng = createRng(9);
  const samples = classes.map((_, k) =>
    Array.from({ length: 784 }, (_, i) => (Math.hypot((i % 28) - 14, i / 28 - 14) < 4 + k ? 80 + rng.below(170) : 0)),
  );
  const files = { dense: network(false), sparse: network(true) };
  let browser: Browser;
  let server: Server;
  let page: Page;
  beforeAll(async () => {
    for (const [name, file] of Object.entries(files)) writeFileSync(join(folder, name), writeModel(file));
    await makeExample(
      {
        models: [
          { id: "dense", title: "Dense", path: join(folder, "dense"), accuracy: null },
          { id: "sparse", title: "90 % sparse", path: join(folder, "sparse"), accuracy: 0.5 },
        ],
        classes,
        mean: 0.286,
        std: 0.353,
        samples,
      },
      join(folder, "out"),
    );
    server = serveFolder(join(folder, "out"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath, args: args.split(" ") });
    page = await browser.newPage({ viewport: { width: 1100, height: 760 } });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const shown = () => page.$$eval("#cards .class", (places) => places.map((place) => place.textContent));

  it("classifies a picture with both networks as Node does, and shows times and sizes of both", async () => {
    await page.waitForSelector("body[data-ready]", { timeout: 30_000 });
    const expected: string[] = [];
    for (const file of Object.values(files)) {
      const session = await createSession(file, { kernels: "sparse" });
      const scores = Object.values(session.run({ x: Float32Array.from(samples[9]!, (v) => (v / 255 - 0.286) / 0.353) }))[0]!.data;
      expected.push(classes[scores.indexOf(Math.max(...scores))]!);
      session.close();
    }
    expect(await shown()).toEqual(expected);
    const cells = await page.$$eval("#cards td", (places) => places.map((place) => place.textContent!));
    expect(cells).toHaveLength(6);
    for (const i of [0, 1, 3, 4]) expect(Number.parseFloat(cells[i]!)).toBeGreaterThan(0);
    expect(cells[2]).toMatch(/^\d+ KB$/);
    expect(Number.parseFloat(cells[5]!)).toBeLessThan(Number.parseFloat(cells[2]!) / 4);
    expect(await page.textContent("#verdict")).toMatch(/^Sparse: [\d.]+× (faster|slower), [\d.]+× smaller/);
    expect(await page.textContent("#footer")).toMatch(/^[1-4] threads?; medians/);
    expect(await page.isVisible("#error")).toBe(false);
    mkdirSync(pictures, { recursive: true });
    const { width, height, data } = PNG.sync.read(await page.screenshot({ path: join(pictures, "example.png") }));
    expect([width, height]).toEqual([1100, 760]);
    // Not one flat colour: text, bars, pictures.
    expect(new Set(new Uint32Array(data.buffer, data.byteOffset, data.length / 4)).size).toBeGreaterThan(100);
    // Nothing stands out of the window.
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  });

  it("takes samples, drawings and dropped files, and says when a file is no image", async () => {
    await page.click("#samples button >> nth=0");
    expect(await page.getAttribute("#samples button >> nth=0", "aria-pressed")).toBe("true");
    const ink = () =>
      page.$eval(
        "#picture",
        (c) =>
          (c as HTMLCanvasElement)
            .getContext("2d")!
            .getImageData(0, 0, 28, 28)
            .data.filter((v, i) => i % 4 < 3 && v > 0).length,
      );
    await page.click("#clear");
    expect(await ink()).toBe(0);
    const box = (await (await page.$("#picture"))!.boundingBox())!;
    await page.mouse.move(box.x + 60, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 180, box.y + 160, { steps: 5 });
    await page.mouse.up();
    const drawn = await ink();
    expect(drawn).toBeGreaterThan(60);
    const light = new PNG({ width: 60, height: 40 });
    light.data.fill(255);
    for (let y = 12; y < 28; y++) for (let x = 22; x < 38; x++) light.data.fill(0, (y * 60 + x) * 4, (y * 60 + x) * 4 + 3);
    await page.setInputFiles("#file", { name: "a.png", mimeType: "image/png", buffer: PNG.sync.write(light) });
    await page.waitForFunction(
      (before) => {
        const data = document.querySelector<HTMLCanvasElement>("#picture")!.getContext("2d")!.getImageData(0, 0, 28, 28).data;
        // The light background became black, the dark square light.
        return data[0] === 0 && data[(14 * 28 + 14) * 4]! > 200 && before > 0;
      },
      drawn,
      { timeout: 5000 },
    );
    await page.setInputFiles("#file", { name: "b.png", mimeType: "image/png", buffer: Buffer.from("no image") });
    await page.waitForSelector("#error:not([hidden])");
    expect(await page.textContent("#error")).toMatch(/no image/);
  });

  it("says what is missing", async () => {
    rmSync(join(folder, "out/sparse.safetensors"));
    const other = await browser.newPage();
    await other.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await other.waitForSelector("#error:not([hidden])");
    expect(await other.textContent("#error")).toMatch(/sparse\.safetensors: the server answered 404/);
    await other.close();
  });
});
