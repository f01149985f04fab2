import { expect, test } from 'vitest';
import { Pace } from '../../../engine/recorder/pace.ts';
import { ManualClock } from '../../support/clocks.ts';

const SECOND = 1_000_000_000n;

test('a writer that does not answer for two seconds makes nothing durable, and it is said', () => {
  const clock = new ManualClock();
  const pace = new Pace(clock);
  pace.asked();
  clock.monotonicNanos += SECOND;
  pace.heard(1000);
  expect([pace.samplesPerSecond, pace.warnings]).toEqual([1000, []]);
  pace.asked();
  clock.monotonicNanos += SECOND;
  pace.asked();
  expect([pace.samplesPerSecond, pace.warnings]).toEqual([1000, []]);
  clock.monotonicNanos += 2n * SECOND;
  const warning = 'the writer has not answered for 2 s or more: the disk may be stalled';
  expect([pace.samplesPerSecond, pace.warnings]).toEqual([0, [warning]]);
  pace.heard(1600);
  expect([pace.samplesPerSecond, pace.warnings]).toEqual([200, []]);
});

test('one that is not asked is not waited for', () => {
  const clock = new ManualClock();
  const pace = new Pace(clock);
  pace.asked();
  pace.heard(1000);
  clock.monotonicNanos += 10n * SECOND;
  expect(pace.warnings).toEqual([]);
});
