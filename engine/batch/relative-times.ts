/**
 * The times of a batch's samples as doubles: ns after a moment of its own. Exact, since a batch
 * lasts less than 2^53 ns (104 days), and far faster to compute and compare than 64-bit integers.
 */
import { decodeIntegers } from '../codecs/codec.ts';
import type { BatchEntry, TimesEntry } from './format.ts';
import { doublesOf } from './sample-times.ts';
import { keptRows, ticksOf } from './samples.ts';

export interface RelativeTimes {
  /** UTC ns that `nanos` count from */
  baseNanos: bigint;
  /** per sample, as `SampleBatch.timeNanos` has it */
  nanos: Float64Array;
}

export function relativeTimes(times: TimesEntry, batch: BatchEntry): RelativeTimes {
  const { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick, rows } = times;
  const baseNanos = t0Nanos + utcOffsetNanos + BigInt(firstTick) * periodNanos;
  const [period, resolution] = [Number(periodNanos), Number(resolutionNanos)];
  const base = Number(((baseNanos % resolutionNanos) + resolutionNanos) % resolutionNanos);
  const lateness = doublesOf(decodeIntegers(times.time, rows));
  const ticks = ticksOf(0, rows, times.gaps);
  const all = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const nanos = ticks[row]! * period + lateness[row]! * resolution;
    all[row] = nanos - floorRemainder(base + nanos, resolution);
  }
  const kept = keptRows(times, batch);
  return { baseNanos, nanos: kept ? Float64Array.from(kept, (row) => all[row]!) : all };
}

function floorRemainder(value: number, unit: number): number {
  return unit === 1 ? 0 : value - Math.floor(value / unit) * unit;
}
