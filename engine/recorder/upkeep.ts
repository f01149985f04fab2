/**
 * When upkeep is done, on the main thread: a step as soon as a segment of the log is finished, or
 * somebody has changed what is to be kept, and at least once a minute, more often while records
 * wait for space; then step after step until nothing is left. Steps run in the pool; what they have
 * found is carried out by the writer worker. An owner that has just begun has other things to load
 * than the pool's thread: the first look is a little later.
 *
 * A step that fails changes nothing. It is tried again at the next occasion; the status says so.
 */
import { messageOf } from '../base/errors.ts';
import {
  UPKEEP_FIRST_MS,
  UPKEEP_INTERVAL_MS,
  UPKEEP_WAITING_INTERVAL_MS,
} from '../base/constants.ts';
import { monotonicMs } from '../base/clock.ts';
import type { UpkeepOptions, UpkeepResult } from '../store/upkeep/upkeep.ts';

export interface UpkeepActions {
  /** in the pool */
  step: (options: UpkeepOptions) => Promise<UpkeepResult>;
  /** by the owner of the log; resolves once it is durable */
  apply: (result: UpkeepResult) => Promise<void>;
}

export class Upkeep {
  readonly #dataDir: string;
  readonly #actions: UpkeepActions;
  #segment = 0;
  #begunMs = monotonicMs() + UPKEEP_FIRST_MS - UPKEEP_INTERVAL_MS;
  #isRunning = false;
  /** there may be more to do than the step that is under way has seen */
  #isWanted = false;
  #isOver = false;
  /** what the last step did */
  #after: UpkeepResult['did'] | undefined;
  /** why the last step failed; undefined: it did not */
  problem: string | undefined;
  /** over the budget, and nothing that may be dropped */
  isFull = false;
  /** why a place for chunks cannot be reached; undefined: it can */
  away: string | undefined;

  /** What is kept is what the owner has told the store. */
  constructor(dataDir: string, actions: UpkeepActions) {
    this.#dataDir = dataDir;
    this.#actions = actions;
  }

  /** Heard of twice a second: the segment that is being written, and whether records wait. */
  heard(segment: number, isWaiting: boolean): void {
    const isFinished = segment > this.#segment && this.#segment > 0;
    this.#segment = segment;
    const intervalMs = isWaiting ? UPKEEP_WAITING_INTERVAL_MS : UPKEEP_INTERVAL_MS;
    if (isFinished || monotonicMs() >= this.#begunMs + intervalMs) void this.run();
  }

  /** Steps until there is nothing to do. Never rejects. */
  async run(): Promise<void> {
    this.#isWanted = true;
    if (this.#isRunning || this.#isOver) return;
    this.#isRunning = true;
    this.#begunMs = monotonicMs();
    try {
      while (!this.#isOver && this.#isWanted) await this.#step();
      this.problem = undefined;
    } catch (error) {
      // one that was given up at the end says nothing of the store
      if (this.#isOver) return;
      const why = messageOf(error);
      this.problem = `upkeep of the store: ${why}`;
    } finally {
      this.#isRunning = false;
    }
  }

  async #step(): Promise<void> {
    this.#isWanted = false;
    const result = await this.#actions.step({ dataDir: this.#dataDir, after: this.#after });
    if (this.#isOver) return;
    this.isFull = result.isFull;
    if ('away' in result) this.away = result.away;
    await this.#actions.apply(result);
    this.#after = result.did;
    this.#isWanted ||= result.did !== 'nothing';
  }

  /** What the status should say. */
  get warnings(): string[] {
    const full =
      this.away === undefined
        ? 'the store is over its budget, and no stream may drop its oldest (onFull)'
        : 'the store is over its budget, and nothing can go before the place for chunks is back';
    return [
      ...(this.problem === undefined ? [] : [this.problem]),
      ...(this.away === undefined ? [] : [`${this.away}: the store keeps them meanwhile`]),
      ...(this.isFull ? [full] : []),
    ];
  }

  /** No step is begun any more, and what one still finds is not carried out. */
  stop(): void {
    this.#isOver = true;
  }
}
