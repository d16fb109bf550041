/** What is measured: one configuration per network to train. */
import type { Cost } from "../shared/cost.js";

/** Where the live positions of a sparse network come from. */
export type Masking =
  | "dense"
  /** Random positions, counts by a distribution. */
  | "uniform"
  | "uniform+"
  | "er"
  | "erk"
  | "erk+"
  /** Random positions, counts of the SNIP or GraSP mask. */
  | "snip-ratio"
  | "grasp-ratio"
  /** The scored positions themselves. */
  | "snip-mask"
  | "grasp-mask"
  | "synflow-mask"
  /** The largest weights at initialisation, ranked over the whole network. */
  | "magnitude-init"
  /** Dense training, then the largest weights of the whole network, then retraining: after-training pruning for context. */
  | "magnitude-trained"
  /** Dynamic sparse training for context. */
  | "set"
  | "rigl"
  /** A narrower dense network with as many parameters as the sparse one (within 2 %). */
  | "small-dense";

/** The architecture. */
export type Network =
  /** Plain convolutions for 28 x 28 pictures; `depth` layers with weights, the classifier included. */
  | { readonly family: "plain"; readonly width: number; readonly depth: number }
  /** ResNet of the paper: stages of W, 2 W, 4 W channels. */
  | { readonly family: "resnet"; readonly width: number; readonly depth: number };

/** One job. */
export interface Config {
  readonly network: Network;
  readonly masking: Masking;
  /** d in (0, 1]; 1 for dense networks. */
  readonly density: number;
  readonly seed: number;
  readonly data: "fashion-mnist" | "cifar10";
  /** Training pictures. */
  readonly images: number;
  readonly epochs: number;
  readonly batch: number;
  /** Highest learning rate. */
  readonly rate: number;
  /** `paper`: a tenth at half and at three quarters of the epochs. `one-cycle`: for runs of a few epochs. */
  readonly schedule: "paper" | "one-cycle";
  /** Measure calibration, out-of-distribution detection and adversarial accuracy as well. */
  readonly robustness: boolean;
}

/** What a job measures. */
export interface Result extends Cost {
  /** Test accuracy, %. */
  readonly accuracy: number;
  /** Nats per example. */
  readonly nll: number;
  /** Expected calibration error, %, 15 bins. */
  readonly ece: number;
  /** AUROC of the largest softmax against digits, %; -1 where it was not measured. */
  readonly ood: number;
  /** Accuracy under FGSM of 8/255, %; -1 where it was not measured. */
  readonly fgsm: number;
  /** Whether the mask at the end is the mask at the start (dynamic methods: false). */
  readonly fixed: boolean;
  /** Weights kept beyond the exact budget round(d N); 0 for dense networks. */
  readonly budgetError: number;
  /** Non-zero weights outside the final mask. */
  readonly outside: number;
  /** Density of each masked tensor. */
  readonly densities: Readonly<Record<string, number>>;
}
