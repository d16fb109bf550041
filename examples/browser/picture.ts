/** Pictures of 28 x 28 grey pixels, light things on black as in the training data: painted, drawn, dropped, opened. */

/** 784 values in [0, 255], row-major. */
export type Picture = Float32Array;

/** Pixels of a side. */
export const SIDE = 28;

/** Puts a picture on a canvas of 28 x 28. */
export function paint(canvas: HTMLCanvasElement, picture: Picture): void {
  const image = new ImageData(SIDE, SIDE);
  picture.forEach((v, i) => {
    image.data.set([v, v, v, 255], i * 4);
  });
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

/** The grey values of a canvas of 28 x 28. */
function readPixels(context: CanvasRenderingContext2D): Picture {
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return Float32Array.from(
    { length: SIDE * SIDE },
    (_, i) => 0.299 * data[i * 4]! + 0.587 * data[i * 4 + 1]! + 0.114 * data[i * 4 + 2]!,
  );
}

/** An image file as a picture: its middle square, made small; a light background becomes black. @throws when it is no image */
export async function fromFile(file: Blob): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("this file is no image that the browser can read");
  }
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SIDE, SIDE);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  const picture = readPixels(context);
  const border = picture.filter((_, i) => i < SIDE || i >= SIDE * (SIDE - 1) || i % SIDE === 0 || i % SIDE === SIDE - 1);
  const light = border.reduce((a, b) => a + b, 0) / border.length > 128;
  return light ? picture.map((v) => 255 - v) : picture;
}

/** Lets users drop an image anywhere on `area`, and draw on `canvas`; calls `changed` with what came of it. */
export function dropped(
  area: HTMLElement,
  canvas: HTMLCanvasElement,
  changed: (picture: Picture) => void,
  failed: (error: unknown) => void,
): void {
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  for (const name of ["dragover", "dragleave", "drop"] as const) {
    area.addEventListener(name, (event) => {
      event.preventDefault();
      area.classList.toggle("over", name === "dragover");
      const file = name === "drop" ? event.dataTransfer?.files[0] : undefined;
      if (file) fromFile(file).then(changed, failed);
    });
  }
  const at = (event: PointerEvent): [number, number] => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * SIDE, ((event.clientY - top) / height) * SIDE];
  };
  let last: [number, number] | undefined;
  const stroke = (event: PointerEvent) => {
    const to = at(event);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: 2.2, lineCap: "round" });
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(...to);
    context.stroke();
    last = to;
    changed(readPixels(context));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last) stroke(event);
  });
  for (const name of ["pointerup", "pointercancel"] as const)
    canvas.addEventListener(name, () => {
      last = undefined;
    });
}
