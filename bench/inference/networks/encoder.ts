/** A transformer encoder of BERT's shape, of the size of MiniLM-L12-H384: 12 layers, 384 wide, 12 heads, 1536 inside, 128 positions. */
import type { Model } from "../../../src/models/index.js";
import { attention, compose, gelu, layerNorm, linear, type Module, sequential } from "../../../src/nn/index.js";
import { add } from "../../../src/program/index.js";

const [LAYERS, SIZE, HEADS, INNER, POSITIONS] = [12, 384, 12, 1536, 128];

/** Normalisation after each residual sum, as in BERT. Devlin et al. 2019; Vaswani et al. 2017, section 3.1. */
const layer = (): Module =>
  compose(
    {
      attention: attention(SIZE, { heads: HEADS }),
      norm1: layerNorm(SIZE),
      inner: sequential({ up: linear(SIZE, INNER), gelu, down: linear(INNER, SIZE) }),
      norm2: layerNorm(SIZE),
    },
    (run, x) => {
      const seen = run("norm1", add(x, run("attention", x)));
      return run("norm2", add(seen, run("inner", seen)));
    },
  );

/** Embedded tokens [128, 384] to the last layer's states [128, 384]: 21.3 million params. */
export function encoder(): Model {
  const module = sequential(Object.fromEntries(Array.from({ length: LAYERS }, (_, i) => [`layer${i}`, layer()])));
  return { name: "encoder", inputShape: [POSITIONS, SIZE], classes: SIZE, module, options: {} };
}
