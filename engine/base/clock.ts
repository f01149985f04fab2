/**
 * Time and randomness enter the engine only through these two interfaces, so that the same code
 * runs under a simulated clock. This file is the one home of `Date.now` and `crypto.randomBytes`.
 */
import { randomBytes } from 'node:crypto';
import { native } from '../../native/index.ts';
import { NANOS_PER_MILLI } from './constants.ts';

/** One consistent reading of three clocks, ns. `uncertaintyNanos`: how long the reading took. */
export interface ClockReading {
  monotonicNanos: bigint;
  boottimeNanos: bigint;
  utcNanos: bigint;
  uncertaintyNanos: bigint;
}

export interface Clock {
  read(): ClockReading;
  /** Identity of this kernel's life; monotonic times compare only within one. */
  bootId(): string;
  /** Does the kernel consider UTC synchronised, and how far off may it be. */
  kernelClock(): { synchronized: boolean; maxErrorMicros: number };
}

export interface Random {
  bytes(count: number): Uint8Array;
}

class SystemClock implements Clock {
  readonly #words = new BigInt64Array(4);
  #bootId: string | undefined;

  read(): ClockReading {
    native.readClocks(this.#words);
    const [monotonicNanos, boottimeNanos, utcNanos, uncertaintyNanos] = this.#words as unknown as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    return { monotonicNanos, boottimeNanos, utcNanos, uncertaintyNanos };
  }

  bootId(): string {
    this.#bootId ??= native.bootId();
    return this.#bootId;
  }

  kernelClock(): { synchronized: boolean; maxErrorMicros: number } {
    return native.kernelClock();
  }
}

export const systemClock: Clock = new SystemClock();
export const systemRandom: Random = { bytes: (count) => new Uint8Array(randomBytes(count)) };

/** Milliseconds of the monotonic clock, for intervals and deadlines inside the process. */
export function monotonicMs(clock: Clock = systemClock): number {
  return Number(clock.read().monotonicNanos) / NANOS_PER_MILLI;
}

export function randomUint32(random: Random): number {
  return new DataView(random.bytes(4).buffer as ArrayBuffer).getUint32(0);
}
