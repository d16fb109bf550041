import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, FormatError } from "../core/index.js";
import { decodeImage, imageFolder } from "./image-folder.node.js";

const pixel = (r: number, g: number, b: number) => [r, g, b, 255];

function png(width: number, height: number, rgba: number[]): Buffer {
  const image = new PNG({ width, height });
  image.data.set(rgba);
  return PNG.sync.write(image);
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sparseland-images-"));
  for (const name of ["ant", "bee"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "ant", "b.png"), png(2, 1, [...pixel(255, 0, 0), ...pixel(0, 0, 255)]));
  await writeFile(join(folder, "ant", "a.png"), png(2, 1, [...pixel(10, 20, 30), ...pixel(40, 50, 60)]));
  await writeFile(join(folder, "ant", "notes.txt"), "no image");
  const grey = { width: 2, height: 1, data: Buffer.from([...pixel(128, 128, 128), ...pixel(128, 128, 128)]) };
  await writeFile(join(folder, "bee", "c.JPG"), jpeg.encode(grey, 100).data);
});
afterAll(() => rm(folder, { recursive: true }));

describe("image folders", () => {
  it("reads classes and images in name order, as planes", async () => {
    const dataset = await imageFolder(folder, { name: "insects" });
    expect(dataset).toMatchObject({ name: "insects", shape: [3, 1, 2], classes: 2, classNames: ["ant", "bee"], count: 3 });
    expect([...dataset.labels]).toEqual([0, 0, 1]);
    expect([...dataset.inputs.subarray(0, 12)]).toEqual([10, 40, 20, 50, 30, 60, 255, 0, 0, 0, 0, 255]);
    for (const value of dataset.inputs.subarray(12)) expect(Math.abs(value - 128)).toBeLessThanOrEqual(2);
  });

  it("turns colours to luma, and takes the first of each class", async () => {
    const dataset = await imageFolder(folder, { channels: 1, limit: 1 });
    expect(dataset.shape).toEqual([1, 1, 2]);
    // 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15; 0.299 * 40 + 0.587 * 50 + 0.114 * 60 = 48.15
    expect([...dataset.inputs.subarray(0, 2), dataset.count]).toEqual([18, 48, 2]);
  });

  it("names what is wrong, and where", async () => {
    const other = await mkdtemp(join(tmpdir(), "sparseland-images-"));
    try {
      await expect(imageFolder(other)).rejects.toThrow(/holds no class folder/);
      await mkdir(join(other, "x"));
      await expect(imageFolder(other)).rejects.toThrow(/x: holds no .png or .jpg/);
      await writeFile(join(other, "x", "a.png"), png(1, 1, pixel(1, 2, 3)));
      await writeFile(join(other, "x", "b.png"), png(1, 2, [...pixel(1, 2, 3), ...pixel(1, 2, 3)]));
      await expect(imageFolder(other)).rejects.toThrow(/b.png: 1 x 2 pixels, the images before it 1 x 1/);
      await writeFile(join(other, "x", "a.png"), "GIF89a");
      await expect(imageFolder(other)).rejects.toThrow(/a.png: image: the file is neither a PNG nor a JPEG/);
      await expect(imageFolder(join(other, "none"))).rejects.toThrow(/cannot be listed/);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it("refuses a PNG that claims more pixels than it could hold", () => {
    const bytes = png(
      2,
      2,
      [1, 2, 3, 4].flatMap((v) => pixel(v, v, v)),
    );
    bytes.writeUInt32BE(60_000, 16);
    bytes.writeUInt32BE(60_000, 20);
    expect(() => decodeImage(bytes)).toThrow(/above the limit/);
    bytes.writeUInt32BE(4000, 16);
    bytes.writeUInt32BE(4000, 20);
    expect(() => decodeImage(bytes)).toThrow(/cannot hold 4000 x 4000 pixels/);
  });

  it("meets 10,000 damaged images with FormatError alone", () => {
    const rng = createRng(9);
    const rgba = Array.from({ length: 64 }, () => pixel(rng.below(256), rng.below(256), rng.below(256))).flat();
    const samples = [png(8, 8, rgba), jpeg.encode({ width: 8, height: 8, data: Buffer.from(rgba) }, 60).data];
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      let bytes = Uint8Array.from(samples[i % 2]!);
      for (let times = 1 + rng.below(3); times > 0; times--) bytes[rng.below(bytes.length)] = rng.below(256);
      if (rng.below(4) === 0) bytes = bytes.slice(0, rng.below(bytes.length));
      try {
        decodeImage(bytes, 1_000_000);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(3000);
  });
});
