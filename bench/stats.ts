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

export interface Interval {
  low: number;
  high: number;
  /** chance that the true median lies within, 0…1 */
  confidence: number;
}

/** What an interval of a median should at least be sure of. */
const CONFIDENCE_MIN = 0.9;

/**
 * Confidence interval of the median, by order statistics: it asks nothing of the distribution but
 * that the values are independent. With n of them the true median lies between the k-th smallest
 * and the k-th largest with a chance of 1 − 2·P(B < k), B binomial(n, ½) (the sign test). The
 * narrowest interval with at least 90 % is taken; of fewer than five values the widest there is:
 * of five it reaches from the least to the greatest, 93.75 %.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const at = (k: number): Interval => ({
    low: sorted[k - 1]!,
    high: sorted[n - k]!,
    confidence: 1 - 2 * binomialBelow(n, k),
  });
  let best = at(1);
  for (let k = 2; 2 * k <= n; k++) {
    const narrower = at(k);
    if (narrower.confidence < CONFIDENCE_MIN) break;
    best = narrower;
  }
  return best;
}

/**
 * Upper confidence bound of the mean of a Poisson variable of which `count` was seen: with that
 * mean so few, or fewer, come with a chance of 1 − confidence only (Garwood 1936). Where none was
 * seen, at 95 %: 3.0.
 */
export function poissonUpperBound(count: number, confidence: number): number {
  let [low, high] = [count, 2 * count + 50];
  for (let i = 0; i < 60; i++) {
    const mean = (low + high) / 2;
    if (poissonUpTo(count, mean) > 1 - confidence) low = mean;
    else high = mean;
  }
  return low;
}

/** P(X ≤ count) of a Poisson variable, its terms by their logarithms: they are small and many. */
function poissonUpTo(count: number, mean: number): number {
  let [logTerm, sum] = [-mean, 0];
  for (let i = 0; i <= count; i++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log(mean) - Math.log(i + 1);
  }
  return sum;
}

/** P(B < k) of a binomial(n, ½) variable. */
function binomialBelow(n: number, k: number): number {
  let [term, sum] = [0.5 ** n, 0];
  for (let i = 0; i < k; i++) {
    sum += term;
    term *= (n - i) / (i + 1);
  }
  return sum;
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
