/**
 * The recorder: joins drivers, samplers, rings, the writer worker and their ends.
 *
 *   start   open drivers → rate groups and rings → writer worker: lock, recovery, runs begun
 *           → READY → samplers start                                 (nothing is sampled before)
 *           → control socket: from now on other processes can change the store through this one
 *   run     status twice a second; the writer flushes by itself
 *   reload  rate groups that the new configuration has otherwise end, then begin anew
 *   stop    samplers end and close their rings → copiers, upkeep and control socket away → writer
 *           drains, ends the runs, shutdown entry
 *
 * A worker that dies takes the recorder with it: `finished` rejects with the error that names it.
 * What was accepted is in the log; what was not becomes gap(crash) at the next start.
 */
import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { defined } from '../base/assert.ts';
import { STATUS_INTERVAL_MS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { monotonicMs } from '../base/clock.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { RecorderStatus, RecorderSummary, ReloadReport } from '../tools/types.ts';
import type {
  FromWriter,
  PlainError,
  Question,
  ToWriter,
  WriterData,
} from '../threads/protocol.ts';
import { upkeepPool } from '../threads/pool.ts';
import { revive, spawnWorker } from '../threads/spawn.ts';
import { after } from './after.ts';
import type { CollectorStatus } from '../collector/collector.ts';
import { asOwner } from './claim.ts';
import { RecorderControl } from './control.ts';
import { checkCopies } from './check-copies.ts';
import { CopySet } from './copy-set.ts';
import { Ending } from './ending.ts';
import { Pace } from './pace.ts';
import { closeDrivers, planGroups, planStart, retentionOf, warningsOf } from './plan.ts';
import type { PlannedGroup, RecordingPlan } from './plan.ts';
import { checkFixed, groupChanges, reportOf } from './reload.ts';
import { SamplerSet } from './sampler-set.ts';
import { mergeStatus, summaryOf } from './status.ts';
import { Upkeep } from './upkeep.ts';

/** What copiers have to end by themselves where the store has failed. */
const FAILED_WAIT_MS = 500;

export interface RecorderOptions {
  /**
   * Reads the configuration again, when another process asks for it (`helicorder reload`); without
   * it that is refused. What it throws is what that process is told, and nothing changes.
   */
  reconfigure?: () => RecorderConfig;
}

export class Recorder extends EventEmitter<{ status: [RecorderStatus] }> {
  readonly #options: RecorderOptions;
  #config: RecorderConfig;
  #plan: RecordingPlan;
  readonly #startedMs = monotonicMs();
  #samplers: SamplerSet | undefined;
  #control: RecorderControl | undefined;
  #upkeep: Upkeep | undefined;
  #copies: CopySet | undefined;
  readonly #pool = upkeepPool();
  #writer: Worker | undefined;
  #lastStatus: CollectorStatus | undefined;
  readonly #pace = new Pace();
  #statusTimer: NodeJS.Timeout | undefined;
  #forgetDuration: (() => void) | undefined;
  readonly #ending = new Ending();
  /** what ended it, where it was not asked to end */
  #death: Error | undefined;
  /** settles when a reload that has begun has ended, well or not */
  #reloading: Promise<unknown> | undefined;
  /** as the writer worker numbers them: in the order in which they were begun */
  readonly #groupNumbers = new Map<PlannedGroup, number>();
  #nextGroup = 0;
  readonly #asked = new Map<number, (error: PlainError | undefined) => void>();
  #nextKey = 0;

  private constructor(config: RecorderConfig, options: RecorderOptions) {
    super();
    this.#options = options;
    this.#config = config;
    this.#plan = planStart(config);
    this.#numberGroups(this.#plan.groups);
  }

  /**
   * Settles when recording has ended: with the summary, or with what ended it. To be awaited: what
   * ends a recorder that nobody waits for is an unhandled rejection.
   */
  get finished(): Promise<RecorderSummary> {
    return this.#ending.finished;
  }

  /**
   * Opens everything and begins to record.
   * @throws HelicorderError: CONFIG, DEVICE, REALTIME_REFUSED, STORE_IN_USE, READ_ONLY, NO_SPACE …
   */
  static async start(config: RecorderConfig, options: RecorderOptions = {}): Promise<Recorder> {
    const recorder = new Recorder(config, options);
    try {
      await recorder.#start();
      recorder.#ending.started();
      return recorder;
    } catch (error) {
      await recorder.#abandon();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { dataDir, segmentBytes, chunksDir, flushIntervalMs, durationMs } = this.#config;
    const retention = retentionOf(this.#config);
    await checkCopies(this.#config.copies, this.#plan);
    const groups = this.#plan.groups.map(({ spec }) => spec);
    const data: WriterData = {
      options: { dataDir, segmentBytes, retention, chunksDir, groups },
      flushIntervalMs,
      isUrgent: this.#config.realtime !== 'off',
    };
    const isKeeper = this.#config.sources.length === 0;
    this.#writer = await asOwner(dataDir, isKeeper, () => this.#spawnWriter(data));
    this.#samplers = await SamplerSet.start(this.#plan, this.#config, (error) => this.#die(error));
    this.#checkAlive();
    await this.#serveOthers();
    this.#upkeep = this.#startUpkeep();
    this.#copies = await CopySet.start(this.#config.dataDir, this.#config.copies);
    this.#checkAlive();
    this.#askStatus();
    this.#statusTimer = setInterval(() => this.#askStatus(), STATUS_INTERVAL_MS / 2);
    if (durationMs === undefined) return;
    this.#forgetDuration = after(durationMs, () => void this.stop());
  }

  /** A thread that was there may have gone while the next one was started. */
  #checkAlive(): void {
    if (this.#death !== undefined) throw this.#death;
  }

  #spawnWriter(data: WriterData): Promise<Worker> {
    return spawnWorker<FromWriter>(
      'writer',
      data,
      (message) => this.#hear(message),
      (error) => this.#die(error),
    );
  }

  async #serveOthers(): Promise<void> {
    this.#control = new RecorderControl({
      dataDir: this.#config.dataDir,
      tell: (message, transfer) => this.#writer?.postMessage(message, transfer),
      status: () => this.status(),
      reload: () => this.reload(),
      yield: () => this.#yield(),
    });
    await this.#control.serve();
  }

  #startUpkeep(): Upkeep {
    return new Upkeep(this.#config.dataDir, {
      step: (step) => this.#pool.run(step),
      apply: (result) => this.#ask({ type: 'upkeep', result }),
    });
  }

  /** Behind the answer, which is still to be sent. */
  #yield(): boolean {
    if (this.#config.sources.length > 0) return false;
    setImmediate(() => void this.stop());
    return true;
  }

  /** @throws USAGE without `reconfigure`, OWNER_BUSY, what is wrong: then nothing has changed */
  async reload(): Promise<ReloadReport> {
    const { reconfigure } = this.#options;
    if (reconfigure === undefined) {
      throw new HelicorderError('USAGE', 'this recorder was not started from a configuration');
    }
    if (this.#ending.state || this.#reloading || this.#lastStatus?.waitingForSpace) {
      throw new HelicorderError('OWNER_BUSY', 'the recorder stops, reloads or waits for space');
    }
    const reload = this.#change(reconfigure());
    this.#reloading = reload.catch(() => undefined);
    try {
      return await reload;
    } finally {
      this.#reloading = undefined;
    }
  }

  async #change(next: RecorderConfig): Promise<ReloadReport> {
    const now = this.#config;
    checkFixed(now, next);
    const changes = groupChanges(this.#plan, planGroups(next, this.#plan));
    const { kept, ended, begun, spare, warnings } = changes;
    closeDrivers(spare);
    try {
      const groups = begun.map(({ spec }) => spec);
      await this.#ask({ type: 'prepare', groups, retention: retentionOf(next) });
    } catch (error) {
      closeDrivers(begun);
      throw error;
    }
    try {
      await this.#replace(ended, begun);
    } catch (error) {
      this.#die(error);
      throw error;
    }
    this.#plan = { groups: [...kept, ...begun], unheeded: warnings };
    if (this.#ending.state) throw new HelicorderError('OWNER_BUSY', 'the recorder stops');
    this.#config = next;
    this.#tell({ type: 'flush-interval', ms: next.flushIntervalMs });
    void this.#upkeep?.run();
    return reportOf(now, next, changes);
  }

  /** From here on there is no way back. */
  async #replace(ended: readonly PlannedGroup[], begun: readonly PlannedGroup[]): Promise<void> {
    if (ended.length + begun.length === 0) return;
    await this.#samplers!.end(ended.map(({ group }) => group));
    const numbers = ended.map((group) => defined(this.#groupNumbers.get(group), 'its number'));
    ended.forEach((group) => this.#groupNumbers.delete(group));
    this.#numberGroups(begun);
    const specs = begun.map(({ spec }) => spec);
    const replaced = this.#ask({ type: 'replace-groups', ended: numbers, begun: specs });
    // on a full disk the answer comes when there is space
    await Promise.race([replaced, this.#ending.begun]);
    closeDrivers(ended);
    if (this.#ending.state) return;
    await this.#samplers!.begin(begun.map(({ group }) => group));
  }

  #numberGroups(groups: readonly PlannedGroup[]): void {
    for (const group of groups) this.#groupNumbers.set(group, this.#nextGroup++);
  }

  /** @throws what the writer worker refuses it with */
  async #ask(question: Question): Promise<void> {
    const key = this.#nextKey++;
    const error = await new Promise<PlainError | undefined>((resolve) => {
      this.#asked.set(key, resolve);
      this.#tell({ ...question, key });
    });
    if (error) throw revive(error);
  }

  /** Why other processes are not served by its control socket; undefined: they are. */
  get unserved(): HelicorderError | undefined {
    return this.#control?.problem;
  }

  /** The state as of half a second ago. */
  status(): RecorderStatus {
    const unserved = this.unserved;
    return mergeStatus({
      config: this.#config,
      collector: this.#lastStatus,
      samplers: this.#samplers?.report(),
      uptimeSeconds: (monotonicMs() - this.#startedMs) / 1000,
      samplesPerSecond: this.#pace.samplesPerSecond,
      ending: this.#ending.state,
      problems: [
        ...(unserved ? [`other processes cannot change the store: ${unserved.message}`] : []),
        ...this.#pace.warnings,
        ...warningsOf(this.#plan),
        ...(this.#samplers?.problems ?? []),
        ...(this.#upkeep?.warnings ?? []),
        ...(this.#copies?.problems ?? []),
      ],
    });
  }

  /** Ends the samplers, drains, ends the runs. A second call changes nothing. */
  stop(): Promise<RecorderSummary> {
    if (!this.#ending.begin()) return this.finished;
    clearInterval(this.#statusTimer);
    this.#forgetDuration?.();
    void this.#drain();
    return this.finished;
  }

  async #drain(): Promise<void> {
    try {
      await this.#reloading;
      await this.#samplers?.stop();
      await this.#copies?.stop();
      await this.#endUpkeep();
      await this.#control?.close();
      this.#tell({ type: 'stop' });
    } catch (error) {
      this.#die(error);
    }
  }

  /** A step that is under way is given up: the next owner makes it again. */
  async #endUpkeep(): Promise<void> {
    this.#upkeep?.stop();
    await this.#pool.close();
  }

  /** Who listens hears of a writer that does not answer, too. */
  #askStatus(): void {
    this.#pace.asked();
    this.#tell({ type: 'status' });
    if (this.#pace.isSilent) this.#tellStatus();
  }

  #tell(message: ToWriter): void {
    this.#writer?.postMessage(message);
  }

  #hear(message: FromWriter): void {
    switch (message.type) {
      case 'status':
        this.#take(message.status);
        return void this.#tellStatus();
      case 'done':
        this.#asked.get(message.key)?.(message.error);
        return void this.#asked.delete(message.key);
      case 'answer':
        return this.#control?.answered(message.key, message.answer);
      case 'waiting':
        return this.#control?.tellWaiting(message.message);
      case 'stopped':
        return this.#ended(message.status, message.clean);
      case 'ready':
      case 'failed':
        // whoever started it has heard that
        break;
    }
  }

  #ended(status: CollectorStatus, isClean: boolean): void {
    this.#take(status);
    closeDrivers(this.#plan.groups);
    const seconds = (monotonicMs() - this.#startedMs) / 1000;
    const why = 'stopped while there was no space: what was sampled meanwhile is lost';
    if (isClean) this.#ending.stopped(summaryOf(status, seconds));
    else this.#ending.failed(new HelicorderError('NO_SPACE', why));
    this.#tellStatus();
  }

  #take(status: CollectorStatus): void {
    this.#pace.heard(status.samples);
    this.#lastStatus = status;
    this.#upkeep?.heard(status.segment, status.waitingForSpace);
    // a full disk may have room by now
    if (this.unserved?.code === 'NO_SPACE' && !this.#ending.state) void this.#control?.serve();
  }

  /** Last of all: whoever listens may throw. */
  #tellStatus = (): boolean => this.emit('status', this.status());

  /** A thread is gone: everything stops, and whoever waits learns why. */
  #die(error: unknown): void {
    this.#death ??= error as Error;
    // what else fails by then says less than why
    const abandoned = this.#abandon().catch(() => undefined);
    void abandoned.then(() => {
      if (this.#ending.failed(error)) this.#tellStatus();
    });
  }

  async #abandon(): Promise<void> {
    this.#ending.begin();
    clearInterval(this.#statusTimer);
    this.#forgetDuration?.();
    await this.#samplers?.stop().catch(() => undefined);
    await Promise.all([this.#copies?.stop(FAILED_WAIT_MS), this.#endUpkeep()]);
    await this.#control?.abandon();
    await this.#writer?.terminate();
    closeDrivers(this.#plan.groups);
  }
}
