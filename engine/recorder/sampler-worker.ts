/**
 * The one worker for all groups whose drivers are written in TypeScript, as main has it.
 *
 * A device may keep whoever reads it waiting: a bus that hangs, a file of a server that is away.
 * Such a read cannot be called off, and the thread within it can neither be joined nor ended: it is
 * told about, and left behind when its time is over. Nothing more of it is recorded; its ticks from
 * the last one on are in the gap before the next run. Where the process ends meanwhile it does so
 * without its threads: Node.js would join them first.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { HelicorderError } from '../base/errors.ts';
import { StopWord } from '../ring/wait.ts';
import type { RateGroup } from '../sampler/rate-group.ts';
import { STATUS_WORD } from '../sampler/status.ts';
import type { FromSampler, SamplerData, SamplerGroupData } from '../threads/protocol.ts';
import { isMainThread, spawnWorker } from '../threads/spawn.ts';
import { native } from '../../native/index.ts';
import { Punctuality, listOf } from './punctuality.ts';
import { T0_NANOS, type PlannedSource } from './plan.ts';

type Group = RateGroup<PlannedSource>;

/** What the worker has to end by itself. */
const END_WAIT_MS = 5000;

export class SamplerWorker {
  readonly groups: readonly Group[];
  readonly #worker: Worker;
  readonly #stopWord: StopWord;
  readonly #ended: Promise<unknown>;
  readonly #punctuality = new Punctuality();
  #hasEnded = false;
  #isLeft = false;

  private constructor(groups: readonly Group[], worker: Worker, stopWord: StopWord) {
    this.groups = groups;
    this.#worker = worker;
    this.#stopWord = stopWord;
    const leave = (code: number): void => {
      if (isMainThread && this.#mayHang) native.endProcess(code & 0xff);
    };
    process.once('exit', leave);
    this.#ended = new Promise<void>((resolve) => worker.once('exit', () => resolve())).then(() => {
      this.#hasEnded = true;
      process.off('exit', leave);
    });
  }

  /** @throws what the worker failed with */
  static async start(
    groups: readonly Group[],
    onFailure: (error: HelicorderError) => void,
  ): Promise<SamplerWorker> {
    const stopWord = new StopWord();
    const data: SamplerData = {
      stop: stopWord.memory,
      t0Nanos: T0_NANOS,
      groups: groups.map(cloneable),
    };
    const ignoreMessages = (): void => undefined;
    const worker = await spawnWorker<FromSampler>('sampler', data, ignoreMessages, onFailure);
    return new SamplerWorker(groups, worker, stopWord);
  }

  /** @returns false if it hangs, and was left: else it writes to no ring any more */
  async stop(): Promise<boolean> {
    this.#stopWord.stop();
    await Promise.race([this.#ended, sleep(END_WAIT_MS, undefined, { ref: false })]);
    if (this.#hasEnded) return true;
    this.#isLeft = true;
    this.#worker.unref();
    return false;
  }

  /** Whoever joined its thread might do so for ever. */
  get #mayHang(): boolean {
    return this.problem !== undefined || this.groups.some((group) => askedNow(group).length > 0);
  }

  /** What keeps the worker, and whom with it; undefined if it is punctual. */
  get problem(): string | undefined {
    if (this.#hasEnded) return undefined;
    const late = this.groups.filter((group) => this.#punctuality.isBehind(group));
    if (late.length === 0 && !this.#isLeft) return undefined;
    const sources = this.groups.flatMap((group) => group.sources.map(({ name }) => name));
    const asked = this.groups.flatMap(askedNow);
    const silent = asked.length > 0 ? asked : sources;
    const waiting = sources.filter((name) => !silent.includes(name));
    const others = waiting.length > 0 ? `, with it is not sampled: ${listOf(waiting)}` : '';
    const left = this.#isLeft ? '; its thread was left behind' : '';
    return `no answer from the device of ${listOf(silent)}${others}${left}`;
  }
}

/** The source whose device the worker waits for, as a list. */
function askedNow({ sources, status }: Group): string[] {
  const index = Number(Atomics.load(status, STATUS_WORD.reading)) - 1;
  return index < 0 ? [] : [sources[index]!.name];
}

/** A group as it travels to the sampler worker, which opens the drivers anew. */
function cloneable(group: Group): SamplerGroupData {
  const { sources, ...shape } = group;
  return {
    ...shape,
    sources: sources.map(({ config }) => {
      const { name, driver, options, rateHz, timestampResolutionNanos } = config;
      return { name, driver, options, rateHz, timestampResolutionNanos };
    }),
  };
}
