/** What is used of TensorFlow.js. */
export interface TfTensor {
  readonly shape: readonly number[];
  dataSync(): Float32Array;
  dispose(): void;
}
export interface TfCore {
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tidy<T>(f: () => T): T;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
  transpose(x: TfTensor, perm: readonly number[]): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor | number): TfTensor;
  sub(a: TfTensor, b: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  relu6(x: TfTensor): TfTensor;
  mean(x: TfTensor, axes: readonly number[], keepDims?: boolean): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  pad(x: TfTensor, pads: readonly (readonly [number, number])[]): TfTensor;
  stridedSlice(x: TfTensor, starts: readonly number[], stops: readonly number[], steps: readonly number[]): TfTensor;
  maxPool(x: TfTensor, kernel: readonly number[], stride: readonly number[], padding: "valid"): TfTensor;
  readonly fused: {
    conv2d(options: Record<string, unknown>): TfTensor;
    depthwiseConv2d(options: Record<string, unknown>): TfTensor;
    matMul(options: Record<string, unknown>): TfTensor;
  };
}
