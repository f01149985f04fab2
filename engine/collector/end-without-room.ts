/**
 * The end of a recorder that waits for space. What it holds in memory is lost; but control entries
 * may go beyond the budget, so the log says what was lost, and why: up to now every tick of its
 * runs is gap(full), and what comes behind is a stop, not a crash.
 */
import type { Clock } from '../base/clock.ts';
import { isCode } from '../base/errors.ts';
import { encodeGap } from '../batch/format.ts';
import { shutdownEntry } from '../store/entries/control-entries.ts';
import { KIND } from '../store/entries/format.ts';
import type { OpenedRun, StoreWriter } from '../store/write/writer.ts';
import type { GroupSpec } from './group-spec.ts';

/** @returns false if the disk itself is full: then it looks like a crash */
export function endWithoutRoom(
  writer: StoreWriter,
  groups: Iterable<{ spec: GroupSpec; opened: readonly OpenedRun[] }>,
  clock: Clock,
): boolean {
  const { monotonicNanos, utcNanos } = clock.read();
  try {
    writer.change((builder) => {
      for (const { spec, opened } of groups) {
        const now = Number((monotonicNanos - spec.t0Nanos) / spec.periodNanos);
        for (const { run, stream } of opened) {
          const gap = gapUpTo(now, run, stream);
          if (gap) builder.add(KIND.gap, stream.id, gap);
          writer.addRunEnd(builder, run);
        }
      }
      builder.add(KIND.shutdown, 0, shutdownEntry.encode({ utcNanos }));
    });
    return true;
  } catch (error) {
    if (!isCode(error, 'NO_SPACE')) throw error;
    return false;
  }
}

/** @returns undefined if the run accounts for no tick yet, or for all of them */
function gapUpTo(
  tick: number,
  run: OpenedRun['run'],
  stream: OpenedRun['stream'],
): Uint8Array | undefined {
  if (run.lastTick === null || tick <= run.lastTick) return undefined;
  return encodeGap({
    reason: 'full',
    run: run.id,
    firstSeq: run.nextSeq,
    firstOffset: stream.nextOffset,
    records: 1,
    ticks: { first: run.lastTick + 1, count: tick - run.lastTick },
    bounds: undefined,
  });
}
