/** Every kernel template of the engine's module, in the order that numbers the kernels. */

import { batchnorm } from "./batchnorm.js";
import { copies } from "./copy.js";
import { depthwise3 } from "./depthwise.js";
import { elementwise } from "./elementwise.js";
import type { Flavor, Template } from "./emit.js";
import { gather } from "./gather.js";
import { gemm } from "./gemm.js";
import { gemvPacked } from "./gemv-packed.js";
import { maths } from "./maths.js";
import { misc } from "./misc.js";
import { norms } from "./norm.js";
import { optimiser } from "./optimiser.js";
import { packs } from "./pack.js";
import { planes } from "./planes.js";
import { random } from "./random.js";
import { reduction } from "./reduce.js";
import { sddmm } from "./sddmm.js";
import { sell } from "./sell.js";
import { softmax } from "./softmax.js";
import { spmm } from "./spmm.js";
import { spread } from "./spread.js";
import { walk } from "./walk.js";
import { winograd } from "./winograd.js";
import { winogradSingle } from "./winograd-single.js";

/** @param training whether the module is also for training */
export const templates: readonly ((flavor: Flavor, training: boolean) => Template)[] = [
  copies,
  spmm,
  sddmm,
  packs,
  misc,
  gemm,
  winograd,
  maths,
  batchnorm,
  elementwise,
  reduction,
  softmax,
  optimiser,
  planes,
  gather,
  random,
  norms,
  spread,
  depthwise3,
  gemvPacked,
  sell,
  walk,
  winogradSingle,
];
