/**
 * The recorder: joins drivers, samplers, rings, the writer worker and their ends.
 *
 *   start   open drivers → rate groups and rings → writer worker: lock, recovery, runs begun
 *           → READY → samplers start                                 (nothing is sampled before)
 *           → control socket: from now on other processes can change the store through this one
 *   run     status twice a second; the writer flushes by itself
 *   stop    samplers end and close their rings → control socket away → writer drains, ends the runs, shutdown entry
 *
 * A worker that dies takes the recorder with it: `finished` rejects with the error that names it.
 * What was accepted is in the log; what was not becomes gap(crash) at the next start.
 */
import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { STATUS_INTERVAL_MS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { monotonicMs } from '../base/clock.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { RecorderStatus, RecorderSummary } from '../tools/types.ts';
import type { FromSampler, FromWriter, ToWriter, WriterData } from '../../workers/protocol.ts';
import { spawnWorker } from '../../workers/spawn.ts';
import type { CollectorStatus } from './collector.ts';
import { RecorderControl } from './control.ts';
import { planGroups, type RecordingPlan } from './plan.ts';
import { SamplerSet } from './sampler-set.ts';
import { mergeStatus, summaryOf } from './status.ts';

export class Recorder extends EventEmitter<{ status: [RecorderStatus] }> {
  /** Settles when recording has ended: with the summary, or with what ended it. */
  readonly finished: Promise<RecorderSummary>;
  readonly #config: RecorderConfig;
  readonly #plan: RecordingPlan;
  readonly #startedMs = monotonicMs();
  #samplers: SamplerSet | undefined;
  #control: RecorderControl | undefined;
  readonly #problems: string[] = [];
  #writer: Worker | undefined;
  #lastStatus: CollectorStatus | undefined;
  #rate = { samples: 0, atMs: monotonicMs(), perSecond: 0 };
  #statusTimer: NodeJS.Timeout | undefined;
  #durationTimer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #settle!: { resolve: (summary: RecorderSummary) => void; reject: (error: unknown) => void };

  private constructor(config: RecorderConfig) {
    super();
    this.#config = config;
    this.#plan = planGroups(config);
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.finished.catch(() => undefined);
  }

  /**
   * Opens everything and begins to record.
   * @throws HelicorderError: CONFIG, DEVICE, REALTIME_REFUSED, STORE_IN_USE, READ_ONLY, NO_SPACE …
   */
  static async start(config: RecorderConfig): Promise<Recorder> {
    const recorder = new Recorder(config);
    try {
      await recorder.#start();
      return recorder;
    } catch (error) {
      await recorder.#abandon();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { dataDir, segmentBytes, flushIntervalMs, durationMs } = this.#config;
    const data: WriterData = {
      options: { dataDir, segmentBytes, groups: this.#plan.groups.map(({ spec }) => spec) },
      flushIntervalMs,
    };
    this.#writer = await spawnWorker<FromWriter>(
      'writer',
      data,
      (message) => this.#hear(message),
      (error) => this.#die(error),
    );
    this.#samplers = await SamplerSet.start(this.#plan, this.#config, (error) => this.#die(error));
    await this.#serveOthers();
    this.#tell({ type: 'status' });
    this.#statusTimer = setInterval(() => this.#tell({ type: 'status' }), STATUS_INTERVAL_MS / 2);
    if (durationMs === undefined) return;
    this.#durationTimer = setTimeout(() => void this.stop('duration'), durationMs);
  }

  async #serveOthers(): Promise<void> {
    const { control, problem } = await RecorderControl.start({
      dataDir: this.#config.dataDir,
      tell: (message, transfer) => this.#writer?.postMessage(message, transfer),
      status: () => this.status(),
      reload: () => this.#reload(),
    });
    this.#control = control;
    if (problem !== undefined) this.#problems.push(problem);
  }

  async #reload(): Promise<object> {
    throw new HelicorderError('USAGE', 'not yet');
  }

  /** The state as of half a second ago. */
  status(): RecorderStatus {
    return mergeStatus({
      config: this.#config,
      collector: this.#lastStatus,
      samplers: this.#samplers?.report(),
      uptimeSeconds: (monotonicMs() - this.#startedMs) / 1000,
      samplesPerSecond: this.#rate.perSecond,
      isDraining: this.#isStopping,
      problems: this.#problems,
    });
  }

  /** Ends the samplers, drains, ends the runs. A second call changes nothing. */
  stop(_reason?: string): Promise<RecorderSummary> {
    if (this.#isStopping) return this.finished;
    this.#isStopping = true;
    clearInterval(this.#statusTimer);
    clearTimeout(this.#durationTimer);
    void this.#drain();
    return this.finished;
  }

  async #drain(): Promise<void> {
    try {
      await this.#samplers?.stop();
      await this.#control?.close();
      this.#tell({ type: 'stop', reason: 'stopped' });
    } catch (error) {
      this.#die(error);
    }
  }

  #tell(message: ToWriter): void {
    this.#writer?.postMessage(message);
  }

  #hear(message: FromWriter | FromSampler): void {
    if (message.type === 'status') this.#take(message.status);
    if (message.type === 'answer') this.#control?.answered(message.key, message.answer);
    if (message.type === 'waiting') this.#control?.tellWaiting(message.message);
    if (message.type !== 'stopped' || !('status' in message)) return;
    this.#take(message.status);
    this.#plan.close();
    const seconds = (monotonicMs() - this.#startedMs) / 1000;
    if (message.clean) return this.#settle.resolve(summaryOf(message.status, seconds));
    this.#settle.reject(
      new HelicorderError('NO_SPACE', 'stopped while the disk was full: the last samples are lost'),
    );
  }

  #take(status: CollectorStatus): void {
    const nowMs = monotonicMs();
    const elapsedMs = nowMs - this.#rate.atMs;
    if (elapsedMs > 0) {
      const perSecond = ((status.samples - this.#rate.samples) * 1000) / elapsedMs;
      this.#rate = { samples: status.samples, atMs: nowMs, perSecond };
    }
    this.#lastStatus = status;
    this.emit('status', this.status());
  }

  /** A thread is gone: everything stops, and whoever waits learns why. */
  #die(error: unknown): void {
    void this.#abandon().then(() => this.#settle.reject(error));
  }

  async #abandon(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#statusTimer);
    clearTimeout(this.#durationTimer);
    await this.#samplers?.stop().catch(() => undefined);
    await this.#control?.abandon();
    await this.#writer?.terminate();
    this.#plan.close();
  }
}
