/**
 * What the writer thread does, from its first attempt to open the store to its close: a collector,
 * and the waiting for one. On a disk without a free byte nothing can be written, not even that this
 * owner has come; the samplers run all the same, their rings fill, and what no longer fits is
 * gap(full). The attempts are whole ones, lock included: whatever was half made is made again.
 */
import { monotonicMs } from '../base/clock.ts';
import { errnoCode, HelicorderError } from '../base/errors.ts';
import { REASONS } from '../batch/ledger.ts';
import { setFullReason } from '../ring/layout.ts';
import { formatLsn } from '../store/log/format.ts';
import type { StoreEnvironment } from '../store/store.ts';
import { Collector, type CollectorOptions, type CollectorStatus } from './collector.ts';

/** Each attempt reads the newest segment, so they are not made at every flush. */
const RETRY_INTERVAL_MS = 1000;

export class WriterAgent {
  readonly #options: CollectorOptions;
  readonly #environment: StoreEnvironment;
  #collector: Collector | undefined;
  #retryDueMs = 0;

  /** Makes the first attempt. @throws what StoreWriter.open throws, but for a full disk */
  constructor(options: CollectorOptions, environment: StoreEnvironment) {
    this.#options = options;
    this.#environment = environment;
    this.#attempt();
  }

  /** See `Collector.flush`. */
  flush(): boolean {
    if (this.#collector === undefined && monotonicMs() >= this.#retryDueMs) this.#attempt();
    return this.#collector?.flush() ?? false;
  }

  status(): CollectorStatus {
    return this.#collector?.status() ?? this.#waitingStatus();
  }

  /** See `Collector.close`: false if the disk is full. */
  close(reason: string): boolean {
    if (this.#collector === undefined) this.#attempt();
    return this.#collector?.close(reason) ?? false;
  }

  #attempt(): void {
    try {
      this.#collector = new Collector(this.#options, this.#environment);
    } catch (error) {
      if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
      for (const { ring } of this.#options.groups) setFullReason(ring, REASONS.full);
      this.#retryDueMs = monotonicMs() + RETRY_INTERVAL_MS;
    }
  }

  #waitingStatus(): CollectorStatus {
    const none = { p50: 0, p99: 0, max: 0 };
    return {
      ...{ samples: 0, ticks: 0, gaps: [], bytes: 0, paddingBytes: 0 },
      durableLsn: formatLsn(0),
      offsets: [],
      waitingForSpace: true,
      direct: true,
      commitMicros: none,
      durableMicros: none,
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
