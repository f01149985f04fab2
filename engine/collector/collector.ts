/**
 * The writer thread's work: at each flush it drains all rings into one group and makes it durable.
 *
 *   ring ─ GroupDrain ─┐
 *   ring ─ GroupDrain ─┼─▶ GroupBuilder ─▶ StoreWriter.commit ─▶ mark (readers wake up)
 *   ring ─ GroupDrain ─┘
 *
 * In a backlog two groups take turns: while the disk writes one, the other is filled.
 *
 * If the disk is full the encoded group stays where it is and is tried again at each flush; the
 * rings fill up behind it, and the ticks that no longer fit are gap(full). Nothing here waits for
 * anything but the disk, and no step is longer than one group.
 */
import { resolve } from 'node:path';
import { isCode } from '../base/errors.ts';
import { monotonicMs } from '../base/clock.ts';
import { REASONS } from '../batch/ledger.ts';
import type { Meanwhile } from '../files/file-system.ts';
import { setFullReason } from '../ring/layout.ts';
import { Catalog } from '../store/state/catalog.ts';
import { NO_ROOM_FOR_NEW } from '../store/write/admission.ts';
import { setChunksDir, setRetention } from '../store/write/changes.ts';
import type { DataItem } from '../store/entries/data-item.ts';
import { formatLsn, segmentOf } from '../store/entries/format.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import type { StoreEnvironment } from '../store/store.ts';
import type { RetentionEntry } from '../store/entries/retention-entry.ts';
import { StoreWriter, type OpenedRun } from '../store/write/writer.ts';
import { Growth, limitBytes } from '../base/growth.ts';
import { Account, type AccountStatus } from './account.ts';
import { Checkpoints } from './checkpoints.ts';
import { endWithoutRoom } from './end-without-room.ts';
import { GroupDrain } from './group-drain.ts';
import { mismatches, requestsOf, type Drained, type GroupSpec } from './group-spec.ts';
import { UtcOffset } from './utc-offset.ts';

export interface CollectorOptions {
  dataDir: string;
  segmentBytes: number;
  /** what is to be kept; undefined: what the store was told last */
  retention?: RetentionEntry | undefined;
  /** where chunks go; undefined: into the store itself */
  chunksDir?: string | undefined;
  groups: GroupSpec[];
}

/** What the writer thread tells of itself. */
export interface CollectorStatus extends AccountStatus {
  durableLsn: string;
  /** number of the log's segment that is being written */
  segment: number;
  offsets: { stream: string; nextOffset: number }[];
  waitingForSpace: boolean;
  direct: boolean;
  diskBytes: number;
  limitBytes: number;
  fullInSeconds: number | null;
  freeBytes: number;
  clockSteps: number;
  warnings: string[];
}

/** A flush gives the thread back after this long, so that messages are heard in a backlog. */
const FLUSH_MAX_MS = 100;
const DISK_USE_INTERVAL_MS = 10_000;
const STATUS_STREAMS = 8;
const PARTIAL =
  'damage has taken what the log said of its streams: nothing is sealed or let go of any more; ' +
  'keep the store as it is, and go on in another one';

/** A rate group as this thread has it. */
interface CollectedGroup {
  spec: GroupSpec;
  opened: OpenedRun[];
  drain: GroupDrain;
}

export class Collector {
  readonly #environment: StoreEnvironment;
  readonly #writer: StoreWriter;
  readonly #catalog: Catalog;
  readonly #checkpoints: Checkpoints;
  /** numbered in the order in which they were begun */
  readonly #groups = new Map<number, CollectedGroup>();
  #nextGroup = 0;
  /** of a replacement of groups: each ends in at most one write, and a full disk delays the next */
  readonly #steps: (() => void)[] = [];
  /** the group that is being filled */
  #builder: GroupBuilder;
  /** takes its turn while the other one is being written */
  #other: GroupBuilder;
  readonly #utc: UtcOffset;
  /** of the flush that is under way */
  #utcOffsetNanos = 0n;
  readonly #account = new Account();
  readonly #warnings: string[] = [];
  /** what the group that is being filled holds, and the one that is being written */
  #drained: Drained[] = [];
  #written: Drained[] = [];
  #isClosing = false;
  /** the group that waits for space is this one's */
  #isPending = false;
  #disk = { due: 0, bytes: 0 };
  readonly #growth = new Growth();

