/**
 * The writer thread's work: at each flush it drains all rings into one group and makes it durable.
 *
 *   ring ─ GroupDrain ─┐
 *   ring ─ GroupDrain ─┼─▶ GroupBuilder ─▶ StoreWriter.commit ─▶ mark (readers wake up)
 *   ring ─ GroupDrain ─┘
 *
 * If the disk is full the encoded group stays where it is and is tried again at each flush; the
 * rings fill up behind it, and the ticks that no longer fit are gap(full). Nothing here waits for
 * anything but the disk, and no step is longer than one group.
 */
import { CATALOG_MAX_LAG_MS, MIB } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { monotonicMs } from '../base/clock.ts';
import { Histogram } from '../base/histogram.ts';
import { REASONS } from '../batch/ledger.ts';
import { setFullReason } from '../ring/layout.ts';
import { Catalog } from '../store/catalog.ts';
import type { DataItem } from '../store/data.ts';
import { formatLsn } from '../store/log/format.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import { gapsOf } from '../store/log/segment-index.ts';
import type { StoreEnvironment } from '../store/store.ts';
import type { RunRequest } from '../store/run-plan.ts';
import { StoreWriter, type OpenedRun } from '../store/writer.ts';
import { GroupDrain } from './group-drain.ts';
import type { Drained, GroupSource, GroupSpec } from './group-spec.ts';
import { UtcOffset } from './utc-offset.ts';

export interface CollectorOptions {
  dataDir: string;
  segmentBytes: number;
  groups: GroupSpec[];
}

/** Sums since the start, as the writer thread counts them. */
export interface CollectorStatus {
  samples: number;
  ticks: number;
  gaps: { reason: string; gaps: number; ticks: number }[];
  bytes: number;
  paddingBytes: number;
  durableLsn: string;
  offsets: { stream: string; nextOffset: number }[];
  waitingForSpace: boolean;
  direct: boolean;
  commitMicros: { p50: number; p99: number; max: number };
  /** from the moment a sample was taken until it was durable */
  durableMicros: { p50: number; p99: number; max: number };
  diskBytes: number;
  freeBytes: number;
  clockSteps: number;
  warnings: string[];
}

/** A group is committed once it holds this much, so that a backlog is written in large pieces. */
const GROUP_TARGET_BYTES = MIB;
/** A flush gives the thread back after this long, so that messages are heard in a backlog. */
const FLUSH_MAX_MS = 100;
const DISK_USE_INTERVAL_MS = 10_000;
const STATUS_STREAMS = 8;

export class Collector {
  readonly #environment: StoreEnvironment;
  readonly #options: CollectorOptions;
  readonly #writer: StoreWriter;
  readonly #catalog: Catalog;
  readonly #opened: OpenedRun[];
  readonly #drains: GroupDrain[] = [];
  readonly #builder: GroupBuilder;
  readonly #utc: UtcOffset;
  readonly #commits = new Histogram();
  readonly #latency = new Histogram();
  readonly #gaps = new Map<string, { gaps: number; ticks: number }>();
  readonly #sums = { samples: 0, ticks: 0, bytes: 0, paddingBytes: 0 };
  readonly #warnings: string[] = [];
  #drained: Drained[] = [];
  /** the group that waits for space is this one's */
  #isPending = false;
  #catalogDue = 0;
  #disk = { due: 0, bytes: 0 };

  /** Opens the store and begins the runs. @throws what StoreWriter.open throws */
  constructor(options: CollectorOptions, environment: StoreEnvironment) {
    this.#options = options;
    this.#environment = environment;
    const { fs, clock } = environment;
    const { dataDir, segmentBytes, groups } = options;
    this.#writer = StoreWriter.open(dataDir, { ...environment, segmentBytes });
    const { paths, identity } = this.#writer;
    this.#catalog = new Catalog(fs, paths.catalog, paths.log, identity.storeId);
    this.#builder = this.#writer.group();
    this.#utc = new UtcOffset(clock);
    this.#opened = this.#writer.beginRuns(groups.flatMap((group) => requestsOf(group)));
    let next = 0;
    for (const group of groups) {
      const opened = this.#opened.slice(next, (next += group.sources.length));
      this.#drains.push(new GroupDrain(group, opened, clock));
    }
    this.#noteWarnings();
  }

  /** The store as this thread owns it: others on it commit between two flushes. */
  get writer(): StoreWriter {
    return this.#writer;
  }

