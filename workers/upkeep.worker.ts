/**
 * A thread of the pool that does the store's upkeep: one step is one task. It runs at a low
 * priority, and sleeps as long as it has worked: recording comes first.
 */
import { getPriority, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../engine/base/clock.ts';
import { systemEnvironment } from '../engine/store/store.ts';
import { upkeepStep, type UpkeepResult } from '../engine/store/upkeep/upkeep.ts';
import type { UpkeepTask } from '../engine/threads/pool.ts';

/** A tenth of a processor that others keep busy: with less it would not keep up with the log. */
const NICE = 10;
/** Work between two pauses. */
const PIECE_MS = 5;

// to Linux a thread is a process of its own: this lowers only who says it (setpriority(2)), and
// never raises who was started as nicer still, which most people may not
setPriority(0, Math.max(NICE, getPriority(0)));

export default function step({ options, isOver }: UpkeepTask): Promise<UpkeepResult> {
  let resumedMs = monotonicMs();
  const pause = async (): Promise<void> => {
    if (Atomics.load(isOver, 0) !== 0) throw new Error('given up');
    const workedMs = monotonicMs() - resumedMs;
    if (workedMs < PIECE_MS) return;
    await sleep(workedMs);
    resumedMs = monotonicMs();
  };
  return upkeepStep(options, systemEnvironment, pause);
}
