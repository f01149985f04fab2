/**
 * Log-linear histogram in constant memory: each power of two is cut into 2^subBits equal buckets,
 * so a quantile is at most 1/2^subBits of the truth above it (values below 2^subBits: at most 1).
 * The minimum and maximum are exact.
 */

/** Values below 2^48 (3 days in ns); larger ones are counted in the last bucket. */
const VALUE_BITS = 48;

export class Histogram {
  readonly #subBits: number;
  readonly #subBuckets: number;
  readonly #counts: Float64Array;
  count = 0;
  min = Infinity;
  max = 0;

  /** @param subBits 3: quantiles at most 12.5 % above the truth, 3 KB; 7: 0.8 %, 43 KB */
  constructor(subBits = 3) {
    this.#subBits = subBits;
    this.#subBuckets = 2 ** subBits;
    this.#counts = new Float64Array((VALUE_BITS - subBits + 1) * this.#subBuckets);
  }

  /** @param value what is not positive counts as 0 */
  add(value: number, times = 1): void {
    this.#counts[this.#bucketOf(value)]! += times;
    this.count += times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  /**
   * @param quantile 0…1
   * @returns the end of the bucket it falls into, or the maximum if that is less; 0 without values
   */
  quantile(quantile: number): number {
    if (this.count === 0) return 0;
    let left = Math.ceil(this.count * quantile);
    const bucket = this.#counts.findIndex((count) => (left -= count) <= 0 && count > 0);
    return Math.min(bucket < 0 ? Infinity : this.#endOf(bucket), this.max);
  }

  #bucketOf(value: number): number {
    if (value < this.#subBuckets) return Math.max(0, Math.floor(value));
    const exponent = Math.floor(Math.log2(value));
    const sub = Math.floor(value / 2 ** (exponent - this.#subBits)) - this.#subBuckets;
    const bucket = (exponent - this.#subBits + 1) * this.#subBuckets + sub;
    return Math.min(bucket, this.#counts.length - 1);
  }

  /** The smallest value that lies above a bucket. The last bucket has no end. */
  #endOf(bucket: number): number {
    if (bucket === this.#counts.length - 1) return Infinity;
    if (bucket < this.#subBuckets) return bucket + 1;
    const exponent = Math.floor(bucket / this.#subBuckets) - 1;
    return (this.#subBuckets + (bucket % this.#subBuckets) + 1) * 2 ** exponent;
  }
}
