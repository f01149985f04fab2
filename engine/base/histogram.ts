/**
 * Log-linear histogram: each power of two is cut into 8 equal buckets, so a quantile is at most
 * 12.5 % above the truth, in constant memory. The minimum and maximum are exact. The native sampler
 * fills the same buckets (`native/src/sampler_status.h`).
 */
const SUB_BITS = 3;
const SUB_BUCKETS = 1 << SUB_BITS;
/** Values below 2^48 (3 days in ns); larger ones are counted in the last bucket. */
const VALUE_BITS = 48;
export const HISTOGRAM_BUCKETS = (VALUE_BITS - SUB_BITS + 1) * SUB_BUCKETS;

export function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return Math.max(0, Math.floor(value));
  const exponent = Math.floor(Math.log2(value));
  const sub = Math.floor(value / 2 ** (exponent - SUB_BITS)) - SUB_BUCKETS;
  const bucket = (exponent - SUB_BITS + 1) * SUB_BUCKETS + sub;
  return Math.min(bucket, HISTOGRAM_BUCKETS - 1);
}

/** The smallest value that lies above a bucket. */
export function bucketEnd(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket + 1;
  const exponent = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (SUB_BUCKETS + (bucket % SUB_BUCKETS) + 1) * 2 ** exponent;
}

/**
 * @param counts per bucket; @param quantile 0…1 @returns the end of the bucket it falls into, or 0
 */
export function quantileOf(counts: ArrayLike<number>, quantile: number): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total === 0) return 0;
  let left = Math.ceil(total * quantile);
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i]!;
    if (left <= 0 && counts[i]! > 0) return bucketEnd(i);
  }
  return bucketEnd(counts.length - 1);
}

export class Histogram {
  readonly counts = new Float64Array(HISTOGRAM_BUCKETS);
  count = 0;
  min = Infinity;
  max = 0;

  add(value: number, times = 1): void {
    this.counts[bucketOf(value)]! += times;
    this.count += times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  /** At most 12.5 % above the truth, and never above the maximum. */
  quantile(quantile: number): number {
    return Math.min(quantileOf(this.counts, quantile), this.max);
  }
}
