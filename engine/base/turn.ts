/**
 * Turns of the event loop for timers, signals and whoever else lives in the thread. What reads
 * history, prints it into a file, or appends one event after the other, never waits for anything
 * that ends in a later turn: it would be alone until its end.
 */
import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from './clock.ts';
import { TURN_MS } from './constants.ts';

let lastMs = 0;

/** To be awaited often, it costs next to nothing. @returns undefined: none is due */
export function turn(): Promise<void> | undefined {
  const nowMs = monotonicMs();
  if (nowMs - lastMs < TURN_MS) return undefined;
  return setImmediate().then(() => {
    lastMs = monotonicMs();
  });
}
