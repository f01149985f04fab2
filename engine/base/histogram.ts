/**
 * Log-linear histogram in constant memory: each power of two is cut into 2^subBits equal buckets,
 * so a quantile is at most 1/2^subBits of the truth above it (values below 2^subBits: at most 1).
 * The minimum and maximum are exact. The native sampler fills the buckets of 3 sub-bits
 * (`native/src/sampler_status.h`).
 */
const SUB_BITS = 3;
/** Values below 2^48 (3 days in ns); larger ones are counted in the last bucket. */
const VALUE_BITS = 48;
/** Buckets of a histogram with the default sub-bits. */
export const HISTOGRAM_BUCKETS = bucketCount(SUB_BITS);

function bucketCount(subBits: number): number {
  return (VALUE_BITS - subBits + 1) * 2 ** subBits;
}

/** @param value what is not positive counts as 0 */
export function bucketOf(value: number, subBits = SUB_BITS): number {
  const subBuckets = 2 ** subBits;
  if (value < subBuckets) return Math.max(0, Math.floor(value));
  const exponent = Math.floor(Math.log2(value));
  const sub = Math.floor(value / 2 ** (exponent - subBits)) - subBuckets;
  const bucket = (exponent - subBits + 1) * subBuckets + sub;
  return Math.min(bucket, bucketCount(subBits) - 1);
}

/** The smallest value that lies above a bucket. */
export function bucketEnd(bucket: number, subBits = SUB_BITS): number {
  const subBuckets = 2 ** subBits;
  if (bucket < subBuckets) return bucket + 1;
  const exponent = Math.floor(bucket / subBuckets) - 1;
  return (subBuckets + (bucket % subBuckets) + 1) * 2 ** exponent;
}

/**
 * @param counts per bucket; the last one holds all that is larger, and has no end
 * @param quantile 0…1
 * @returns the end of the bucket it falls into, Infinity for the last; 0 without values
 */
export function quantileOf(
  counts: ArrayLike<number>,
  quantile: number,
  subBits = SUB_BITS,
): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total === 0) return 0;
  let left = Math.ceil(total * quantile);
  for (let i = 0; i < counts.length - 1; i++) {
    left -= counts[i]!;
    if (left <= 0 && counts[i]! > 0) return bucketEnd(i, subBits);
  }
  return Infinity;
}

export class Histogram {
  readonly #subBits: number;
  readonly #counts: Float64Array;
  count = 0;
  min = Infinity;
  max = 0;

  /** @param subBits 3: quantiles at most 12.5 % above the truth, 3 KB; 7: 0.8 %, 43 KB */
  constructor(subBits = SUB_BITS) {
    this.#subBits = subBits;
    this.#counts = new Float64Array(bucketCount(subBits));
  }

  /** @param value what is not positive counts as 0 */
  add(value: number, times = 1): void {
    this.#counts[bucketOf(value, this.#subBits)]! += times;
    this.count += times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  addAll(other: Histogram): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! += other.#counts[i]!;
    this.count += other.count;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  /** @returns the end of the bucket it falls into, or the maximum if that is less */
  quantile(quantile: number): number {
    return Math.min(quantileOf(this.#counts, quantile, this.#subBits), this.max);
  }

  /** What is reported of most of them. */
  percentiles(): { p50: number; p99: number; max: number } {
    return { p50: this.quantile(0.5), p99: this.quantile(0.99), max: this.max };
  }
}

/**
 * What was added lately: in the interval that is under way and the one before it. A month of
 * recording hides a bad hour, and a bad hour hides a good month.
 */
export class RecentHistogram {
  readonly #subBits: number;
  readonly #intervalMs: number;
  #current: Histogram;
  #before: Histogram;
  #dueMs = -Infinity;

  constructor(intervalMs: number, subBits = SUB_BITS) {
    this.#intervalMs = intervalMs;
    this.#subBits = subBits;
    this.#current = new Histogram(subBits);
    this.#before = new Histogram(subBits);
  }

  /** @param nowMs of a clock that never goes back */
  add(nowMs: number, value: number, times = 1): void {
    if (nowMs >= this.#dueMs) this.#turn(nowMs);
    this.#current.add(value, times);
  }

  #turn(nowMs: number): void {
    const isNext = nowMs < this.#dueMs + this.#intervalMs;
    this.#before = isNext ? this.#current : new Histogram(this.#subBits);
    this.#current = new Histogram(this.#subBits);
    this.#dueMs = nowMs + this.#intervalMs;
  }

  percentiles(): { p50: number; p99: number; max: number } {
    const both = new Histogram(this.#subBits);
    both.addAll(this.#before);
    both.addAll(this.#current);
    return both.percentiles();
  }
}
