/**
 * The matrices of Winograd's F(4x4, 3x3): Y = A^T ((G g G^T) * (B^T d B)) A.
 * Lavin and Gray 2016, arXiv:1509.09308, section 4.2.
 */

type Matrix = readonly (readonly number[])[];

/** Input transform, 6 x 6. */
export const BT: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];

/** Output transform, 4 x 6. */
export const AT: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

/** Weight transform, 6 x 3. */
export const G: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** The transpose of a matrix. */
export const transposed = (matrix: Matrix): Matrix => matrix[0]!.map((_, j) => matrix.map((row) => row[j]!));

/** The terms of one row in the order in which they are summed: greatest coefficient first, so that a sum starts with a positive term. */
export function terms(row: readonly number[]): { at: number; by: number }[] {
  return row
    .map((by, at) => ({ at, by }))
    .filter(({ by }) => by !== 0)
    .sort((a, b) => b.by - a.by);
}