  /**
   * Drains what the rings hold and commits it.
   * @returns true if there is more: the caller lets messages in and calls again
   * @throws whatever is final: STORE_IO, assertions
   */
  flush(): boolean {
    const deadline = monotonicMs() + FLUSH_MAX_MS;
    if (this.#writer.isWaiting && !this.#commit()) return false;
    const utcOffsetNanos = this.#utc.update();
    let more = true;
    while (more && monotonicMs() < deadline) {
      more = false;
      for (const drain of this.#drains) {
        const drained = drain.drain(this.#builder, utcOffsetNanos);
        if (drained === undefined) continue;
        more ||= drained.more;
        this.#drained.push(drained);
        if (this.#builder.bytes >= GROUP_TARGET_BYTES && !this.#commit()) return false;
      }
    }
    if (!this.#builder.isEmpty && !this.#commit()) return false;
    this.#writer.prepare();
    this.#checkpoint();
    return more;
  }

  /** @returns false if the disk is full: the group is pending */
  #commit(): boolean {
    const before = monotonicMs();
    // what waits may also be what somebody else on this thread has committed
    const isOwn = !this.#writer.isWaiting || this.#isPending;
    let items: DataItem[];
    try {
      items = this.#writer.isWaiting ? this.#writer.resume() : this.#writer.commit(this.#builder);
    } catch (error) {
      if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
      this.#isPending = isOwn;
      this.#setFullReason(REASONS.full);
      return false;
    }
    this.#isPending = false;
    this.#setFullReason(REASONS.overflow);
    if (!isOwn) return true;
    this.#commits.add((monotonicMs() - before) * 1000);
    this.#count(items);
    return true;
  }

  #setFullReason(reason: number): void {
    for (const { ring } of this.#options.groups) setFullReason(ring, reason);
  }

  #count(items: readonly DataItem[]): void {
    for (const item of items) {
      const { content } = item;
      this.#sums.samples += item.samples;
      this.#sums.bytes += item.bytes;
      this.#sums.paddingBytes += item.paddingBytes;
      if (content.kind === 'batch') this.#sums.ticks += content.times.ticks;
      else if (content.kind === 'gap') this.#sums.ticks += content.gap.ticks?.count ?? 0;
      for (const { reason, ticks } of gapsOf(item)) this.#countGap(reason, ticks);
    }
    const now = Number(this.#environment.clock.read().monotonicNanos);
    for (const { rows, firstTimeNanos, lastTimeNanos } of this.#drained) {
      this.#countLatency(now, rows, firstTimeNanos, lastTimeNanos);
    }
    this.#drained = [];
  }

  #countGap(reason: string, ticks: number): void {
    const sum = this.#gaps.get(reason) ?? { gaps: 0, ticks: 0 };
    this.#gaps.set(reason, { gaps: sum.gaps + 1, ticks: sum.ticks + ticks });
  }

  /** Rows of one drain lie evenly between the first and the last: 16 points stand for them. */
  #countLatency(now: number, rows: number, first: number, last: number): void {
    if (rows === 0) return;
    const points = Math.min(rows, 16);
    for (let i = 0; i < points; i++) {
      const taken = points === 1 ? last : first + ((last - first) * i) / (points - 1);
      this.#latency.add(Math.max(0, now - taken) / 1000, rows / points);
    }
  }

  #checkpoint(): void {
    const now = monotonicMs();
    if (now < this.#catalogDue) return;
    this.#catalogDue = now + CATALOG_MAX_LAG_MS;
    this.#writer.keepMark();
    this.#catalog.checkpoint(this.#writer.state, this.#writer.durableEnd);
  }

  status(): CollectorStatus {
    const { fs } = this.#environment;
    const { dir } = this.#writer.paths;
    const now = monotonicMs();
    if (now >= this.#disk.due) {
      this.#disk = { due: now + DISK_USE_INTERVAL_MS, bytes: fs.diskUse(dir) };
    }
    const offsets = this.#opened.slice(0, STATUS_STREAMS).map(({ stream }) => ({
      stream: stream.name,
      nextOffset: stream.nextOffset,
    }));
    return {
      ...this.#sums,
      gaps: [...this.#gaps].map(([reason, sum]) => ({ reason, ...sum })),
      durableLsn: formatLsn(this.#writer.durableEnd),
      offsets,
      waitingForSpace: this.#writer.isWaiting,
      direct: this.#writer.direct,
      commitMicros: quantiles(this.#commits),
      durableMicros: quantiles(this.#latency),
      diskBytes: this.#disk.bytes,
      freeBytes: fs.info(dir).freeBytes,
      clockSteps: this.#utc.steps,
      warnings: this.#catalog.problem
        ? [...this.#warnings, `the catalog is being made anew: ${this.#catalog.problem}`]
        : this.#warnings,
    };
  }

  /**
   * Drains what is left, ends the runs and closes the store. Samplers have stopped before.
   * @returns false if the disk is full: what is pending cannot be made durable now
   */
  close(reason: string): boolean {
    while (this.flush());
    if (this.#writer.isWaiting) {
      this.#writer.abandon();
      this.#catalog.close();
      return false;
    }
    for (const { run } of this.#opened) this.#writer.addRunEnd(this.#builder, run, reason);
    if (!this.#builder.isEmpty) this.#writer.commit(this.#builder);
    this.#catalogDue = 0;
    this.#checkpoint();
    this.#catalog.close();
    this.#writer.close();
    return true;
  }

  #noteWarnings(): void {
    const { recovered, paths } = this.#writer;
    const { warning } = this.#environment.fs.info(paths.dir);
    if (warning !== undefined) this.#warnings.push(warning);
    for (const fault of recovered?.faults ?? []) {
      if (!fault.lost) continue;
      this.#warnings.push(`damage in ${fault.file} at byte ${fault.offset}: ${fault.what}`);
    }
    for (const { name, stream } of this.#mismatches()) {
      this.#warnings.push(
        `${name}: the stream keeps the ${stream.samplesPerEvent} samples per event it was made with`,
      );
    }
  }

  #mismatches(): { name: string; stream: OpenedRun['stream'] }[] {
    const sources = this.#options.groups.flatMap((group) => group.sources);
    return this.#opened
      .map(({ stream }, i) => ({ stream, wanted: sources[i]!.samplesPerEvent, name: stream.name }))
      .filter(({ stream, wanted }) => stream.samplesPerEvent !== wanted);
  }
}

function requestsOf(group: GroupSpec): RunRequest[] {
  const { t0Nanos, periodNanos, resolutionNanos } = group;
  return group.sources.map((source: GroupSource) => {
    const { stream, schema, samplesPerEvent, writer, attributes } = source;
    const schedule = { t0Nanos, periodNanos, resolutionNanos };
    return { stream, schema, samplesPerEvent, writer, attributes, ...schedule };
  });
}

function quantiles(histogram: Histogram): { p50: number; p99: number; max: number } {
  return {
    p50: histogram.quantile(0.5),
    p99: histogram.quantile(0.99),
    max: histogram.max,
  };
}
