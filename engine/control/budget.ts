/** Memory that many share: who does not fit waits in line, so that nobody is passed over. */
import { assert } from '../base/assert.ts';

interface Waiter {
  bytes: number;
  grant: () => void;
}

export class Budget {
  #free: number;
  readonly #waiters = new Set<Waiter>();

  constructor(bytes: number) {
    this.#free = bytes;
  }

  get free(): number {
    return this.#free;
  }

  /**
   * Calls `grant` once `bytes` are reserved: before it returns, or when they have become free.
   * @returns how to leave the line; does nothing once granted
   */
  reserve(bytes: number, grant: () => void): () => void {
    const waiter = { bytes, grant };
    this.#waiters.add(waiter);
    this.#serve();
    return () => {
      if (this.#waiters.delete(waiter)) this.#serve();
    };
  }

  release(bytes: number): void {
    this.#free += bytes;
    this.#serve();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (waiter.bytes > this.#free) return;
      this.#free -= waiter.bytes;
      assert(this.#free >= 0, 'a budget is never overdrawn');
      this.#waiters.delete(waiter);
      waiter.grant();
    }
  }
}
