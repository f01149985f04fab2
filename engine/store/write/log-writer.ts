/**
 * The only code that writes to the log. One group (or run of groups) at a time:
 *
 *   commit ─▶ room? ──no──▶ footer · next segment: zeros, rename, header, snapshot
 *               │yes
 *               ▼
 *          apply to the state (asserts seqs and offsets) ─▶ write, durable ─▶ publish the mark
 *                                                             ╎
 *                                                   meanwhile: the caller fills its next group
 *
 * A block that holds acknowledged bytes is never written again. If the disk is full the commit is
 * pending: `resume` tries it again, from where it stood; nothing of it has been acknowledged. Any
 * other failure of a write is final (fsyncgate: a second sync may say OK and the data be gone).
 */
import { assert } from '../../base/assert.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { BLOCK_BYTES } from '../../base/constants.ts';
import { HelicorderError, ioError, isCode } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { DurableFile, Meanwhile } from '../../files/file-system.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { LogStart } from '../state/recover.ts';
import type { ControlState } from '../state/state.ts';
import {
  GROUP_FLAG,
  KIND,
  NO_LINK,
  alignUp,
  encodeSegmentHeader,
  groupLimit,
  makeLsn,
  offsetOf,
  segmentOf,
  type Link,
  type Lsn,
  type SegmentHeader,
  type StoreIdentity,
} from '../entries/format.ts';
import { GroupBuilder, GroupMemory, plannedSize, type PlannedGroup } from '../log/group.ts';
import { SegmentIndex } from '../entries/segment-index.ts';
import { NextSegment, Pace, type SegmentPlace } from './next-segment.ts';
import { openSegment, recycleBefore, segmentPath, tooLarge } from '../log/segment.ts';

export interface LogWriterOptions extends SegmentPlace {
  clock: Clock;
  random: Random;
  identity: StoreIdentity;
  state: ControlState;
  /** does the store's budget allow `bytes` more? */
  mayGrow: (bytes: number) => boolean;
  /** called after each commit has become durable, before commit returns */
  onDurable: (end: Lsn) => void;
}

interface Pending {
  builder: GroupBuilder;
  /** set once the state has taken the group in: from then on only the write is missing */
  items: DataItem[] | undefined;
  /** what may use the end of a segment, and take a new one beyond the budget */
  isControl: boolean;
}

interface CurrentSegment {
  header: SegmentHeader;
  file: DurableFile;
  index: SegmentIndex;
  /** the footer is written; the next group goes into the next segment */
  finished: boolean;
  /** taken beyond the budget, for control entries: records may use it once there is room again */
  isReserve: boolean;
  pace: Pace;
}

/**
 * How far the zeros of the next segment are ahead of the groups in this one. Little: at full speed
 * the disk has to take both.
 */
