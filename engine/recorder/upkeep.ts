/**
 * When upkeep is done, on the main thread: a step as soon as a segment of the log is finished, or
 * somebody has changed what is to be kept, and at least once a minute; then step after step until
 * nothing is left. Steps run in the pool; what they have found is carried out by the writer worker.
 *
 * A step that fails changes nothing. It is tried again at the next occasion; the status says so.
 */
import { UPKEEP_INTERVAL_MS } from '../base/constants.ts';
import { monotonicMs } from '../base/clock.ts';
import type { UpkeepOptions, UpkeepResult } from '../store/upkeep.ts';

export interface UpkeepActions {
  /** in the pool */
  step: (options: UpkeepOptions) => Promise<UpkeepResult>;
  /** by the owner of the log; resolves once it is durable */
  apply: (result: UpkeepResult) => Promise<void>;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #actions: UpkeepActions;
  #segment = 0;
  #dueMs = 0;
  #isRunning = false;
  #isOver = false;
  /** why the last step failed, or what it has found out */
  problem: string | undefined;
  /** over the budget, and nothing that may be dropped */
  isFull = false;

  constructor(options: UpkeepOptions, actions: UpkeepActions) {
    this.#options = options;
    this.#actions = actions;
  }

  /** Heard of twice a second: the segment that is being written. */
  heard(segment: number): void {
    const isFinished = segment > this.#segment && this.#segment > 0;
    this.#segment = segment;
    if (isFinished || monotonicMs() >= this.#dueMs) void this.run();
  }

  /** Steps until there is nothing to do. Never rejects. */
  async run(): Promise<void> {
    if (this.#isRunning || this.#isOver) return;
    this.#isRunning = true;
    this.#dueMs = monotonicMs() + UPKEEP_INTERVAL_MS;
    try {
      while (!this.#isOver && (await this.#step()));
      this.problem = undefined;
    } catch (error) {
      // one that was given up at the end says nothing of the store
      if (this.#isOver) return;
      const why = error instanceof Error ? error.message : String(error);
      this.problem = `upkeep of the store: ${why}`;
    } finally {
      this.#isRunning = false;
    }
  }

  async #step(): Promise<boolean> {
    const result = await this.#actions.step(this.#options);
    if (this.#isOver) return false;
    this.isFull = result.isFull;
    await this.#actions.apply(result);
    return result.did !== 'nothing';
  }

  /** What the status should say. */
  get warnings(): string[] {
    const full = 'the store is over its budget, and no stream may drop its oldest (onFull)';
    return [...(this.problem === undefined ? [] : [this.problem]), ...(this.isFull ? [full] : [])];
  }

  /** No step is begun any more, and what one still finds is not carried out. */
  stop(): void {
    this.#isOver = true;
  }
}
