/**
 * All samplers of a recorder: a native thread per native rate group, started from the main thread,
 * and one sampler worker for all groups whose drivers are written in TypeScript. A crash of that
 * worker harms no native sampler's data, but ends the recorder: a source that silently stopped
 * would be worse.
 */
import { assert } from '../base/assert.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { HelicorderError } from '../base/errors.ts';
import { StopWord } from '../ring/wait.ts';
import type { RateGroup } from '../sampler/rate-group.ts';
import { startNativeSampler, TYPESCRIPT_REPORT } from '../sampler/sampler.ts';
import { readStatus } from '../sampler/status.ts';
import type { Sampler } from '../../native/index.ts';
import type { FromSampler, SamplerData, SamplerGroupData } from '../../workers/protocol.ts';
import { spawnWorker } from '../../workers/spawn.ts';
import { T0_NANOS, type PlannedSource, type RecordingPlan } from './plan.ts';
import type { SamplersReport } from './status.ts';

type Group = RateGroup<PlannedSource>;

/** The one worker for all groups of TypeScript drivers. */
interface SamplerWorker {
  groups: readonly Group[];
  stopWord: StopWord;
  ended: Promise<void>;
}

export class SamplerSet {
  readonly #native = new Map<Group, Sampler>();
  readonly #config: RecorderConfig;
  readonly #onFailure: (error: HelicorderError) => void;
  #worker: SamplerWorker | undefined;

  private constructor(config: RecorderConfig, onFailure: (error: HelicorderError) => void) {
    this.#config = config;
    this.#onFailure = onFailure;
  }

  /** @throws REALTIME_REFUSED, or what the sampler worker failed with */
  static async start(
    plan: RecordingPlan,
    config: RecorderConfig,
    onFailure: (error: HelicorderError) => void,
  ): Promise<SamplerSet> {
    const set = new SamplerSet(config, onFailure);
    try {
      await set.begin(plan.groups.map(({ group }) => group));
      return set;
    } catch (error) {
      await set.stop();
      throw error;
    }
  }

  /**
   * Starts to sample these groups too. Those of TypeScript drivers are all begun together.
   * @throws REALTIME_REFUSED, or what the sampler worker failed with
   */
  async begin(groups: readonly Group[]): Promise<void> {
    const { realtime, cpu } = this.#config;
    const scripted = groups.filter(({ bus }) => bus === 'typescript');
    if (scripted.length > 0) await this.#startWorker(scripted);
    for (const group of groups) {
      if (group.bus !== 'native') continue;
      this.#native.set(group, startNativeSampler(group, T0_NANOS, { realtime, cpu }));
    }
  }

  async #startWorker(groups: readonly Group[]): Promise<void> {
    assert(this.#worker === undefined, 'one sampler worker at a time');
    const stopWord = new StopWord();
    const data: SamplerData = {
      stop: stopWord.memory,
      t0Nanos: T0_NANOS,
      groups: groups.map(cloneable),
    };
    const ignoreMessages = (): void => undefined;
    const worker = await spawnWorker<FromSampler>('sampler', data, ignoreMessages, this.#onFailure);
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#worker = { groups, stopWord, ended };
  }

  /**
   * Ends the samplers of some groups and closes their rings; returns when no thread writes to them
   * any more. Those of TypeScript drivers end together.
   */
  async end(groups: readonly Group[]): Promise<void> {
    for (const group of groups) {
      this.#native.get(group)?.stop();
      this.#native.delete(group);
    }
    if (!groups.some(({ bus }) => bus === 'typescript')) return;
    this.#worker?.stopWord.stop();
    await this.#worker?.ended;
    this.#worker = undefined;
  }

  /** Ends all samplers; their last report stays. */
  async stop(): Promise<void> {
    this.#worker?.stopWord.stop();
    for (const sampler of this.#native.values()) sampler.stop();
    await this.#worker?.ended;
  }

  report(): SamplersReport {
    const reports = [...this.#native.values()].map((sampler) => sampler.report());
    if (this.#worker) reports.push(TYPESCRIPT_REPORT);
    const groups = [...this.#native.keys(), ...(this.#worker?.groups ?? [])];
    const worst = reports.find(({ rung }) => rung === 'other') ?? reports[0] ?? TYPESCRIPT_REPORT;
    const { latenessNanos, suspendedNanos } = readStatus(groups.map(({ status }) => status));
    const { p50, p99, max } = latenessNanos;
    return {
      rung: worst.rung,
      cpu: worst.pinnedCpu,
      memoryLocked: reports.every(({ memoryLocked }) => memoryLocked),
      refused: [...new Set(reports.flatMap(({ refused }) => refused))],
      latenessMicros: { p50: p50 / 1000, p99: p99 / 1000, max: max / 1000 },
      suspendedNanos,
    };
  }
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
