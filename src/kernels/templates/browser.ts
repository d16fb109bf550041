/** Kernels that only training, tests and benchmarks use: the browser bundle's module is built without them. */
const TRAINING: ReadonlySet<string> = new Set(
  [
    "sddmm1 sddmm2 sddmm4 dots wdots w4_in w4_out w4_in_n1 w4_out_n1 wgemm w4_weights w4_dy w4_dweights",
    "bn_stats bn_finish bn_running bn_bwd_sums bn_bwd_finish bn_bwd_apply",
    "pick pick_grad softmax_grad logsoftmax_grad layernorm_grad layernorm_grad_params rmsnorm_grad rmsnorm_grad_params",
    "maxpool_grad_n4 maxpool_grad_n1 avgpool_grad_n4 avgpool_grad_n1 gap_grad_n4 gap_grad_n1",
    "scatter_add_rows segment_sum cumsum sgd adam norm2 scale_ptr philox_uniform philox_normal dropout_mask peak nop",
  ].flatMap((names) => names.split(" ")),
);

/** Tiles that only `tune` takes, or weights that change: the browser bundle does not tune, and runs frozen weights. */
const TUNED: ReadonlySet<string> = new Set("sp2_16 sp1_24 sp1_28 sp1_32 gemm_4x8 gemm_6x8 sp1d_32".split(" "));

/** Planes of four images to a pixel: they pay in training and for dense 3x3 convolutions by Winograd, which pages have neither of. */
const GROUPS: ReadonlySet<string> = new Set(
  "nchw_to_n4 n4_to_nchw phase_copy_n4 phase_add_n4 gap_n4 spread_n4 maxpool_n4 avgpool_n4".split(" "),
);

/** What the browser bundle's module leaves out. */
export const NOT_IN_BROWSER: ReadonlySet<string> = new Set([...TRAINING, ...TUNED, ...GROUPS]);