const ZEROS_LEAD = 1.25;
/** The end of a segment that only control entries may use, while records wait for space. */
const CONTROL_RESERVE_BYTES = 16 * BLOCK_BYTES;
const LETTING_GO = 'cannot let go of what is sealed in';

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #memory: GroupMemory;
  #segment: CurrentSegment | undefined;
  #offset = 0;
  #last: Link = NO_LINK;
  readonly #next: NextSegment;
  /** of the last one that was made */
  #snapshotBytes = 0;
  #pending: Pending | undefined;
  #failure: HelicorderError | undefined;

  constructor(options: LogWriterOptions, start: LogStart | undefined) {
    this.#options = options;
    this.#memory = new GroupMemory(options.fs);
    this.#next = new NextSegment(options, options.identity.segmentBytes);
    if (start === undefined) return;
    const { fs, logDir, direct } = options;
    const open = openSegment(fs, logDir, start.segment);
    assert(open !== undefined, 'the segment to go on with exists');
    open.close();
    const file = fs.openDurable(segmentPath(logDir, start.segment), direct);
    this.#offset = offsetOf(start.writeFrom);
    const pace = new Pace(options.clock, open.header.size, this.#offset);
    // nobody knows what it was taken for
    const begun = { finished: false, isReserve: !options.mayGrow(0), pace };
    this.#segment = { header: open.header, file, index: start.index, ...begun };
    this.#last = start.last;
  }

  /** The first byte behind everything committed. */
  get end(): Lsn {
    return this.#segment ? makeLsn(this.#segment.header.segment, this.#offset) : 0;
  }

  get hasPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Does the commit that waits hold anything of a stream? */
  isPending(stream: number): boolean {
    const waiting = this.#pending?.builder.entries().all() ?? [];
    return waiting.some((entry) => entry.stream === stream);
  }

  /**
   * Makes the builder's entries durable, all or none, and clears it.
   * @param isControl without them nothing can begin: they may go beyond the budget
   * @param meanwhile called while the disk writes, or not at all; fills another builder
   * @returns the records it held, with their shares of bytes
   * @throws NO_SPACE: pending, call `resume`; STORE_IO: final
   */
  commit(builder: GroupBuilder, isControl = false, meanwhile?: Meanwhile): DataItem[] {
    assert(this.#pending === undefined, 'one group write is in flight, ever');
    assert(!builder.isEmpty, 'an empty group is not written');
    this.#pending = { builder, items: undefined, isControl };
    return this.resume(meanwhile);
  }

  /**
   * Commits control entries though a commit of records waits for space: what frees space must not
   * wait for it. The state takes them in once they are written: a disk that is full is asked again
   * by whoever wants them.
   * @throws NO_SPACE if the disk itself is full: nothing of it has happened
   */
  commitAhead(builder: GroupBuilder): void {
    if (this.#failure) throw this.#failure;
    if (this.#pending?.items !== undefined) {
      throw new HelicorderError('NO_SPACE', 'a group that has begun to be written comes first');
    }
    const { groups, offset } = this.#guarded(() => {
      this.#makeRoom(builder, true);
      const placed = { groups: this.#plan(builder), offset: this.#offset };
      this.#write(builder, placed.groups, 0);
      return placed;
    });
    this.#committed(builder, this.#apply(builder, groups), offset);
  }

  /** Goes on with a commit that found the disk full. */
  resume(meanwhile?: Meanwhile): DataItem[] {
    if (this.#failure) throw this.#failure;
    const pending = this.#pending;
    assert(pending !== undefined, 'there is a pending commit');
    const { builder } = pending;
    const groupOffset = this.#guarded(() => {
      if (pending.items === undefined) this.#makeRoomOrForget(pending);
      const groups = this.#plan(builder);
      pending.items ??= this.#apply(builder, groups);
      const offset = this.#offset;
      this.#write(builder, groups, 0, meanwhile);
      return offset;
    });
    this.#pending = undefined;
    return this.#committed(builder, pending.items!, groupOffset);
  }

  /** What never fits waits for nothing: whoever commits may go on with something else. */
  #makeRoomOrForget({ builder, isControl }: Pending): void {
    try {
      this.#makeRoom(builder, isControl);
    } catch (error) {
      if (isCode(error, 'USAGE')) this.#pending = undefined;
      throw error;
    }
  }

  #apply(builder: GroupBuilder, groups: readonly PlannedGroup[]): DataItem[] {
    const { segment } = this.#segment!.header;
    const group = { segment, entries: builder.entries(), size: plannedSize(groups) };
    return this.#options.state.apply(group);
  }

  #committed(builder: GroupBuilder, items: DataItem[], groupOffset: number): DataItem[] {
    this.#segment!.index.add(items, groupOffset);
    builder.clear();
    edge('mark-publish', () => this.#options.onDurable(this.end));
    return items;
  }

  /**
   * Writes zeros ahead, so that the next segment is ready when this one is full.
   * @param meanwhile called while the disk writes, once for each write
   */
  prepare(meanwhile?: Meanwhile): void {
    const segment = this.#segment;
    if (this.#failure || !segment?.pace.isKnown(this.#offset)) return;
    try {
      const size = this.#sizeOfNext(this.#snapshotBytes);
      if (!this.#next.hasBegun && !this.#mayTake(size)) return;
      this.#next.fillAhead(size, (ZEROS_LEAD * this.#offset) / segment.header.size, meanwhile);
    } catch (error) {
      // a full disk is met again, and answered, when the segment is needed
      const failure = ioError(error, 'cannot write ahead in', this.#options.logDir);
      if (failure.code !== 'NO_SPACE') throw this.#fail(failure);
    }
  }

  /** Lets go of the segments before `end`: their records are in chunks, and an entry says so. */
  recycleBefore(end: Lsn): void {
    const { fs, logDir, identity, mayGrow } = this.#options;
    const spareBytes = () => (mayGrow(0) ? identity.segmentBytes : undefined);
    this.#guarded(() => recycleBefore(fs, logDir, segmentOf(end), spareBytes), LETTING_GO);
  }

  close(): void {
    this.#segment?.file.close();
    this.#next.close();
  }

  /** Runs what touches the disk; all but a full disk, and a group that never fits, is final. */
  #guarded<T>(work: () => T, doing = 'cannot write to'): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof HelicorderError) && !(error instanceof Error && 'code' in error)) {
        throw error;
      }
      const failure = ioError(error, doing, this.#options.logDir);
      const isRefused = failure.code === 'NO_SPACE' || failure.code === 'USAGE';
      throw isRefused ? failure : this.#fail(failure);
    }
  }

  #fail(failure: HelicorderError): HelicorderError {
    this.#failure = failure;
    return failure;
  }

  #plan(builder: GroupBuilder): PlannedGroup[] {
    return builder.plan(groupLimit(this.#segment!.header.size));
  }

  /** Writes the groups one after the other; if one fails, none of them has been. */
  #write(
    builder: GroupBuilder,
    groups: readonly PlannedGroup[],
    flags: number,
    meanwhile?: Meanwhile,
  ): void {
    const start = { offset: this.#offset, last: this.#last };
    try {
      for (const group of groups) {
        const isLast = group === groups.at(-1);
        this.#writeGroup(builder, group, flags | group.flags, isLast ? meanwhile : undefined);
      }
    } catch (error) {
      [this.#offset, this.#last] = [start.offset, start.last];
      throw error;
    }
  }

  #writeGroup(
    builder: GroupBuilder,
    group: PlannedGroup,
    flags: number,
    meanwhile: Meanwhile | undefined,
  ): void {
    const segment = this.#segment!;
    const offset = this.#offset;
    const { utcNanos: writtenNanos } = this.#options.clock.read();
    const place = { flags, offset, predecessor: this.#last, writtenNanos };
    const { bytes, link } = builder.seal(group, this.#memory, segment.header, place);
    edge('group', () => segment.file.write(bytes, offset, meanwhile));
    this.#last = link;
    this.#offset += bytes.length;
  }

  #makeRoom(builder: GroupBuilder, isControl: boolean): void {
    const segment = this.#segment;
    const hasRoom = segment !== undefined && this.#hasRoom(segment, builder, isControl);
    if (hasRoom && (isControl || !segment.isReserve)) return;
    // it looks at every file: not at each commit
    const mayGrow = this.#allows(builder.bytes, isControl);
    if (hasRoom && mayGrow) return;
    const snapshot = this.#snapshot();
    this.#snapshotBytes = snapshot.bytes;
    // before the current one is finished: on a full disk nothing has happened
    const contentBytes = snapshot.bytes + builder.bytes;
    const isReserve = !mayGrow || !this.#allows(contentBytes, isControl);
    this.#next.ready(this.#sizeOfNext(contentBytes, isReserve), contentBytes);
    if (segment && !segment.finished) this.#finishSegment(segment);
    this.#nextSegment(snapshot, isReserve, contentBytes);
    const { size } = this.#segment!.header;
    const needed = plannedSize(this.#plan(builder)).padded;
    if (this.#offset + needed > size) throw tooLarge(needed, size, snapshot.bytes);
  }

  /** What each segment begins with. */
  #snapshot(): GroupBuilder {
    const snapshot = new GroupBuilder(Math.max(BLOCK_BYTES, this.#snapshotBytes));
    for (const { kind, flags, payload } of this.#options.state.snapshot()) {
      snapshot.add(kind, 0, payload, flags);
    }
    return snapshot;
  }

  /** @param contentBytes what comes into it first */
  #sizeOfNext(contentBytes: number, isReserve = false): number {
    const pace = isReserve ? undefined : this.#segment?.pace;
    return this.#next.sizeBehind(pace, this.#offset, contentBytes);
  }

  #mayTake(size: number): boolean {
    return this.#options.mayGrow(this.#next.bytesToTake(size));
  }

  /** @throws NO_SPACE for records that the budget has no room for; control entries go beyond it */
  #allows(contentBytes: number, isControl: boolean): boolean {
    if (this.#segment === undefined || this.#mayTake(this.#sizeOfNext(contentBytes))) return true;
    if (isControl) return false;
    throw new HelicorderError('NO_SPACE', 'the store has reached its budget (store.budget)');
  }

  #hasRoom(segment: CurrentSegment, builder: GroupBuilder, isControl: boolean): boolean {
    if (segment.finished) return false;
    // as if the group about to be written added all new streams
    const footer = alignUp(BLOCK_BYTES + (segment.index.streamCount + builder.count) * 768);
    const reserve = footer + (isControl ? 0 : CONTROL_RESERVE_BYTES);
    const needed = plannedSize(this.#plan(builder)).padded + reserve;
    return this.#offset + needed <= segment.header.size;
  }

  #finishSegment(segment: CurrentSegment): void {
    const footer = new GroupBuilder(BLOCK_BYTES);
    footer.add(KIND.footer, 0, segment.index.footer());
    const limit = Math.min(groupLimit(segment.header.size), segment.header.size - this.#offset);
    if (alignUp(footer.bytes) <= limit) {
      edge('footer', () => this.#write(footer, this.#plan(footer), GROUP_FLAG.footer));
    }
    segment.finished = true;
  }

  #nextSegment(snapshot: GroupBuilder, isReserve: boolean, contentBytes: number): void {
    const { fs, direct, identity, clock, random } = this.#options;
    const before = { segment: this.#segment, offset: this.#offset, last: this.#last };
    const number = (before.segment?.header.segment ?? 0) + 1;
    const { path, size } = this.#next.promote(number);
    const header: SegmentHeader = {
      segment: number,
      salt: new DataView(random.bytes(8).buffer as ArrayBuffer).getBigUint64(0, true),
      size,
      storeId: identity.storeId,
      machineId: identity.machineId,
      blockBytes: BLOCK_BYTES,
      createdNanos: clock.read().utcNanos,
      predecessor: this.#last,
      storeSegmentBytes: identity.segmentBytes,
      storeCreatedNanos: identity.createdNanos,
    };
    const file = fs.openDurable(path, direct);
    const pace = new Pace(clock, size, BLOCK_BYTES + contentBytes);
    const begun = { finished: false, isReserve, pace };
    this.#segment = { header, file, index: new SegmentIndex(), ...begun };
    this.#offset = BLOCK_BYTES;
    try {
      this.#beginSegment(this.#segment, snapshot);
    } catch (error) {
      // one that has no snapshot is none: the next attempt makes it anew, under the same name
      file.close();
      [this.#segment, this.#offset, this.#last] = [before.segment, before.offset, before.last];
      throw error;
    }
    before.segment?.file.close();
  }

  #beginSegment({ header, file }: CurrentSegment, snapshot: GroupBuilder): void {
    const planned = this.#plan(snapshot);
    const needed = plannedSize(planned).padded;
    if (this.#offset + needed > header.size) throw tooLarge(needed, header.size, 0);
    const block = encodeSegmentHeader(header, this.#memory.blocks(BLOCK_BYTES));
    edge('segment-header', () => file.write(block, 0));
    edge('snapshot', () => this.#write(snapshot, planned, GROUP_FLAG.snapshot));
  }
}
