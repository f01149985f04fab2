/**
 * Ticks and times of the samples of a batch. Gaps cut them into stretches with consecutive ticks:
 * what is said of a stretch, the addon works out for each of its samples.
 */
import { native } from '../../native/index.ts';
import type { TimesEntry } from './format.ts';
import type { SampleGap } from './ledger.ts';

const TWO_32 = 2 ** 32;

/**
 * Per stretch two numbers: its first sample, and the tick of that one.
 * @param gaps of a batch, in order of records
 */
export function stretchesOf(firstTick: number, gaps: readonly SampleGap[]): Float64Array {
  const stretches = new Float64Array(2 * (gaps.length + 1));
  stretches[1] = firstTick;
  gaps.forEach((gap, i) => {
    stretches[2 * i + 2] = gap.samplesBefore;
    stretches[2 * i + 3] = gap.firstTick + gap.ticks;
  });
  return stretches;
}

/** @param into one place per sample */
export function fillTicks(stretches: Float64Array, into: Float64Array): Float64Array {
  for (let at = 0; at < stretches.length; at += 2) {
    const from = stretches[at]!;
    const end = stretches[at + 2] ?? into.length;
    const before = stretches[at + 1]! - from;
    for (let i = from; i < end; i++) into[i] = before + i;
  }
  return into;
}

/**
 * UTC ns, floored to the resolution.
 * @param residuals values of the time column, one per sample
 * @param into one place per sample
 */
export function fillTimes(
  times: TimesEntry,
  stretches: Float64Array,
  residuals: BigInt64Array,
  into: BigInt64Array,
): BigInt64Array {
  const { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos } = times;
  const origin = BigInt.asIntN(64, t0Nanos + utcOffsetNanos);
  const period = BigInt.asIntN(64, periodNanos);
  native.sampleTimes(stretches, residuals, origin, period, resolutionNanos, into);
  return into;
}

/** How long after its tick was due each sample was taken, ns, floored to the resolution. */
export function fillLateness(
  { resolutionNanos }: TimesEntry,
  residuals: BigInt64Array,
  into: Float64Array,
): Float64Array {
  doublesOf(residuals, into);
  const unit = Number(resolutionNanos);
  if (unit !== 1) for (let i = 0; i < into.length; i++) into[i]! *= unit;
  return into;
}

/** 64-bit integers as doubles, rounded beyond 2^53; no BigInt is made on the way. */
export function doublesOf(
  values: BigInt64Array | BigUint64Array,
  into: Float64Array = new Float64Array(values.length),
): Float64Array {
  const { buffer, byteOffset, length } = values;
  const low = new Uint32Array(buffer, byteOffset, 2 * length);
  const isSigned = values instanceof BigInt64Array;
  const high = isSigned ? new Int32Array(buffer, byteOffset, 2 * length) : low;
  // little-endian, like every machine the engine runs on
  for (let i = 0; i < length; i++) into[i] = high[2 * i + 1]! * TWO_32 + low[2 * i]!;
  return into;
}
