/** Pictures to another size. */

/**
 * The middle of a picture in the target's proportions, at the target's size: bilinear at pixel centres, rounded to bytes.
 *
 *     y(i, j) = sum over the four pixels around ((i + 1/2) s - 1/2, (j + 1/2) s - 1/2), each weighted by its nearness
 *
 * @param rgba   [height, width, 4]
 * @param target channels 1 (luma, Rec. 601) or 3 (red, green, blue), and size, at least 1
 * @returns planes [channels, height, width]
 */
export function resizePicture(
  { width, height, rgba }: { readonly width: number; readonly height: number; readonly rgba: Uint8Array },
  target: { readonly channels: 1 | 3; readonly height: number; readonly width: number },
): Uint8Array {
  const area = target.width * target.height;
  const out = new Uint8Array(target.channels * area);
  const step = Math.min(width / target.width, height / target.height);
  const [left, top] = [(width - step * target.width) / 2, (height - step * target.height) / 2];
  const place = (i: number, from: number, size: number): [number, number, number] => {
    const at = Math.min(size - 1, Math.max(0, from + (i + 0.5) * step - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(size - 1, low + 1), at - low];
  };
  for (let i = 0; i < target.height; i++) {
    const [y0, y1, b] = place(i, top, height);
    for (let j = 0; j < target.width; j++) {
      const [x0, x1, a] = place(j, left, width);
      const channel = (k: number): number => {
        const pixel = (y: number, x: number): number => rgba[4 * (y * width + x) + k]!;
        return (1 - b) * ((1 - a) * pixel(y0, x0) + a * pixel(y0, x1)) + b * ((1 - a) * pixel(y1, x0) + a * pixel(y1, x1));
      };
      const p = i * target.width + j;
      if (target.channels === 1) out[p] = Math.round(0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2));
      else for (let k = 0; k < 3; k++) out[k * area + p] = Math.round(channel(k));
    }
  }
  return out;
}
