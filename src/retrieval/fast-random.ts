import type { Rng } from "../core/index.js";

/**
 * A sequential generator seeded from a stream: for the hundreds of millions of draws of a synthetic collection, where a
 * counter-based draw per number would take most of the time. sfc32 (Doty-Humphrey, PractRand); normals by the sum of
 * four uniforms, which has the variance of a normal and tails that end at 3.5.
 */
export function fastRandom(rng: Rng): { uniform(): number; normal(): number } {
  let a = rng.bits() | 0;
  let b = rng.bits() | 0;
  let c = rng.bits() | 0;
  let counter = 1;
  const bits = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) bits();
  const uniform = () => bits() * 2.3283064365386963e-10;
  const normal = () => (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508075688772;
  return { uniform, normal };
}
