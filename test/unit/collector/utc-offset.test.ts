import { describe, expect, it } from 'vitest';
import { CLOCK_STEP_NANOS } from '../../../engine/base/constants.ts';
import { UtcOffset } from '../../../engine/collector/utc-offset.ts';
import { ManualClock } from '../../support/clocks.ts';

const START = 1_700_000_000_000_000_000n;
const STEP = BigInt(CLOCK_STEP_NANOS);

describe('the UTC offset', () => {
  it('holds through the noise of reading two clocks', () => {
    const clock = new ManualClock(0n, START, 1_000_000n);
    const offset = new UtcOffset(clock);
    for (const noise of [1n, -1n, 400n, STEP, -STEP]) {
      clock.utcOffsetNanos = START + noise;
      expect(offset.update()).toBe(START);
    }
    expect(offset.steps).toBe(0);
  });

  it('adopts a step, forward or back, and counts it', () => {
    const clock = new ManualClock(0n, START, 1_000_000n);
    const offset = new UtcOffset(clock);
    for (const step of [STEP + 1n, -2_000_000_000n, 3_600_000_000_000n]) {
      clock.utcOffsetNanos += step;
      expect(offset.update()).toBe(clock.utcOffsetNanos);
    }
    expect(offset.steps).toBe(3);
  });

  it('does not take an uncertain reading for a step', () => {
    const clock = new ManualClock(0n, START, 0n);
    const offset = new UtcOffset(clock);
    clock.utcOffsetNanos += STEP + 900n;
    clock.uncertaintyNanos = 1000n;
    expect(offset.update()).toBe(START);
    clock.uncertaintyNanos = 100n;
    expect(offset.update()).toBe(START + STEP + 900n);
  });
});
