/** How an engine thread waits on shared memory. Never on the main thread. */

/**
 * A stop word: waiting on it with a time-out is a sleep that another thread can end: a sampler that
 * waits for its next tick must stop at once when told to.
 */
export class StopWord {
  readonly memory: SharedArrayBuffer;
  readonly #word: Int32Array;

  /** `memory`: of another thread's StopWord, to share it. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#word = new Int32Array(memory);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#word, 0) === 1;
  }

  /** Ends all sleeps, present and future. Any thread. */
  stop(): void {
    Atomics.store(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }

  /** Sleeps up to `timeoutMs` (fractions count); returns true if stopped. */
  sleep(timeoutMs: number): boolean {
    if (timeoutMs > 0) Atomics.wait(this.#word, 0, 0, timeoutMs);
    return this.isStopped;
  }
}
