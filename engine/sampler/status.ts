/**
 * A sampler's counters in shared memory, written by its thread alone (`native/src/sampler_status.h`
 * names the same words) and read by main at any time. Each word is right by itself.
 */
import { HISTOGRAM_BUCKETS, quantileOf } from '../base/histogram.ts';

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
  /** the source that the sampler worker reads, from 1; 0: none, as in native threads */
  reading: 9,
  /** looks at the clock of a native thread that spins */
  polls: 10,
  /** HISTOGRAM_BUCKETS words: ticks per bucket of lateness in ns */
  histogram: 16,
} as const;

export const SAMPLER_STATUS_WORDS = STATUS_WORD.histogram + HISTOGRAM_BUCKETS;

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
  const counts = Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) =>
    Number(sum(STATUS_WORD.histogram + bucket)),
  );
  const quantile = (q: number): number => Math.min(quantileOf(counts, q), max);
  return {
    ticksScheduled: sum(STATUS_WORD.ticksScheduled),
    rows: sum(STATUS_WORD.rows),
    lateTicks: sum(STATUS_WORD.lateTicks),
    overflowTicks: sum(STATUS_WORD.overflowTicks),
    fullTicks: sum(STATUS_WORD.fullTicks),
    deviceFailures: sum(STATUS_WORD.deviceFailures),
    suspendedNanos: sum(STATUS_WORD.suspendedNanos),
    lastTick: highest(STATUS_WORD.lastTick),
    latenessNanos: { p50: quantile(0.5), p99: quantile(0.99), max },
  };
}
