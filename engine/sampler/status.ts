/**
 * A sampler's counters in shared memory, written by its thread alone (`native/src/sampler_status.h`
 * names the same words) and read by main at any time. Each word is right by itself.
 */
export const STATUS_WORD = {
  ticksScheduled: 0,
  rows: 1,
  lateTicks: 2,
  overflowTicks: 3,
  fullTicks: 4,
  /** sources × ticks */
  deviceFailures: 5,
  suspendedNanos: 6,
  lastTick: 7,
  maxLatenessNanos: 8,
  histogram: 16,
} as const;

/** Values below 8 ns have a bucket each; then 8 per power of two up to 2^40 ns. */
export const LATENESS_STATUS_BUCKETS = 312;
export const SAMPLER_STATUS_WORDS = STATUS_WORD.histogram + LATENESS_STATUS_BUCKETS;

export interface SamplerStatus {
  ticksScheduled: bigint;
  rows: bigint;
  lateTicks: bigint;
  overflowTicks: bigint;
  fullTicks: bigint;
  deviceFailures: bigint;
  suspendedNanos: bigint;
  lastTick: bigint;
  /** upper ends of the buckets, so at most 1/8 too high; max is exact */
  latenessNanos: { p50: number; p99: number; max: number };
}

export function createStatus(): BigUint64Array<SharedArrayBuffer> {
  return new BigUint64Array(new SharedArrayBuffer(8 * SAMPLER_STATUS_WORDS));
}

/** Bucket of a lateness in ns. */
export function statusBucket(nanos: number): number {
  if (nanos < 8) return Math.max(0, Math.floor(nanos));
  const exponent = Math.floor(Math.log2(nanos));
  const bucket = (exponent - 2) * 8 + (Math.floor(nanos / 2 ** (exponent - 3)) & 7);
  return Math.min(bucket, LATENESS_STATUS_BUCKETS - 1);
}

/** The smallest lateness above a bucket, ns. */
export function statusBucketEndNanos(bucket: number): number {
  if (bucket < 8) return bucket + 1;
  return (9 + (bucket % 8)) * 2 ** (Math.floor(bucket / 8) - 1);
}

/** One status of several samplers: counts are added, lateness is over all their ticks. */
export function readStatus(blocks: readonly BigUint64Array[]): SamplerStatus {
  const sum = (word: number): bigint =>
    blocks.reduce((total, block) => total + Atomics.load(block, word), 0n);
  const highest = (word: number): bigint =>
    blocks.reduce((most, block) => {
      const value = Atomics.load(block, word);
      return value > most ? value : most;
    }, 0n);
  const max = Number(highest(STATUS_WORD.maxLatenessNanos));
  const counts = Array.from({ length: LATENESS_STATUS_BUCKETS }, (_, bucket) =>
    Number(sum(STATUS_WORD.histogram + bucket)),
  );
  return {
    ticksScheduled: sum(STATUS_WORD.ticksScheduled),
    rows: sum(STATUS_WORD.rows),
    lateTicks: sum(STATUS_WORD.lateTicks),
    overflowTicks: sum(STATUS_WORD.overflowTicks),
    fullTicks: sum(STATUS_WORD.fullTicks),
    deviceFailures: sum(STATUS_WORD.deviceFailures),
    suspendedNanos: sum(STATUS_WORD.suspendedNanos),
    lastTick: highest(STATUS_WORD.lastTick),
    latenessNanos: { p50: quantile(counts, 0.5, max), p99: quantile(counts, 0.99, max), max },
  };
}

function quantile(counts: readonly number[], q: number, max: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let left = q * total;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    left -= counts[bucket]!;
    if (left <= 0 && total > 0) return Math.min(max, statusBucketEndNanos(bucket));
  }
  return max;
}
