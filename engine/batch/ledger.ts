/**
 * The ledger: a batch's account of its ticks. Every scheduled tick is a sample or inside a gap
 * (invariant I1); a gap says why. Codes are part of the format and never reused.
 */
import { damaged } from '../base/bytes.ts';

export const REASONS = {
  late: 1,
  overflow: 2,
  device: 3,
  stopped: 4,
  crash: 5,
  suspended: 6,
  full: 7,
  retired: 8,
  corrupt: 9,
  filtered: 10,
} as const;

export type Reason = keyof typeof REASONS;

const REASON_OF_CODE = new Map<number, Reason>(
  Object.entries(REASONS).map(([reason, code]) => [code, reason as Reason]),
);

/** Throws DAMAGED for a code that no version wrote. */
export function reasonOf(code: number): Reason {
  const reason = REASON_OF_CODE.get(code);
  if (reason === undefined) throw damaged(`gap reason ${code} is unknown`);
  return reason;
}

/**
 * Records that a gap inside a batch covers: one, but for samples that a copy has left out, which
 * keep their seqs, offsets and ordinals each.
 */
export function gapRecords({ reason, ticks }: { reason: Reason; ticks: number }): number {
  return reason === 'filtered' ? ticks : 1;
}

/** Records that the gaps of a batch cover together. */
export function recordsInGaps(gaps: readonly { reason: Reason; ticks: number }[]): number {
  return gaps.reduce((sum, gap) => sum + gapRecords(gap), 0);
}

/** Records of these gaps that are samples left out: what they add to the ordinals. */
export function filteredIn(gaps: readonly { reason: Reason; ticks: number }[]): number {
  return gaps.reduce((sum, { reason, ticks }) => sum + (reason === 'filtered' ? ticks : 0), 0);
}

/** Ticks of a whole rate group that have no row. */
export interface GroupGap {
  /** rows of the batch before it, counted from the batch's beginning */
  rowsBefore: number;
  reason: Reason;
  /** may be 0 for `suspended`: the monotonic clock stood still */
  ticks: number;
  /** for `suspended`: how long, by boottime against monotonic; else 0 */
  nanos: bigint;
}

/**
 * A gap of a batch, in its place among the samples: one record, or, of reason `filtered`, one for
 * each of its ticks (`gapRecords`).
 */
export interface SampleGap {
  /** records of the batch before it: its offset is firstOffset + recordIndex */
  recordIndex: number;
  samplesBefore: number;
  reason: Reason;
  firstTick: number;
  ticks: number;
  /** for `suspended`; else 0 */
  nanos: bigint;
}

export const LATENESS_BUCKETS = 65;

/** Bucket of a lateness in ns: 0 for 0 (or less), else b where 2^(b−1) ≤ lateness < 2^b. */
export function latenessBucket(latenessNanos: number): number {
  if (latenessNanos < 1) return 0;
  const high = Math.floor(latenessNanos / 2 ** 32);
  if (high > 0) return 64 - Math.clz32(Math.min(high, 2 ** 32 - 1));
  return 32 - Math.clz32(latenessNanos);
}

/** Rows per bucket of lateness, ascending, empty buckets left out. */
export type Histogram = [bucket: number, rows: number][];

/** Adds up `counts[bucket]`, an array of LATENESS_BUCKETS, from a histogram. */
export function addHistogram(counts: Float64Array, histogram: Histogram): void {
  for (const [bucket, rows] of histogram) counts[bucket]! += rows;
}

export function histogramOf(counts: Float64Array): Histogram {
  const histogram: Histogram = [];
  counts.forEach((rows, bucket) => {
    if (rows > 0) histogram.push([bucket, rows]);
  });
  return histogram;
}
