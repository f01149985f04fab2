/** When a device that does not answer is tried again: after 10 ms, 20 ms … 1 s. */
import { monotonicMs } from '../base/clock.ts';

const FIRST_MS = 10;
const MAX_MS = 1000;

export class BackOff {
  #waitMs = FIRST_MS;
  #retryAtMs = 0;

  get isOver(): boolean {
    return monotonicMs() >= this.#retryAtMs;
  }

  failed(): void {
    this.#retryAtMs = monotonicMs() + this.#waitMs;
    this.#waitMs = Math.min(2 * this.#waitMs, MAX_MS);
  }

  succeeded(): void {
    this.#waitMs = FIRST_MS;
  }
}
