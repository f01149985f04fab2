/**
 * How a recorder ends: told once, by the promise `finished`. A failure that nobody awaits is an
 * unhandled rejection, as of any promise; but not before `started`: until then nobody has it to
 * await.
 */
import type { RecorderSummary } from '../tools/types.ts';

/** `stopped`: all that was sampled is durable, and counted; `failed`: it is not, or not known */
export type EndState = 'draining' | 'stopped' | 'failed';

export class Ending {
  /** settles when recording has ended: with the summary, or with what ended it */
  readonly finished: Promise<RecorderSummary>;
  /** resolves when it begins to end */
  readonly begun: Promise<void>;
  #state: EndState | undefined;
  #resolve!: (summary: RecorderSummary) => void;
  #reject!: (error: unknown) => void;
  #noteBegun!: () => void;
  #noteStarted!: () => void;
  readonly #started = new Promise<void>((resolve) => (this.#noteStarted = resolve));

  constructor() {
    this.begun = new Promise((resolve) => (this.#noteBegun = resolve));
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** undefined while it records */
  get state(): EndState | undefined {
    return this.#state;
  }

  /** Whoever asked for it has the recorder by now. */
  started(): void {
    this.#noteStarted();
  }

  /** @returns false if it had begun before */
  begin(): boolean {
    if (this.#state !== undefined) return false;
    this.#state = 'draining';
    this.#noteBegun();
    return true;
  }

  stopped(summary: RecorderSummary): void {
    if (this.#isTold) return;
    this.#state = 'stopped';
    this.#resolve(summary);
  }

  /** @returns false if its end has been told before */
  failed(error: unknown): boolean {
    if (this.#isTold) return false;
    this.#state = 'failed';
    void this.#started.then(() => this.#reject(error));
    return true;
  }

  get #isTold(): boolean {
    return this.#state === 'stopped' || this.#state === 'failed';
  }
}
