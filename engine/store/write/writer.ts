/**
 * The owner's side of a store: one process, one thread, holds the lock and writes the log.
 *
 *   open ─▶ lock ─▶ recover ─▶ fdatasync what was read ─▶ mark ─▶ group {start} ─▶ … ─▶ {shutdown}
 *
 * It adds control entries to groups (streams, schemas, runs and with them epochs), numbers events,
 * and leaves columns to whoever fills the group: the rate groups of the recorder write theirs
 * straight into the builder. All calls are synchronous and end when the group is durable.
 */
import { defined } from '../../base/assert.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { BLOCK_BYTES, EVENT_MAX_BYTES, GROUP_TARGET_BYTES } from '../../base/constants.ts';
import { errnoCode, ioError, isCode, isNoSpace, openError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import { encodeEvents } from '../../batch/format.ts';
import { packEvents } from '../../batch/opaque.ts';
import type { FileSystem, Lock, MarkFile, Meanwhile } from '../../files/file-system.ts';
import { usingFile } from '../../files/using-file.ts';
import { Admission } from './admission.ts';
import { allowsGrowth, checkBudget } from './budget.ts';
import type { StoreBudget } from '../entries/retention-entry.ts';
import { catalogFacts } from '../state/catalog.ts';
import {
  identityEntry,
  runEndEntry,
  shutdownEntry,
  startEntry,
  type IdentityEntry,
  type RunSnapshot,
  type StreamSnapshot,
} from '../entries/control-entries.ts';
import type { DataItem } from '../entries/data-item.ts';
import { storePaths, type StorePaths } from '../log/files.ts';
import { hex } from '../../base/bytes.ts';
import { ENTRY_FLAG, KIND, segmentOf, type Lsn, type StoreIdentity } from '../entries/format.ts';
import { GroupBuilder } from '../log/group.ts';
import { LogWriter } from './log-writer.ts';
import { segmentPath } from '../log/segment.ts';
import { MARK_STATE, createMark, isInPlace } from '../log/mark.ts';
import { idsOf, settleIdentity } from '../state/identity.ts';
import { addLosses } from './lost-entries.ts';
import { takeLock } from './lock.ts';
import { OpenRuns } from './open-runs.ts';
import { addPosition, type InputPosition } from '../state/positions.ts';
import { addReached } from '../state/reached.ts';
import { recoverUnowned, startOf, type Recovered } from '../state/recover.ts';
import { ballastAlone, fromReserve, makeBallast, wholeReserve } from './reserve.ts';
import { GroupPlan, type RunRequest } from './group-plan.ts';
import { Spills } from './spill.ts';
import { ControlState } from '../state/state.ts';

export interface StoreWriterOptions {
  fs: FileSystem;
  clock: Clock;
  random: Random;
  /** size of the log's segments if the store is made now; else what it was made with holds */
  segmentBytes?: number;
  /** what the store may take of the disk; undefined: all of it; or as it was told last */
  budget?: StoreBudget | 'as-told';
  /** of a transaction in memory; what is more is spilled. Default: what a group takes */
  spillBytes?: number;
  /** version of the program, for the start entry */
  version: string;
  /** blocks the thread for some ms, while waiting for readers to let go of the lock */
  pause: (ms: number) => void;
}

export interface OpenedRun {
  run: RunSnapshot;
  stream: StreamSnapshot;
  /** the writer's run before this one, as it was when this one began */
  before: RunSnapshot | undefined;
}

export class StoreWriter {
  readonly paths: StorePaths;
  readonly state: ControlState;
  readonly identity: StoreIdentity;
  readonly direct: boolean;
  /** what it may take of the disk; undefined: all of it */
  readonly budget: StoreBudget | undefined;
  /** which streams may take records */
  readonly admission: Admission;
  readonly openRuns: OpenRuns;
  /** what a person should know of this opening */
  readonly warnings: readonly string[];
  /** where transactions go that are larger than a group */
  readonly spills: Spills;
  /** what recovery found that was not as it should be */
  readonly recovered: Recovered | undefined;
  readonly #options: StoreWriterOptions;
  readonly #lock: Lock;
  #mark: MarkFile;
  readonly #log: LogWriter;
  /** grows with each owner */
  readonly #generation: number;

  private constructor(dir: string, options: StoreWriterOptions, lock: Lock) {
    const { fs, clock, random } = options;
    this.#options = options;
    this.#lock = lock;
    this.paths = storePaths(dir);
    fs.makeDirectory(this.paths.log);
    this.direct = fs.probeDirect(this.paths.log);
    this.recovered = recoverUnowned(fs, this.paths, clock.bootId());
    const settled = settleIdentity(this.paths, this.recovered?.state, options);
    this.identity = settled.identity;
    this.warnings = settled.warnings;
    this.state = this.recovered?.state ?? new ControlState();
    this.openRuns = new OpenRuns(this.state);
    const { budget } = options;
    this.budget = budget === 'as-told' ? this.state.retention?.budget : budget;
    checkBudget(dir, this.identity.segmentBytes, this.budget);
    if (this.recovered) this.#settle(this.recovered);
    this.#generation = this.state.generation + 1;
    this.#mark = this.#createMark(wholeReserve);
    const { paths, identity, direct, state } = this;
    this.admission = new Admission({ fs, dir, state, identity, budget: this.budget });
    const mayGrow = (bytes: number) => allowsGrowth(fs, paths.dir, bytes, this.budget);
    const place = { fs, clock, random, direct, identity, mayGrow };
    const { groupLimit: groupBytes, eventLimit: entryBytes } = this;
    const limits = { groupBytes: options.spillBytes ?? groupBytes, entryBytes };
    this.spills = new Spills({ ...place, ...limits, dir: paths.spills });
    const onDurable = (end: Lsn) => this.#mark.publish(end, this.#generation);
    this.#log = new LogWriter(
      { ...place, logDir: paths.log, ballastPath: paths.ballast, state, onDurable },
      this.recovered && startOf(this.recovered),
    );
    try {
      if (this.recovered?.faults.some(({ lost }) => lost)) this.spills.withhold(state.spills);
      // sealed and not let go of yet, when the last owner ended
      this.recycleSealed();
      makeBallast(fs, paths);
      this.#start(settled.entry);
    } catch (error) {
      // on a full disk the whole of this is tried again: nothing may stay open
      this.#log.close();
      this.#mark.close();
      throw error;
    }
  }

  /**
   * Opens the store in `dir` as its owner, making it if the directory is empty or missing.
   * @throws STORE_IN_USE, READ_ONLY, NO_SPACE, STORE_IO, FORMAT_VERSION, DAMAGED
   */
  static open(dir: string, options: StoreWriterOptions): StoreWriter {
    try {
      options.fs.makeDirectory(dir);
      const lock = takeLock(dir, { ...options, isKeeper: options.budget === 'as-told' });
      try {
        return new StoreWriter(dir, options, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      throw openError(error, 'cannot open the store in', dir);
    }
  }

  get durableEnd(): Lsn {
    return this.#log.end;
  }

  get isWaiting(): boolean {
    return this.#log.hasPending;
  }

  /** The largest event this store takes, bytes. */
  get eventLimit(): number {
    return Math.min(EVENT_MAX_BYTES, Math.floor(this.identity.segmentBytes / 2));
  }

  /** The most bytes of events to append at once, unless it is a single one. */
  get groupLimit(): number {
    return Math.min(GROUP_TARGET_BYTES, Math.floor(this.identity.segmentBytes / 4));
  }

  group(): GroupBuilder {
    return new GroupBuilder(BLOCK_BYTES);
  }

  /**
   * See `LogWriter.commit`; on NO_SPACE the mark says "waiting", and `resume` goes on. The group
   * also says how far those have come whose last records are in the group before it.
   * @param meanwhile called while the disk writes, or not at all; fills another builder
   */
  commit(builder: GroupBuilder, meanwhile?: Meanwhile): DataItem[] {
    addReached(builder, this.state, this.state.progress.last);
    return this.#whileWaiting(() => this.#log.commit(builder, false, meanwhile));
  }

  /** Control entries without which nothing begins or ends: see `LogWriter.commit`. */
  #commitControl(builder: GroupBuilder, runs: ReadonlySet<number>): void {
    addReached(builder, this.state, runs);
    this.#whileWaiting(() => this.#log.commit(builder, true));
  }

  resume(): DataItem[] {
    return this.#whileWaiting(() => this.#log.resume());
  }

  /** Writes zeros ahead for the next segment; between commits, a few pieces at a time. */
  prepare(meanwhile?: Meanwhile): void {
    this.#log.prepare(meanwhile);
  }

  /** Lets go of segments whose records are in chunks. */
  recycleSealed(): void {
    this.#log.recycleBefore(this.state.sealedEnd);
    this.spills.sweep(this.state.spills);
  }

  /** Readers find the owner by its mark: one that was deleted or damaged is made anew. */
  keepMark(): void {
    const { fs, clock } = this.#options;
    const lost = this.#mark;
    try {
      if (isInPlace(fs, this.paths.mark, clock.bootId(), lost)) return;
      this.#mark = this.#createMark(ballastAlone);
    } catch (error) {
      // on a full disk it has to wait, like everything else
      if (isNoSpace(error)) return;
      throw ioError(error, 'cannot keep the mark', this.paths.mark);
    }
    this.#mark.publish(this.#log.end, this.#generation);
    lost.close();
  }

  #whileWaiting(work: () => DataItem[]): DataItem[] {
    try {
      const items = work();
      this.spills.settle(this.state.spills);
      this.#mark.setState(MARK_STATE.open);
      this.admission.reached(segmentOf(this.#log.end));
      return items;
    } catch (error) {
      const full = isCode(error, 'NO_SPACE');
      this.#mark.setState(full ? MARK_STATE.waiting : MARK_STATE.failed);
      throw error;
    }
  }

  /** Creates what streams and schemas are missing and begins the runs: one group, all or none. */
  beginRuns(requests: readonly RunRequest[]): OpenedRun[] {
    const builder = this.group();
    const begun = this.addRuns(this.planGroup(builder), requests);
    if (!builder.isEmpty) this.#commitControl(builder, this.state.progress.last);
    return begun();
  }

  /** The same within a group of the caller's. @returns the runs: call it once that is durable */
  addRuns(plan: GroupPlan, requests: readonly RunRequest[]): () => OpenedRun[] {
    const before = requests.map((request) => plan.add(request));
    return () =>
      requests.map((request, i) => {
        const stream = defined(this.state.streamNamed(request.stream), request.stream);
        const run = defined(this.state.latestRun(stream.id, request.writer), request.writer);
        this.openRuns.begun(run);
        return { stream, run, before: before[i] };
      });
  }

  /** Numbers what is in a group of the caller's, from now on until it is committed. */
  planGroup(builder: GroupBuilder): GroupPlan {
    return new GroupPlan(this.state, this.#options, builder);
  }

  /**
   * Adds control entries to a group of their own and makes it durable, also while records wait for
   * space; see `changes.ts`. @throws NO_SPACE if there is not even room for that: nothing happened
   */
  change(add: (builder: GroupBuilder) => void): void {
    const builder = this.group();
    add(builder);
    if (builder.isEmpty) return;
    addReached(builder, this.state, this.state.progress.last);
    this.#log.commitAhead(builder);
  }

  /** Does a run that this owner has begun write to the stream, or what waits for space? */
  isRecording(stream: number): boolean {
    return this.openRuns.of(stream).length > 0 || this.#log.isPending(stream);
  }

  addRunEnd(builder: GroupBuilder, run: RunSnapshot, reason = 'stopped'): void {
    this.openRuns.ended(run);
    const entry = runEndEntry.encode({ run: run.id, lastTick: run.lastTick, reason });
    builder.add(KIND.runEnd, run.stream, entry);
  }

  /**
   * Appends events in one group, and where their input is.
   * @param events within the store's limits (`engine/store/event-limits.ts`)
   * @returns their records, durable
   */
  appendEvents(
    { run, stream }: OpenedRun,
    events: readonly Uint8Array[],
    position?: InputPosition,
  ): DataItem {
    const builder = this.group();
    const entry = packEvents(events, {
      run: run.id,
      firstSeq: run.nextSeq,
      firstOffset: stream.nextOffset,
      utcNanos: this.#options.clock.read().utcNanos,
    });
    builder.add(KIND.events, stream.id, encodeEvents(entry));
    if (position) addPosition(builder, run, entry, position);
    const [item] = this.commit(builder);
    this.prepare();
    return defined(item, 'the appended events');
  }

  /**
   * Writes the shutdown entry, if there is room for it, and lets go of everything, whatever comes
   * of that. Runs have been ended before.
   */
  close(): void {
    try {
      const builder = this.group();
      const { utcNanos } = this.#options.clock.read();
      builder.add(KIND.shutdown, 0, shutdownEntry.encode({ utcNanos }));
      edge('shutdown-entry', () => this.#commitControl(builder, this.state.progress.moved));
      this.#mark.setState(MARK_STATE.closed);
    } catch (error) {
      if (!isCode(error, 'NO_SPACE')) throw error;
    } finally {
      this.abandon();
    }
  }

  /** Lets go without a word in the log: what follows a failure looks like a crash, and is one. */
  abandon(): void {
    this.#log.close();
    this.#mark.close();
    this.#lock.release();
  }

  /** Damage at the end of the log shows by other witnesses than the log. */
  #examine(recovered: Recovered): void {
    const { fs } = this.#options;
    if (!recovered.faults.some(({ lost }) => lost)) return;
    const { state } = recovered;
    const ids = idsOf(this.identity, state);
    state.losses.reach(state, catalogFacts(fs, this.paths.catalog, state, ids), true);
  }

  /** What recovery has read becomes durable before anything is built upon it. */
  #settle(recovered: Recovered): void {
    this.#examine(recovered);
    const { fs } = this.#options;
    const { end, unbegun } = recovered;
    const newest = segmentPath(this.paths.log, segmentOf(end));
    edge('recovered-sync', () => usingFile(fs, newest, 'write', (file) => file.sync()));
    for (const segment of unbegun) {
      edge('unbegun-remove', () => fs.remove(segmentPath(this.paths.log, segment)));
    }
    fs.syncDirectory(this.paths.log);
  }

  #createMark(reserve: typeof wholeReserve): MarkFile {
    const { fs, clock } = this.#options;
    const { storeId } = this.identity;
    const ids = { storeId, bootId: clock.bootId(), generation: this.#generation };
    const create = () => createMark(fs, this.paths.mark, ids);
    return fromReserve(fs, () => reserve(fs, this.paths), create);
  }

  #start(identity: IdentityEntry | undefined): void {
    const { clock, version } = this.#options;
    const builder = this.group();
    const start = {
      bootId: clock.bootId(),
      machineId: hex(this.identity.machineId),
      generation: this.#generation,
      utcNanos: clock.read().utcNanos,
      version,
    };
    builder.add(KIND.start, 0, startEntry.encode(start));
    if (identity) {
      builder.add(KIND.identity, 0, identityEntry.encode(identity), ENTRY_FLAG.ignorable);
    }
    addLosses(builder, this.state);
    this.#commitControl(builder, this.state.progress.moved);
  }
}
