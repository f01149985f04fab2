/** A clock that stands still until a test moves it. */
import type { Clock, ClockReading } from '../../engine/base/clock.ts';

export class FakeClock implements Clock {
  monotonicNanos: bigint;
  /** how long the machine was suspended so far */
  suspendedNanos = 0n;
  utcNanos = 1_700_000_000_000_000_000n;

  constructor(monotonicNanos: bigint) {
    this.monotonicNanos = monotonicNanos;
  }

  advance(nanos: bigint): void {
    this.monotonicNanos += nanos;
    this.utcNanos += nanos;
  }

  /** The monotonic clock stands still, the others go on. */
  suspend(nanos: bigint): void {
    this.suspendedNanos += nanos;
    this.utcNanos += nanos;
  }

  read(): ClockReading {
    const { monotonicNanos, utcNanos, suspendedNanos } = this;
    const boottimeNanos = monotonicNanos + suspendedNanos;
    return { monotonicNanos, boottimeNanos, utcNanos, uncertaintyNanos: 0n };
  }

  bootId(): string {
    return '00000000-0000-4000-8000-000000000000';
  }

  kernelClock(): { synchronized: boolean; maxErrorMicros: number } {
    return { synchronized: true, maxErrorMicros: 0 };
  }
}
