/**
 * What the tests did to break the program, added up for the line at the end of a run: how much was
 * tried is as much a result as that nothing failed.
 */
import { TestRunner } from 'vitest';

/** In the order and the words of that line. */
export const COUNTED = [
  'kills',
  'power cuts',
  'I/O faults',
  'failpoints',
  'tails cut or garbled',
  'bytes flipped',
  'simulated histories',
  'mutants found',
  'states of the model',
  'fuzzed inputs',
  'samples copied',
  'samples a second',
] as const;

export type Counts = Partial<Record<(typeof COUNTED)[number], number>>;

declare module 'vitest' {
  interface TaskMeta {
    counts?: Counts;
  }
}

/** Adds to the counts of the test that is running; they travel to the reporter with its result. */
export function count(what: keyof Counts, times = 1): void {
  const test = TestRunner.getCurrentTest();
  if (test === undefined) throw new Error('counted outside of a test');
  const counts = (test.meta.counts ??= {});
  counts[what] = (counts[what] ?? 0) + times;
}

/** `tried: 20 kills, 74 tails cut or garbled, …`; undefined if none of them ran. */
export function countsLine(all: readonly Counts[]): string | undefined {
  const sums = COUNTED.map((what) => ({
    what,
    times: all.reduce((sum, counts) => sum + (counts[what] ?? 0), 0),
  }));
  const done = sums.filter(({ times }) => times > 0);
  if (done.length === 0) return undefined;
  return `tried: ${done.map(({ what, times }) => `${times} ${what}`).join(', ')}`;
}
