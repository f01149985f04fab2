/**
 * All samplers of a recorder: a native thread per native rate group, started from the main thread,
 * and one sampler worker for all groups whose drivers are written in TypeScript. A crash of that
 * worker harms no native sampler's data, but ends the recorder: a source that silently stopped
 * would be worse. From before the first of them starts until the last has ended, processors wake as
 * soon as the configuration says.
 */
import { assert } from '../base/assert.ts';
import { NANOS_PER_MICRO } from '../base/constants.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { HelicorderError } from '../base/errors.ts';
import type { RateGroup } from '../sampler/rate-group.ts';
import { startNativeSampler, TYPESCRIPT_REPORT } from '../sampler/sampler.ts';
import { readStatus } from '../sampler/status.ts';
import type { Sampler } from '../../native/index.ts';
import { Punctuality, listOf } from './punctuality.ts';
import { T0_NANOS, type PlannedSource, type RecordingPlan } from './plan.ts';
import { SamplerWorker } from './sampler-worker.ts';
import type { SamplersReport } from './status.ts';
import { WakeLatency } from './wake-latency.ts';

type Group = RateGroup<PlannedSource>;

interface NativeThread {
  sampler: Sampler;
  punctuality: Punctuality;
}

const nameOf = ({ name }: PlannedSource): string => name;

export class SamplerSet {
  readonly #native = new Map<Group, NativeThread>();
  readonly #config: RecorderConfig;
  readonly #onFailure: (error: HelicorderError) => void;
  readonly #wakeLatency: WakeLatency;
  #worker: SamplerWorker | undefined;
  /** of configurations before, which had to be left behind */
  readonly #left: SamplerWorker[] = [];
  #isStopped = false;

  private constructor(
    config: RecorderConfig,
    onFailure: (error: HelicorderError) => void,
    wakeLatency: WakeLatency,
  ) {
    this.#config = config;
    this.#onFailure = onFailure;
    this.#wakeLatency = wakeLatency;
  }

  /**
   * @param latencyPath in place of `/dev/cpu_dma_latency`, in tests
   * @throws REALTIME_REFUSED, or what the sampler worker failed with
   */
  static async start(
    plan: RecordingPlan,
    config: RecorderConfig,
    onFailure: (error: HelicorderError) => void,
    latencyPath?: string,
  ): Promise<SamplerSet> {
    const set = new SamplerSet(config, onFailure, new WakeLatency(config, latencyPath));
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
    const { realtime, cpu, spinNanos } = this.#config;
    // a worker takes a while to start: nobody else is to wait for it
    for (const group of groups) {
      if (group.bus !== 'native') continue;
      const sampler = startNativeSampler(group, T0_NANOS, { realtime, cpu, spinNanos });
      this.#native.set(group, { sampler, punctuality: new Punctuality() });
    }
    const scripted = groups.filter(({ bus }) => bus === 'typescript');
    if (scripted.length === 0) return;
    assert(this.#worker === undefined, 'one sampler worker at a time');
    this.#worker = await SamplerWorker.start(scripted, this.#onFailure);
  }

  /**
   * Ends the samplers of some groups and closes their rings; returns when no thread writes to them
   * any more, but for one that hangs. Those of TypeScript drivers end together.
   */
  async end(groups: readonly Group[]): Promise<void> {
    // the worker first: it may take its time, and the others sample on meanwhile
    if (groups.some(({ bus }) => bus === 'typescript') && this.#worker) {
      if (!(await this.#worker.stop())) this.#left.push(this.#worker);
      this.#worker = undefined;
    }
    for (const group of groups) {
      this.#native.get(group)?.sampler.stop();
      this.#native.delete(group);
    }
  }

  /** Ends all samplers; their last report stays. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const ended = this.#worker?.stop();
    try {
      for (const { sampler } of this.#native.values()) sampler.stop();
      await ended;
    } finally {
      this.#wakeLatency.close();
    }
  }

  /** Sentences about sources that are not sampled as they should be, as long as that is so. */
  get problems(): string[] {
    const workers = [...this.#left, ...(this.#worker ? [this.#worker] : [])];
    const late = [...this.#native].filter(
      ([group, { punctuality }]) => !this.#isStopped && punctuality.isBehind(group),
    );
    return [
      ...this.#notAwake(),
      ...this.#notPinned(),
      ...workers.flatMap(({ problem }) => problem ?? []),
      ...late.map(([{ sources }]) => `not sampled any more: ${listOf(sources.map(nameOf))}`),
    ];
  }

  /** The thread of a worker cannot be pinned. */
  #notPinned(): string[] {
    const { cpu } = this.#config;
    const sources = this.#worker?.groups.flatMap((group) => group.sources.map(nameOf)) ?? [];
    if (cpu < 0 || sources.length === 0) return [];
    return [`not pinned to processor ${cpu} (cpu), as their thread cannot be: ${listOf(sources)}`];
  }

  #notAwake(): string[] {
    const { problem } = this.#wakeLatency;
    return problem === undefined ? [] : [problem];
  }

  report(): SamplersReport {
    const reports = [...this.#native.values()].map(({ sampler }) => sampler.report());
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
      spinMicros: this.#native.size > 0 ? this.#config.spinNanos / NANOS_PER_MICRO : 0,
      cpuDmaLatencyMicros: this.#wakeLatency.micros,
    };
  }
}
