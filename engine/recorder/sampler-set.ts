/**
 * All samplers of a recorder: a native thread per native rate group, started from the main thread,
 * and one sampler worker for all groups whose drivers are written in TypeScript. A crash of that
 * worker harms no native sampler's data, but ends the recorder: a source that silently stopped
 * would be worse.
 */
import type { Worker } from 'node:worker_threads';
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

export class SamplerSet {
  readonly #native: Sampler[] = [];
  readonly #groups: readonly RateGroup<PlannedSource>[];
  readonly #stopWord = new StopWord();
  #worker: Worker | undefined;
  #workerEnded: Promise<void> = Promise.resolve();

  private constructor(plan: RecordingPlan) {
    this.#groups = plan.groups.map(({ group }) => group);
  }

  /** @throws REALTIME_REFUSED, or what the sampler worker failed with */
  static async start(
    plan: RecordingPlan,
    config: RecorderConfig,
    onFailure: (error: HelicorderError) => void,
  ): Promise<SamplerSet> {
    const set = new SamplerSet(plan);
    const { realtime, cpu } = config;
    try {
      const scripted = set.#groups.filter(({ bus }) => bus === 'typescript');
      if (scripted.length > 0) await set.#startWorker(scripted, onFailure);
      for (const group of set.#groups) {
        if (group.bus === 'native') {
          set.#native.push(startNativeSampler(group, T0_NANOS, { realtime, cpu }));
        }
      }
      return set;
    } catch (error) {
      await set.stop();
      throw error;
    }
  }

  async #startWorker(
    groups: readonly RateGroup<PlannedSource>[],
    onFailure: (error: HelicorderError) => void,
  ): Promise<void> {
    const stop = this.#stopWord.memory;
    const data: SamplerData = { stop, t0Nanos: T0_NANOS, groups: groups.map(cloneable) };
    const ignoreMessages = (): void => undefined;
    this.#worker = await spawnWorker<FromSampler>('sampler', data, ignoreMessages, onFailure);
    this.#workerEnded = new Promise((resolve) => this.#worker!.once('exit', () => resolve()));
  }

  /** Ends all samplers and closes their rings; returns when no thread writes any more. */
  async stop(): Promise<void> {
    this.#stopWord.stop();
    for (const sampler of this.#native) sampler.stop();
    await this.#workerEnded;
  }

  report(): SamplersReport {
    const reports = this.#native.map((sampler) => sampler.report());
    if (this.#worker) reports.push(TYPESCRIPT_REPORT);
    const worst = reports.find(({ rung }) => rung === 'other') ?? reports[0] ?? TYPESCRIPT_REPORT;
    const { latenessNanos, suspendedNanos } = readStatus(this.#groups.map(({ status }) => status));
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
function cloneable(group: RateGroup<PlannedSource>): SamplerGroupData {
  const { sources, ...shape } = group;
  return {
    ...shape,
    sources: sources.map(({ config }) => {
      const { name, driver, options, rateHz, timestampResolutionNanos } = config;
      return { name, driver, options, rateHz, timestampResolutionNanos };
    }),
  };
}
