/** References of templates/planes.ts for pixels of `lanes` floats. */
import type { Reference } from "./differential.js";
import { pmax } from "./maths.js";
import { add, slot, tree } from "./reduce.js";
import type { Views } from "./views.js";

const f = Math.fround;
type Params = Record<string, number>;

/** Float position of lane l of pixel (r, q) of plane c in the tensor with pointer `x` and strides `ps`, `rs`. */
const place = (lanes: number, x: number, ps: number, rs: number, c: number, r: number, q: number, l: number): number =>
  (x + c * ps + r * rs) / 4 + q * lanes + l;

function phase(lanes: number, sum: boolean): Reference {
  return (v, p) => {
    for (let c = 0; c < p.c!; c++) {
      for (let r = 0; r < p.h!; r++) {
        for (let i = 0; i < p.w! * lanes; i++) {
          const [q, l] = [Math.floor(i / lanes), i % lanes];
          const x = place(lanes, p.x!, p.xps!, p.xrs!, c, r * p.sy!, q * p.sx!, l);
          const y = place(lanes, p.y!, p.yps!, p.yrs!, c, r, q, l);
          if (sum) v.f32[x]! += v.f32[y]!;
          else v.f32[y] = v.f32[x]!;
        }
      }
    }
  };
}

/** Every output float with the input pixels [row, column] of its window, padding left out. */
function windows(
  lanes: number,
  p: Params,
  visit: (c: number, r: number, q: number, l: number, pixels: [number, number][]) => void,
): void {
  for (let c = 0; c < p.c!; c++) {
    for (let r = 0; r < p.oh!; r++) {
      for (let q = 0; q < p.ow!; q++) {
        const pixels: [number, number][] = [];
        for (let a = 0; a < p.kh!; a++) {
          for (let b = 0; b < p.kw!; b++) {
            const [y, x] = [r * p.sy! - p.py! + a, q * p.sx! - p.px! + b];
            if (y >= 0 && y < p.h! && x >= 0 && x < p.w!) pixels.push([y, x]);
          }
        }
        for (let l = 0; l < lanes; l++) visit(c, r, q, l, pixels);
      }
    }
  }
}

const tensors = (lanes: number, v: Views, p: Params) => ({
  v: v.f32,
  x: (c: number, r: number, q: number, l: number) => place(lanes, p.x!, p.xps!, p.xrs!, c, r, q, l),
  y: (c: number, r: number, q: number, l: number) => place(lanes, p.y!, p.yps!, p.yrs!, c, r, q, l),
  dy: (c: number, r: number, q: number, l: number) => place(lanes, p.dy!, p.dps!, p.drs!, c, r, q, l),
  dx: (c: number, r: number, q: number, l: number) => place(lanes, p.dx!, p.gps!, p.grs!, c, r, q, l),
});

const maxpool =
  (lanes: number): Reference =>
  (views, p) => {
    const { v, x, y } = tensors(lanes, views, p);
    windows(lanes, p, (c, r, q, l, pixels) => {
      const values = pixels.map(([a, b]) => v[x(c, a, b, l)]!);
      v[y(c, r, q, l)] = values.some(Number.isNaN) ? Number.NaN : values.reduce((m, t) => pmax(t, m), Number.NEGATIVE_INFINITY);
    });
  };

const maxpoolGrad =
  (lanes: number): Reference =>
  (views, p) => {
    const { v, x, y, dy, dx } = tensors(lanes, views, p);
    windows(lanes, p, (c, r, q, l, pixels) => {
      const first = pixels.find(([a, b]) => v[x(c, a, b, l)] === v[y(c, r, q, l)]);
      if (first) v[dx(c, first[0], first[1], l)]! += v[dy(c, r, q, l)]!;
    });
  };

const count = (p: Params, pixels: readonly unknown[]): number => (p.countPad ? p.kh! * p.kw! : pixels.length);

const avgpool =
  (lanes: number): Reference =>
  (views, p) => {
    const { v, x, y } = tensors(lanes, views, p);
    windows(lanes, p, (c, r, q, l, pixels) => {
      v[y(c, r, q, l)] = pixels.reduce((s, [a, b]) => f(s + v[x(c, a, b, l)]!), 0) / count(p, pixels);
    });
  };

const avgpoolGrad =
  (lanes: number): Reference =>
  (views, p) => {
    const { v, dy, dx } = tensors(lanes, views, p);
    windows(lanes, p, (c, r, q, l, pixels) => {
      for (const [a, b] of pixels) v[dx(c, a, b, l)]! += f(v[dy(c, r, q, l)]! / count(p, pixels));
    });
  };

const gap =
  (lanes: number): Reference =>
  (v, p) => {
    for (let c = 0; c < p.c!; c++) {
      const part = new Array<number>(16).fill(0);
      const n = p.w! * lanes;
      for (let r = 0; r < p.h!; r++) {
        for (let i = 0; i < n; i++) part[slot(i, n)] = f(part[slot(i, n)]! + v.f32[(p.x! + c * p.xps! + r * p.xrs!) / 4 + i]!);
      }
      const sums = [0, 1, 2, 3].map((l) => tree([part[l]!, part[4 + l]!, part[8 + l]!, part[12 + l]!], add));
      if (lanes === 1) v.f32[p.y! / 4 + c] = tree(sums, add) / f(p.h! * p.w!);
      else for (let l = 0; l < 4; l++) v.f32[p.y! / 4 + 4 * c + l] = sums[l]! / f(p.h! * p.w!);
    }
  };

const gapGrad =
  (lanes: number): Reference =>
  (v, p) => {
    for (let c = 0; c < p.c!; c++) {
      for (let r = 0; r < p.h!; r++) {
        for (let i = 0; i < p.w! * lanes; i++) {
          v.f32[(p.dx! + c * p.ps! + r * p.rs!) / 4 + i] = v.f32[p.dy! / 4 + c * lanes + (i % lanes)]! / f(p.h! * p.w!);
        }
      }
    }
  };

export const phase_copy_n4 = phase(4, false);
export const phase_add_n4 = phase(4, true);
export const maxpool_n4 = maxpool(4);
export const maxpool_grad_n4 = maxpoolGrad(4);
export const avgpool_n4 = avgpool(4);
export const avgpool_grad_n4 = avgpoolGrad(4);
export const gap_n4 = gap(4);
export const gap_grad_n4 = gapGrad(4);
export const phase_copy_n1 = phase(1, false);
export const phase_add_n1 = phase(1, true);
export const maxpool_n1 = maxpool(1);
export const maxpool_grad_n1 = maxpoolGrad(1);
export const avgpool_n1 = avgpool(1);
export const avgpool_grad_n1 = avgpoolGrad(1);
export const gap_n1 = gap(1);
export const gap_grad_n1 = gapGrad(1);
