import { describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../engine/base/clock.ts';

const SECOND_NANOS = 1_000_000_000n;

describe('clock', () => {
  it('reads three clocks at one moment', () => {
    const before = process.hrtime.bigint();
    const reading = systemClock.read();
    const after = process.hrtime.bigint();
    // hrtime is the same CLOCK_MONOTONIC
    expect(reading.monotonicNanos).toBeGreaterThanOrEqual(before);
    expect(reading.monotonicNanos).toBeLessThanOrEqual(after);
    expect(reading.uncertaintyNanos).toBeGreaterThanOrEqual(0n);
    expect(reading.uncertaintyNanos).toBeLessThanOrEqual(after - before);
    // boottime counts suspended time too
    const lead = reading.boottimeNanos - reading.monotonicNanos;
    expect(lead).toBeGreaterThanOrEqual(-reading.uncertaintyNanos);
    const utcNow = BigInt(Math.round(performance.timeOrigin + performance.now())) * 1_000_000n;
    const apart = reading.utcNanos - utcNow;
    expect(apart < 5n * SECOND_NANOS && apart > -5n * SECOND_NANOS).toBe(true);
  });

  it('never goes back', () => {
    let last = systemClock.read();
    for (let i = 0; i < 100; i++) {
      const next = systemClock.read();
      expect(next.monotonicNanos).toBeGreaterThanOrEqual(last.monotonicNanos);
      expect(next.boottimeNanos).toBeGreaterThanOrEqual(last.boottimeNanos);
      last = next;
    }
  });

  it('names this life of the kernel', () => {
    expect(systemClock.bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(systemClock.bootId()).toBe(systemClock.bootId());
  });

  it('tells what the kernel thinks of UTC', () => {
    const { synchronized, maxErrorMicros } = systemClock.kernelClock();
    expect(typeof synchronized).toBe('boolean');
    expect(maxErrorMicros).toBeGreaterThanOrEqual(0);
  });

  it('gives as many random bytes as asked for', () => {
    expect(systemRandom.bytes(16).length).toBe(16);
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
  });
});
