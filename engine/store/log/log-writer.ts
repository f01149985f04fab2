/**
 * The only code that writes to the log. One group (or run of groups) at a time:
 *
 *   commit ─▶ room? ──no──▶ footer · next segment: zeros, rename, header, snapshot
 *               │yes
 *               ▼
 *          apply to the state (asserts seqs and offsets) ─▶ write, durable ─▶ publish the mark
 *
 * A block that holds acknowledged bytes is never written again. If the disk is full the commit is
 * pending: `resume` tries it again, from where it stood; nothing of it has been acknowledged. Any
 * other failure of a write is final (fsyncgate: a second sync may say OK and the data be gone).
 */
import { assert } from '../../base/assert.ts';
import type { Clock, Random } from '../../base/clock.ts';
import {
  BALLAST_BYTES,
  BLOCK_BYTES,
  GROUP_MAX_BYTES,
  MIB,
  SEGMENT_FIRST_BYTES,
} from '../../base/constants.ts';
import { HelicorderError, ioError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { DurableFile, FileSystem } from '../../files/file-system.ts';
import { footerEntry } from '../control.ts';
import type { DataItem, GroupSize } from '../data.ts';
import type { ControlState } from '../state.ts';
import {
  GROUP_FLAG,
  KIND,
  NO_LINK,
  alignUp,
  encodeSegmentHeader,
  groupLimit,
  makeLsn,
  sealGroup,
  segmentOf,
  type Link,
  type Lsn,
  type SegmentHeader,
} from './format.ts';
import { GroupBuilder, type PlannedGroup } from './group.ts';
import { SegmentIndex } from './segment-index.ts';
import { Spare, listSegments, openSegment, recycle, segmentPath } from './segment.ts';

export interface StoreIdentity {
  storeId: Uint8Array;
  machineId: Uint8Array;
  createdNanos: bigint;
  segmentBytes: number;
  /** the id it had before it was copied to this machine */
  origin: Uint8Array | undefined;
}

export interface LogWriterOptions {
  fs: FileSystem;
  logDir: string;
  ballastPath: string;
  clock: Clock;
  random: Random;
  /** which rung: O_DIRECT|O_DSYNC, or buffered writes and fdatasync */
  direct: boolean;
  identity: StoreIdentity;
  state: ControlState;
  /** does the store's budget allow another segment? */
  mayGrow: () => boolean;
  /** called after each commit has become durable, before commit returns */
  onDurable: (end: Lsn) => void;
}

export interface LogStart {
  /** place of the next group; the segment exists */
  writeFrom: Lsn;
  segment: number;
  last: Link;
  index: SegmentIndex;
}

interface Pending {
  builder: GroupBuilder;
  /** set once the state has taken the group in: from then on only the write is missing */
  items: DataItem[] | undefined;
  rank: Rank;
}

interface CurrentSegment {
  header: SegmentHeader;
  file: DurableFile;
  index: SegmentIndex;
  /** the footer is written; the next group goes into the next segment */
  finished: boolean;
}

/**
 * How much of a segment's end is left to those behind it in this list, while space is waited for:
 * cursors, of which a copy writes many, never take the place of what frees space.
 */
const RESERVES = { records: 16 * BLOCK_BYTES, cursor: 8 * BLOCK_BYTES, change: 0 };
export type Rank = keyof typeof RESERVES;
/** Pieces of zeros written ahead after one commit: bounds what a commit can be late by. */
const ZERO_PIECES_PER_COMMIT = 4;

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #memory: Uint8Array;
  #segment: CurrentSegment | undefined;
  #offset = 0;
  #last: Link = NO_LINK;
  #spare: Spare | undefined;
  #pending: Pending | undefined;
  #failure: HelicorderError | undefined;

  constructor(options: LogWriterOptions, start: LogStart | undefined) {
    this.#options = options;
    this.#memory = options.fs.alignedBuffer(GROUP_MAX_BYTES);
    if (start === undefined) return;
    const { fs, logDir, direct } = options;
    const open = openSegment(fs, logDir, start.segment);
    assert(open !== undefined, 'the segment to go on with exists');
    open.close();
    const file = fs.openDurable(segmentPath(logDir, start.segment), direct);
    this.#segment = { header: open.header, file, index: start.index, finished: false };
    this.#offset = start.writeFrom % 2 ** 32;
    this.#last = start.last;
  }

  /** The first byte behind everything committed. */
  get end(): Lsn {
    return this.#segment ? makeLsn(this.#segment.header.segment, this.#offset) : 0;
  }

  get hasPending(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * Makes the builder's entries durable, all or none, and clears it.
   * @returns the records it held, with their shares of bytes
   * @throws NO_SPACE: pending, call `resume`; STORE_IO: final
   */
  commit(builder: GroupBuilder): DataItem[] {
    assert(this.#pending === undefined, 'one group write is in flight, ever');
    assert(!builder.isEmpty, 'an empty group is not written');
    this.#pending = { builder, items: undefined, rank: 'records' };
    return this.resume();
  }

  /**
   * Commits control entries though a commit of records waits for space: what frees space must not
   * wait for it. The end of each segment is kept for them.
   * @throws NO_SPACE if even that is used up: nothing of it has happened
   */
  commitAhead(builder: GroupBuilder, rank: Rank): void {
    const waiting = this.#pending;
    if (waiting?.items !== undefined) {
      throw new HelicorderError('NO_SPACE', 'a group that has begun to be written comes first');
    }
    const ahead: Pending = { builder, items: undefined, rank };
    this.#pending = ahead;
    try {
      this.resume();
    } catch (error) {
      // the state is ahead of the log: there is no way back
      if (ahead.items !== undefined) throw this.#fail(ioError(error, 'cannot write to', 'the log'));
      throw error;
    } finally {
      this.#pending = waiting;
    }
  }

  /** Goes on with a commit that found the disk full. */
  resume(): DataItem[] {
    if (this.#failure) throw this.#failure;
    const pending = this.#pending;
    assert(pending !== undefined, 'there is a pending commit');
    const { builder } = pending;
    const groupOffset = this.#guarded(() => {
      if (pending.items === undefined) this.#makeRoom(builder, pending.rank);
      const groups = this.#plan(builder);
      pending.items ??= this.#options.state.apply(builder.entries(), sizeOf(groups));
      const offset = this.#offset;
      this.#write(builder, groups, 0);
      return offset;
    });
    const items = pending.items!;
    this.#segment!.index.add(items, groupOffset);
    builder.clear();
    this.#pending = undefined;
    edge('mark-publish', () => this.#options.onDurable(this.end));
    return items;
  }

  /** Writes zeros ahead, so that the next segment is ready when this one is full. */
  prepare(): void {
    const { fs, logDir, direct, identity, mayGrow } = this.#options;
    const segment = this.#segment;
    if (this.#failure || segment === undefined) return;
    try {
      if (this.#spare === undefined && !mayGrow()) return;
      this.#spare ??= Spare.open(fs, logDir, identity.segmentBytes, direct);
      const wanted = (2 * this.#offset * this.#spare.size) / segment.header.size;
      for (let i = 0; i < ZERO_PIECES_PER_COMMIT && this.#spare.filled < wanted; i++) {
        if (!this.#spare.advance()) break;
      }
    } catch (error) {
      // a full disk is met again, and answered, when the segment is needed
      const failure = ioError(error, 'cannot write ahead in', logDir);
      if (failure.code !== 'NO_SPACE') throw this.#fail(failure);
    }
  }

  /** Lets go of the segments before `end`: their records are in chunks, and an entry says so. */
  recycleBefore(end: Lsn): number {
    const { fs, logDir, identity } = this.#options;
    const gone = listSegments(fs, logDir).filter((number) => number < segmentOf(end));
    for (const segment of gone) {
      edge('recycle', () => recycle(fs, logDir, segment, identity.segmentBytes));
    }
    if (gone.length > 0) edge('recycle-directory', () => fs.syncDirectory(logDir));
    return gone.length;
  }

  close(): void {
    this.#segment?.file.close();
    this.#spare?.close();
  }

  /** Runs what touches the disk; all but a full disk is final. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof HelicorderError) && !(error instanceof Error && 'code' in error)) {
        throw error;
      }
      const failure = ioError(error, 'cannot write to', this.#options.logDir);
      throw failure.code === 'NO_SPACE' ? failure : this.#fail(failure);
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
  #write(builder: GroupBuilder, groups: readonly PlannedGroup[], flags: number): void {
    const start = { offset: this.#offset, last: this.#last };
    try {
      for (const group of groups) this.#writeGroup(builder, group, flags | group.flags);
    } catch (error) {
      [this.#offset, this.#last] = [start.offset, start.last];
      throw error;
    }
  }

  #writeGroup(builder: GroupBuilder, group: PlannedGroup, flags: number): void {
    const segment = this.#segment!;
    const offset = this.#offset;
    const { length } = group;
    const memory = this.#memory.subarray(0, alignUp(length));
    builder.layOut(group, memory);
    const crc = sealGroup(memory, segment.header, {
      flags,
      offset,
      length,
      predecessor: this.#last,
      writtenNanos: this.#options.clock.read().utcNanos,
      entries: group.rows.length,
    });
    edge('group', () => segment.file.write(memory, offset));
    this.#last = { lsn: makeLsn(segment.header.segment, offset), length, crc };
    this.#offset += memory.length;
  }

  #makeRoom(builder: GroupBuilder, rank: Rank): void {
    const segment = this.#segment;
    if (segment && !segment.finished) {
      const needed =
        sizeOf(this.#plan(builder)).padded +
        this.#footerReserve(segment, builder.count) +
        RESERVES[rank];
      if (this.#offset + needed <= segment.header.size) return;
    }
    const spare = this.#readyForNext(segment);
    if (segment && !segment.finished) this.#finishSegment(segment);
    this.#nextSegment(spare);
    const { size } = this.#segment!.header;
    const fits = this.#offset + sizeOf(this.#plan(builder)).padded <= size;
    if (fits) return;
    // it never will: nothing is pending, and whoever commits may go on with something else
    this.#pending = undefined;
    throw new HelicorderError('USAGE', `one commit does not fit in a segment of ${size} bytes`);
  }

  /** Bytes kept free for the footer, if the group about to be written added all new streams. */
  #footerReserve(segment: CurrentSegment, entries: number): number {
    return alignUp(BLOCK_BYTES + (segment.index.streamCount + entries) * 768);
  }

  #finishSegment(segment: CurrentSegment): void {
    const footer = new GroupBuilder(BLOCK_BYTES);
    footer.add(KIND.footer, 0, footerEntry.encode(segment.index.footer()));
    const limit = Math.min(groupLimit(segment.header.size), segment.header.size - this.#offset);
    if (alignUp(footer.bytes) <= limit) {
      edge('footer', () => this.#write(footer, this.#plan(footer), GROUP_FLAG.footer));
    }
    segment.finished = true;
  }

  /** The file of the next segment, all zeros: before the current one is finished, or nothing is. */
  #readyForNext(current: CurrentSegment | undefined): Spare {
    const { identity, mayGrow } = this.#options;
    if (current === undefined) {
      return this.#readySpare(Math.min(SEGMENT_FIRST_BYTES, identity.segmentBytes));
    }
    if (!mayGrow()) {
      throw new HelicorderError('NO_SPACE', 'the store has reached its budget (store.budget)');
    }
    return this.#readySpare(identity.segmentBytes);
  }

  #nextSegment(spare: Spare): void {
    const { fs, logDir, direct, identity, clock, random } = this.#options;
    const before = { segment: this.#segment, offset: this.#offset, last: this.#last };
    const number = (before.segment?.header.segment ?? 0) + 1;
    const path = spare.promote(fs, logDir, number);
    this.#spare = undefined;
    const header: SegmentHeader = {
      segment: number,
      salt: new DataView(random.bytes(8).buffer as ArrayBuffer).getBigUint64(0, true),
      size: spare.size,
      storeId: identity.storeId,
      machineId: identity.machineId,
      blockBytes: BLOCK_BYTES,
      createdNanos: clock.read().utcNanos,
      predecessor: this.#last,
      storeSegmentBytes: identity.segmentBytes,
      storeCreatedNanos: identity.createdNanos,
    };
    const file = fs.openDurable(path, direct);
    this.#segment = { header, file, index: new SegmentIndex(), finished: false };
    this.#offset = BLOCK_BYTES;
    try {
      this.#beginSegment(this.#segment);
    } catch (error) {
      // one that has no snapshot is none: the next attempt makes it anew, under the same name
      file.close();
      [this.#segment, this.#offset, this.#last] = [before.segment, before.offset, before.last];
      throw error;
    }
    before.segment?.file.close();
  }

  #beginSegment({ header, file }: CurrentSegment): void {
    encodeSegmentHeader(header, this.#memory.subarray(0, BLOCK_BYTES));
    edge('segment-header', () => file.write(this.#memory.subarray(0, BLOCK_BYTES), 0));
    const snapshot = new GroupBuilder(MIB);
    for (const { kind, payload } of this.#options.state.snapshot()) snapshot.add(kind, 0, payload);
    edge('snapshot', () => this.#write(snapshot, this.#plan(snapshot), GROUP_FLAG.snapshot));
  }

  /** A completely zero-filled spare; on a full disk the ballast makes room for a small one. */
  #readySpare(size: number): Spare {
    const { fs, logDir, direct, ballastPath } = this.#options;
    try {
      this.#spare = this.#spare?.size === size ? this.#spare : this.#newSpare(size);
      while (this.#spare.advance());
      return this.#spare;
    } catch (error) {
      const failure = ioError(error, 'cannot make a segment in', logDir);
      if (failure.code !== 'NO_SPACE' || !fs.exists(ballastPath)) throw failure;
    }
    this.#spare?.close();
    if (this.#spare) fs.remove(this.#spare.path);
    fs.remove(ballastPath);
    this.#spare = Spare.open(fs, logDir, BALLAST_BYTES, direct);
    while (this.#spare.advance());
    return this.#spare;
  }

  #newSpare(size: number): Spare {
    const { fs, logDir, direct } = this.#options;
    this.#spare?.close();
    return Spare.open(fs, logDir, size, direct);
  }
}

function sizeOf(groups: readonly PlannedGroup[]): GroupSize {
  const size = { length: 0, padded: 0 };
  for (const { length } of groups) {
    size.length += length;
    size.padded += alignUp(length);
  }
  return size;
}
