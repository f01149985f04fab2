/** A timer for any time: one of Node's beyond 2^31 − 1 ms fires at once. */
import { monotonicMs, systemClock, type Clock } from '../base/clock.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

/** Calls `run` once `ms` have passed by the monotonic clock. @returns what takes that back */
export function after(ms: number, run: () => void, clock: Clock = systemClock): () => void {
  const deadlineMs = monotonicMs(clock) + ms;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const leftMs = deadlineMs - monotonicMs(clock);
    if (leftMs <= 0) return run();
    timer = setTimeout(arm, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
  };
  arm();
  return () => clearTimeout(timer);
}
