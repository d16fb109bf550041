/** The row of an int8 depthwise 3x3: which input rows it has, and its first, middle and last vectors. */

/**
 * One output row, whose input rows above and below may be missing (`top`, `bottom`), along q up to the last vector (`last` bytes).
 * @param vector text for the vector at q: over these input rows (0 above, 1 the same, 2 below), at the left edge, at the right edge
 */
export function depthwiseRow(vector: (rows: readonly number[], left: boolean, right: boolean) => string): string {
  const row = (rows: readonly number[]) => `let q: usize = 0;
    if (last == 0) ${vector(rows, true, true)}
    else { ${vector(rows, true, false)}
    for (q = 16; q < last; q += 16) ${vector(rows, false, false)}
    q = last; ${vector(rows, false, true)} }`;
  return `if (!top && !bottom) { ${row([0, 1, 2])} }
   else if (top && bottom) { ${row([1])} }
   else if (top) { ${row([1, 2])} }
   else { ${row([0, 1])} }`;
}
