import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '../../../engine/base/clock.ts';
import { after } from '../../../engine/recorder/after.ts';

const DAY_MS = 86_400_000;
const clock = {
  read: () => ({ monotonicNanos: BigInt(Date.now()) * 1_000_000n }),
} as Clock;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

test('a time beyond what a timer takes passes before it is called, once', () => {
  const run = vi.fn();
  after(60 * DAY_MS, run, clock);
  vi.advanceTimersByTime(60 * DAY_MS - 1);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(2 * DAY_MS);
  expect(run).toHaveBeenCalledOnce();
});

test('what was taken back, in whatever step, is not called', () => {
  const run = vi.fn();
  const cancel = after(60 * DAY_MS, run, clock);
  vi.advanceTimersByTime(30 * DAY_MS);
  cancel();
  vi.advanceTimersByTime(60 * DAY_MS);
  expect(run).not.toHaveBeenCalled();
});
