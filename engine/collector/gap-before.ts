/** The gap between a source's run and the one before it, once the first new tick is known. */
import type { GapEntry } from '../batch/format.ts';
import type { OpenedRun } from '../store/write/writer.ts';

/**
 * Within one boot and schedule it is exact in ticks. Across boots, or after a change of rate, it
 * has no ticks, only bounds: at least what this boot has lasted, at most the difference of UTC.
 * @param first the first tick of the new run, with its UTC and boottime, ns
 * @returns undefined if nothing is missing
 */
export function gapBefore(
  { run, before }: OpenedRun,
  first: { tick: number; utcNanos: bigint; boottimeNanos: bigint },
  at: { seq: number; offset: number },
): GapEntry | undefined {
  if (before === undefined) return undefined;
  const entry = {
    reason: before.endReason === null ? ('crash' as const) : ('stopped' as const),
    run: run.id,
    firstSeq: at.seq,
    firstOffset: at.offset,
    records: 1,
  };
  if (run.lastTick !== null && run.lastTick < first.tick) {
    const count = first.tick - run.lastTick - 1;
    if (count === 0) return undefined;
    return { ...entry, ticks: { first: run.lastTick + 1, count }, bounds: undefined };
  }
  if (before.lastNanos === null) return undefined;
  const elapsed = first.utcNanos > before.lastNanos ? first.utcNanos - before.lastNanos : 0n;
  const sameBoot = before.bootId === run.bootId;
  const minNanos = sameBoot || first.boottimeNanos > elapsed ? elapsed : first.boottimeNanos;
  return { ...entry, ticks: undefined, bounds: { minNanos, maxNanos: elapsed } };
}