  /** Opens the store and begins the runs. @throws what StoreWriter.open throws */
  constructor(options: CollectorOptions, environment: StoreEnvironment) {
    this.#environment = environment;
    const { fs, clock } = environment;
    const { dataDir, segmentBytes, retention, groups } = options;
    this.#writer = StoreWriter.open(dataDir, {
      ...environment,
      segmentBytes,
      budget: retention?.budget ?? 'as-told',
    });
    const { paths, identity } = this.#writer;
    this.#catalog = new Catalog(fs, paths.catalog, paths.log, identity.storeId);
    this.#checkpoints = new Checkpoints(this.#writer, this.#catalog);
    this.#builder = this.#writer.group();
    this.#other = this.#writer.group();
    this.#utc = new UtcOffset(clock);
    this.#addGroups(groups, this.#begin(options));
    this.#noteWarnings();
  }

  /** If it cannot begin, nobody owns the store. */
  #begin({ groups, retention, chunksDir }: CollectorOptions): OpenedRun[] {
    try {
      setChunksDir(this.#writer, chunksDir && resolve(chunksDir));
      if (retention) setRetention(this.#writer, retention);
      return this.#writer.beginRuns(groups.flatMap((group) => requestsOf(group)));
    } catch (error) {
      this.#catalog.close();
      this.#writer.abandon();
      throw error;
    }
  }

  #addGroups(specs: readonly GroupSpec[], runs: readonly OpenedRun[]): void {
    // together with a group that is just below its target it fits in a segment
    const drainLimit = this.#writer.identity.segmentBytes / 2;
    let next = 0;
    for (const spec of specs) {
      const opened = runs.slice(next, (next += spec.sources.length));
      const drain = new GroupDrain(spec, opened, this.#environment.clock, drainLimit);
      this.#groups.set(this.#nextGroup++, { spec, opened, drain });
      this.#warnings.push(...mismatches(spec, opened));
    }
  }

  /**
   * Could these be begun? If so, nobody else gets into their streams before `replaceGroups`.
   * @param retention what is kept from now on; undefined: as it is
   * @throws USAGE for a stream that holds something else, or a writer of another store; NO_SPACE:
   *   nothing has changed
   */
  prepare(specs: readonly GroupSpec[], retention: RetentionEntry | undefined): void {
    const requests = specs.flatMap((spec) => requestsOf(spec));
    this.#writer.addRuns(this.#writer.planGroup(this.#writer.group()), requests);
    if (retention) setRetention(this.#writer, retention);
    this.#writer.openRuns.expect(requests.map(({ stream }) => stream));
  }

  /**
   * Ends the runs of groups whose samplers have stopped, then begins those of others, which
   * `prepare` has found good. On a full disk the rest comes when there is space.
   */
  replaceGroups(
    ended: readonly number[],
    begun: readonly GroupSpec[],
    whenBegun: () => void,
  ): void {
    const requests = begun.flatMap((spec) => requestsOf(spec));
    let opened: () => OpenedRun[] = () => [];
    this.#steps.push(
      () => ended.forEach((group) => this.#endGroup(group)),
      () => {
        if (requests.length === 0) return;
        opened = this.#writer.addRuns(this.#writer.planGroup(this.#builder), requests);
      },
      () => {
        this.#addGroups(begun, opened());
        this.#writer.openRuns.expect([]);
        whenBegun();
      },
    );
    while (this.flush());
  }

  #endGroup(group: number): void {
    this.#endRuns(this.#groups.get(group)?.opened ?? []);
    this.#groups.delete(group);
  }

  #endRuns(opened: readonly OpenedRun[]): void {
    for (const { run } of opened) this.#writer.addRunEnd(this.#builder, run);
  }

  /** @returns false if the disk is full */
  #takeSteps(): boolean {
    while (this.#steps.length > 0) {
      this.#steps.shift()!();
      if (!this.#builder.isEmpty && !this.#commit()) return false;
    }
    return true;
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
    const deadline = monotonicMs(this.#environment.clock) + FLUSH_MAX_MS;
    if (this.#writer.isWaiting && !this.#commit()) return false;
    this.#utcOffsetNanos = this.#utc.update();
    let more = true;
    while (more && monotonicMs(this.#environment.clock) < deadline) {
      more = false;
      for (const group of this.#groups.values()) {
        const turn = { more: true };
        const fill: Meanwhile = (isWriting) => {
          while (turn.more && !this.#isFull && isWriting()) turn.more = this.#drain(group);
        };
        if (this.#isFull) {
          if (!this.#commit(fill)) return false;
          this.#writer.prepare(fill);
        }
        if (turn.more && !this.#isFull) turn.more = this.#drain(group);
        more ||= turn.more;
      }
    }
    if (!this.#builder.isEmpty && !this.#commit()) return false;
    // what the rings of ended groups held is durable by now
    if (!more && !this.#takeSteps()) return false;
    this.#writer.prepare();
    this.#checkpoints.step(monotonicMs(this.#environment.clock));
    return more;
  }

  get #isFull(): boolean {
    return this.#builder.bytes >= this.#writer.groupLimit;
  }

  /** Takes rows of a ring into the group. @returns true if it holds more */
  #drain(group: CollectedGroup): boolean {
    if (this.#isRefused(group)) {
      setFullReason(group.spec.ring, REASONS.full);
      return false;
    }
    const drained = group.drain.drain(this.#builder, this.#utcOffsetNanos);
    if (drained === undefined) return false;
    this.#drained.push(drained);
    return drained.more;
  }

  /**
   * At the end a disk that is full is asked a second time: it may have been so for a moment.
   * @param meanwhile called while the disk writes, or not at all; the next group is empty then
   * @returns false if the disk is full: the group is pending
   */
  #commit(meanwhile?: Meanwhile): boolean {
    const before = this.#environment.clock.read().monotonicNanos;
    // what waits may also be what somebody else on this thread has committed
    const isFirst = !this.#writer.isWaiting;
    const isOwn = isFirst || this.#isPending;
    let items: DataItem[];
    try {
      items = isFirst ? this.#write(meanwhile) : this.#writer.resume();
    } catch (error) {
      if (!isCode(error, 'NO_SPACE')) throw error;
      this.#isPending = isOwn;
      this.#setFullReason(true);
      return isFirst && this.#isClosing && this.#commit();
    }
    this.#isPending = false;
    this.#setFullReason(false);
    if (!isOwn) return true;
    const { monotonicNanos } = this.#environment.clock.read();
    const micros = Number(monotonicNanos - before) / 1000;
    this.#account.add(items, this.#written, micros, monotonicNanos);
    this.#written = [];
    return true;
  }

  #write(meanwhile: Meanwhile | undefined): DataItem[] {
    [this.#written, this.#drained] = [this.#drained, []];
    const builder = this.#builder;
    if (meanwhile) [this.#builder, this.#other] = [this.#other, builder];
    return this.#writer.commit(builder, meanwhile);
  }

  /** What a ring that is full means for the ticks that it cannot take. */
  #setFullReason(isFull: boolean): void {
    for (const group of this.#groups.values()) {
      const reason = isFull || this.#isRefused(group) ? REASONS.full : REASONS.overflow;
      setFullReason(group.spec.ring, reason);
    }
  }

  /** Its streams reject what is new, and there is no room: what its ring holds stays there. */
  #isRefused({ spec }: CollectedGroup): boolean {
    const { admission } = this.#writer;
    // what ends is drained first
    if (!admission.isScarce || this.#isClosing || this.#steps.length > 0) return false;
    return spec.sources.every(({ stream }) => admission.refuses(stream));
  }

  status(): CollectorStatus {
    const { fs } = this.#environment;
    const { dir } = this.#writer.paths;
    const now = monotonicMs(this.#environment.clock);
    const { freeBytes } = fs.info(dir);
    if (now >= this.#disk.due) {
      this.#disk = { due: now + DISK_USE_INTERVAL_MS, bytes: fs.diskUse(dir) };
      this.#growth.note(now, this.#disk.bytes);
    }
    const limit = limitBytes(this.#disk.bytes, freeBytes, this.#writer.budget);
    const opened = [...this.#groups.values()].flatMap((group) => group.opened);
    const offsets = opened.slice(0, STATUS_STREAMS).map(({ stream }) => ({
      stream: stream.name,
      nextOffset: stream.nextOffset,
    }));
    return {
      ...this.#account.status(),
      durableLsn: formatLsn(this.#writer.durableEnd),
      segment: segmentOf(this.#writer.durableEnd),
      offsets,
      waitingForSpace: this.#writer.isWaiting,
      direct: this.#writer.direct,
      diskBytes: this.#disk.bytes,
      limitBytes: limit,
      fullInSeconds: this.#growth.secondsUntil(limit),
      freeBytes,
      clockSteps: this.#utc.steps,
      warnings: [...this.#warnings, ...this.#passingWarnings()],
    };
  }

  #passingWarnings(): string[] {
    const { problem } = this.#catalog;
    const { isScarce } = this.#writer.admission;
    return [
      ...(problem ? [`the catalog is not up to date: ${problem}`] : []),
      ...(isScarce ? [NO_ROOM_FOR_NEW] : []),
      ...this.#writer.spills.warnings,
    ];
  }

  /**
   * Drains what is left, ends the runs and closes the store. Samplers have stopped before.
   * @returns false if the disk is full: what is pending cannot be made durable now
   */
  close(): boolean {
    this.#isClosing = true;
    while (this.flush());
    if (!this.#end()) {
      const { clock } = this.#environment;
      if (this.#writer.isWaiting) endWithoutRoom(this.#writer, this.#groups.values(), clock);
      this.#writer.abandon();
      this.#catalog.close();
      return false;
    }
    this.#checkpoints.finish();
    this.#writer.close();
    return true;
  }

  /** @returns false if there is no space for it */
  #end(): boolean {
    if (this.#writer.isWaiting) return false;
    // they stay in the status, which is asked for once more
    for (const { opened } of this.#groups.values()) this.#endRuns(opened);
    return this.#builder.isEmpty || this.#commit();
  }

  #noteWarnings(): void {
    const { recovered, paths } = this.#writer;
    this.#warnings.push(...this.#writer.warnings);
    if (this.#writer.state.isPartial) this.#warnings.push(PARTIAL);
    const { warning } = this.#environment.fs.info(paths.dir);
    if (warning !== undefined) this.#warnings.push(warning);
    for (const fault of recovered?.faults ?? []) {
      if (!fault.lost) continue;
      this.#warnings.push(`damage in ${fault.file} at byte ${fault.offset}: ${fault.what}`);
    }
  }
}
