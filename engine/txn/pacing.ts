/** Waiting, as the copier does it: with a signal, a deadline, a budget; the clock is given. */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { TXN_OPEN_MS } from '../base/constants.ts';

export interface Timer {
  nowMs(): number;
  /** Resolves after `ms`, or at once when the signal says stop. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `action` after `ms`. @returns takes it back */
  after(ms: number, action: () => void): () => void;
}

export const systemTimer: Timer = {
  nowMs: monotonicMs,
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
  after(ms, action) {
    const timeout = setTimeout(action, ms);
    return () => clearTimeout(timeout);
  },
};

/** A request took too long, or was given up: nothing is known of what it did. */
class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Gives up on `request` after `ms` or when `outer` says stop; its own signal is then aborted, and
 * what becomes of it later is nobody's concern.
 */
export function withDeadline<T>(
  request: (signal: AbortSignal) => Promise<T>,
  ms: number,
  outer: AbortSignal,
  timer: Timer,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const own = new AbortController();
    const giveUp = (why: string): void => {
      const error = new DeadlineError(why);
      own.abort(error);
      settle(() => reject(error));
    };
    const stop = (): void => giveUp('told to stop');
    const cancel = timer.after(ms, () => giveUp(`no answer within ${ms} ms`));
    const settle = (action: () => void): void => {
      cancel();
      outer.removeEventListener('abort', stop);
      action();
    };
    if (outer.aborted) return stop();
    outer.addEventListener('abort', stop);
    request(own.signal).then(
      (answer) => settle(() => resolve(answer)),
      (error: Error) => settle(() => reject(error)),
    );
  });
}

/**
 * Rejects with the reason of `signal` as soon as it says stop; what becomes of the request later is
 * nobody's concern.
 */
export function untilStopped<T>(request: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    const settle = (): void => signal.removeEventListener('abort', stop);
    request.then(resolve, reject).finally(settle);
    if (signal.aborted) stop();
  });
}

/** Was that thrown because the signal said stop? */
export function isStop(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && error === signal.reason;
}

/** What can be sent in a transaction's time, with much to spare. */
export function bytesInTime(bytesPerSecond = Infinity): number {
  return Math.max(1, Math.floor((bytesPerSecond * TXN_OPEN_MS) / 4000));
}

/** Bytes per second, with one second's worth in hand after a pause. */
export class Bandwidth {
  readonly #bytesPerSecond: number;
  readonly #timer: Timer;
  #bytes: number;
  #lastMs: number;

  constructor(bytesPerSecond: number, timer: Timer) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#timer = timer;
    this.#bytes = bytesPerSecond;
    this.#lastMs = timer.nowMs();
  }

  /** Resolves when `bytes` may be sent. More than a second's worth is owed, and waited for next. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === Infinity) return;
    this.#refill();
    while (this.#bytes <= 0 && !signal.aborted) {
      await this.#timer.sleep(Math.ceil((-this.#bytes * 1000) / this.#bytesPerSecond) + 1, signal);
      this.#refill();
    }
    this.#bytes -= bytes;
  }

  #refill(): void {
    const nowMs = this.#timer.nowMs();
    const earned = ((nowMs - this.#lastMs) * this.#bytesPerSecond) / 1000;
    this.#bytes = Math.min(this.#bytesPerSecond, this.#bytes + earned);
    this.#lastMs = nowMs;
  }
}
