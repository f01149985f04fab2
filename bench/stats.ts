/** Order statistics of measured values. All are exact: nothing here is interpolated or binned. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** The middle value; the mean of the two middle ones of an even number. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The smallest value that at least `quantile` of all values do not exceed (nearest rank).
 * @param sorted ascending, not empty
 */
export function quantileOfSorted(sorted: ArrayLike<number>, quantile: number): number {
  const rank = Math.ceil(sorted.length * quantile);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1]!;
}

/** What a child tells of the times it has measured. */
export function quantilesOf(values: ArrayLike<number>): { p50: number; p99: number; max: number } {
  const sorted = Float64Array.from(values).sort();
  const [p50, p99] = [quantileOfSorted(sorted, 0.5), quantileOfSorted(sorted, 0.99)];
  return { p50, p99, max: sorted.at(-1)! };
}

/**
 * The same over counts, as histograms give them.
 * @param counts `counts[i]` values equal to `i`; @param beyond values larger than all of them
 * @returns Infinity if the quantile lies beyond
 */
export function quantileOfCounts(
  counts: ArrayLike<number>,
  beyond: number,
  quantile: number,
): number {
  let total = beyond;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  let left = Math.max(1, Math.ceil(total * quantile));
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i]!;
    if (left <= 0) return i;
  }
  return Infinity;
}
