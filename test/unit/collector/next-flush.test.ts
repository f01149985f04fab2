/** When flushes come: on multiples of their interval, whatever they take. */
import { expect, test } from 'vitest';
import { nextFlush } from '../../../engine/collector/writer-agent.ts';

const INTERVAL_MS = 10;

/** The moments at which flushes begin that take `tookMs`, one after the other. */
function begins(tookMs: readonly number[]): number[] {
  const begun: number[] = [];
  let [now, due] = [0, 0];
  for (const took of tookMs) {
    now = Math.max(now, due);
    begun.push(now);
    now += took;
    due = nextFlush(due, now, INTERVAL_MS);
  }
  return begun;
}

test('flushes shorter than the interval begin at its multiples', () => {
  expect(begins([1, 9, 3, 0, 2])).toEqual([0, 10, 20, 30, 40]);
});

test('one that took longer is followed at once, and then by the next multiple', () => {
  expect(begins([11, 1, 1])).toEqual([0, 11, 20]);
});

test('those that were missed meanwhile are left out', () => {
  expect(begins([1, 47, 1, 1])).toEqual([0, 10, 57, 60]);
});

test('where each takes longer than the interval they follow each other', () => {
  expect(begins([12, 12, 12, 1, 1])).toEqual([0, 12, 24, 36, 40]);
});
