/**
 * What the writer thread does, from its first attempt to open the store to its close: a collector
 * and the service of other processes, or the waiting for them. On a disk without a free byte
 * nothing can be written, not even that this owner has come; the samplers run all the same, their
 * rings fill, and what no longer fits is gap(full). The attempts are whole ones, lock included:
 * whatever was half made is made again.
 */
import { monotonicMs } from '../base/clock.ts';
import { errnoCode, HelicorderError, isCode } from '../base/errors.ts';
import { failureOf } from '../control/protocol.ts';
import { ControlService, type ServiceEvents, type StoreRequest } from '../control/service.ts';
import { REASONS } from '../batch/ledger.ts';
import { setFullReason } from '../ring/layout.ts';
import { formatLsn } from '../store/entries/format.ts';
import type { RetentionEntry } from '../store/entries/retention-entry.ts';
import type { StoreEnvironment } from '../store/store.ts';
import type { UpkeepResult } from '../store/upkeep/upkeep.ts';
import { applyUpkeep } from '../store/write/changes.ts';
import type { GroupSpec } from './group-spec.ts';
import { Collector, type CollectorOptions, type CollectorStatus } from './collector.ts';

/** Each attempt reads the newest segment, so they are not made at every flush. */
const RETRY_INTERVAL_MS = 1000;

const WAITING = 'no space: the recorder waits for it to open its store';

interface OpenStore {
  collector: Collector;
  service: ControlService;
}

/**
 * When the flush behind one is due. They come on multiples of the interval, so that a late one does
 * not shift the next; one that took longer than that is followed at once, since what waits by then
 * would wait for up to an interval more, and those that were missed meanwhile are left out.
 * @param dueMs when the one that has ended was due
 */
export function nextFlush(dueMs: number, nowMs: number, intervalMs: number): number {
  return dueMs + intervalMs * Math.max(1, Math.floor((nowMs - dueMs) / intervalMs));
}

export class WriterAgent {
  readonly #options: CollectorOptions;
  readonly #environment: StoreEnvironment;
  readonly #events: ServiceEvents;
  #store: OpenStore | undefined;
  #retryDueMs = 0;

  /**
   * Makes the first attempt. @param events what the service of other processes has to say
   * @throws what StoreWriter.open throws, but for a full disk
   */
  constructor(options: CollectorOptions, environment: StoreEnvironment, events: ServiceEvents) {
    this.#options = options;
    this.#environment = environment;
    this.#events = events;
    this.#attempt();
  }

  /** See `Collector.flush`. */
  flush(): boolean {
    if (this.#store === undefined && monotonicMs(this.#environment.clock) >= this.#retryDueMs)
      this.#attempt();
    return this.#store?.collector.flush() ?? false;
  }

  status(): CollectorStatus {
    return this.#store?.collector.status() ?? this.#waitingStatus();
  }

  /** See `ControlService.submit`; while there is no store, nothing can be changed in it. */
  submit(connection: number, key: number, request: StoreRequest, payload: Uint8Array): void {
    if (this.#store) return this.#store.service.submit(connection, key, request, payload);
    this.#events.answer(key, failureOf(new HelicorderError('NO_SPACE', WAITING)));
  }

  gone(connection: number): void {
    this.#store?.service.gone(connection);
  }

  /** See `ControlService.serve`. */
  serve(): boolean {
    return this.#store?.service.serve() ?? false;
  }

  /** See `Collector.prepare`. @throws NO_SPACE while there is no store */
  prepare(groups: readonly GroupSpec[], retention: RetentionEntry | undefined): void {
    this.#opened().prepare(groups, retention);
  }

  /** See `Collector.replaceGroups`. @throws NO_SPACE while there is no store */
  replaceGroups(
    ended: readonly number[],
    begun: readonly GroupSpec[],
    whenBegun: () => void,
  ): void {
    this.#opened().replaceGroups(ended, begun, whenBegun);
  }

  /** Makes true what upkeep has found. @throws NO_SPACE: it will be found again */
  applyUpkeep(result: UpkeepResult): void {
    applyUpkeep(this.#opened().writer, result);
  }

  #opened(): Collector {
    if (this.#store) return this.#store.collector;
    throw new HelicorderError('NO_SPACE', WAITING);
  }

  /** See `Collector.close`: false if the disk is full. */
  close(): boolean {
    if (this.#store === undefined) this.#attempt();
    this.#store?.service.close();
    return this.#store?.collector.close() ?? false;
  }

  #attempt(): void {
    try {
      const collector = new Collector(this.#options, this.#environment);
      const service = new ControlService(collector.writer, this.#environment, this.#events);
      this.#store = { collector, service };
    } catch (error) {
      if (!isCode(error, 'NO_SPACE')) throw error;
      for (const { ring } of this.#options.groups) setFullReason(ring, REASONS.full);
      this.#retryDueMs = monotonicMs(this.#environment.clock) + RETRY_INTERVAL_MS;
    }
  }

  #waitingStatus(): CollectorStatus {
    const none = { p50: 0, p99: 0, max: 0 };
    return {
      ...{ samples: 0, ticks: 0, gaps: [], bytes: 0, paddingBytes: 0 },
      durableLsn: formatLsn(0),
      segment: 0,
      limitBytes: 0,
      fullInSeconds: null,
      offsets: [],
      waitingForSpace: true,
      direct: true,
      commitMicros: none,
      durableMicros: none,
      recentDurableMicros: none,
      ...this.#disk(),
      clockSteps: 0,
      warnings: [],
    };
  }

  /** Not even the directory has to be there. */
  #disk(): Pick<CollectorStatus, 'diskBytes' | 'freeBytes'> {
    const { fs } = this.#environment;
    const { dataDir } = this.#options;
    try {
      return { diskBytes: fs.diskUse(dataDir), freeBytes: fs.info(dataDir).freeBytes };
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return { diskBytes: 0, freeBytes: 0 };
      throw error;
    }
  }
}
