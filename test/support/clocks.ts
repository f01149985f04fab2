/** Clocks that a test sets. */
import type { Clock, ClockReading } from '../../engine/base/clock.ts';

/** Moves on by `stepNanos` with each reading, so that no two events share a time. */
export class ManualClock implements Clock {
  monotonicNanos: bigint;
  utcOffsetNanos: bigint;
  uncertaintyNanos = 0n;
  boot = 'b0070000-0000-4000-8000-000000000001';
  readonly #stepNanos: bigint;

  constructor(monotonicNanos = 0n, utcOffsetNanos = 0n, stepNanos = 0n) {
    this.monotonicNanos = monotonicNanos;
    this.utcOffsetNanos = utcOffsetNanos;
    this.#stepNanos = stepNanos;
  }

  read(): ClockReading {
    this.monotonicNanos += this.#stepNanos;
    const { monotonicNanos, utcOffsetNanos, uncertaintyNanos } = this;
    return {
      monotonicNanos,
      boottimeNanos: monotonicNanos,
      utcNanos: monotonicNanos + utcOffsetNanos,
      uncertaintyNanos,
    };
  }

  bootId(): string {
    return this.boot;
  }

  kernelClock(): { synchronized: boolean; maxErrorMicros: number } {
    return { synchronized: true, maxErrorMicros: 500 };
  }
}
