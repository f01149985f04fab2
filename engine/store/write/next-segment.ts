/**
 * How a segment comes to be:
 *
 *   spare-<n>.seg   zeros are written into it piece by piece (durably), ahead of need
 *   rename          to <20 digits>.seg, then fsync of the directory
 *   header          block 0, durably; then the snapshot; only then the first acknowledgement
 *
 * Writing into zero-filled, allocated blocks needs no metadata update: a durable 4 KiB write costs
 * about half of one that extends the file.
 *
 * A flush waits behind the zeros that are written before it, so they come in pieces as small as is
 * worth a write, and in whole ones where a backlog is written beside them.
 */
import { defined } from '../../base/assert.ts';
import { monotonicMs, type Clock } from '../../base/clock.ts';
import {
  BALLAST_BYTES,
  BLOCK_BYTES,
  SEGMENT_FIRST_BYTES,
  ZERO_PIECE_BYTES,
  ZERO_PIECE_MIN_BYTES,
} from '../../base/constants.ts';
import { ioError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { DurableFile, FileSystem, Meanwhile } from '../../files/file-system.ts';
import { alignUp } from '../entries/format.ts';
import { NEW_NAME, RECYCLED_NAME, segmentPath } from '../log/segment.ts';

/** Pieces of zeros written ahead after one commit: bounds what a commit can be late by. */
const ZERO_PIECES_AHEAD = 4;
/** Of a small file a piece is at least such a part. */
const ZERO_PIECE_PART = 1 / 32;
/** How many times larger a segment is than one before it that is full sooner than this. */
const SEGMENT_GROWTH = 4;
const SEGMENT_FULL_SOON_MS = 60_000;
/** By so much of a segment it shows how fast it fills. */
const PACE_SHARE = 1 / 64;

/** The next segment, being filled with zeros. */
export class Spare {
  readonly path: string;
  readonly size: number;
  readonly #file: DurableFile;
  readonly #zeros: Uint8Array;
  #filled: number;

  private constructor(fs: FileSystem, path: string, size: number, direct: boolean, filled: number) {
    this.path = path;
    this.size = size;
    this.#filled = filled;
    this.#zeros = fs.alignedBuffer(Math.min(ZERO_PIECE_BYTES, size));
    this.#file = fs.openDurable(path, direct);
  }

  /**
   * The recycled segment if there is one of this size, else a new file, or the one that an earlier
   * owner left half filled. How far a recycled one has been zeroed nobody knows: it begins anew.
   */
  static open(fs: FileSystem, logDir: string, size: number, direct: boolean): Spare {
    const recycled = `${logDir}/${RECYCLED_NAME}`;
    if (fs.fileSize(recycled) === size) return new Spare(fs, recycled, size, direct, 0);
    const path = `${logDir}/${NEW_NAME}`;
    const left = fs.fileSize(path) ?? 0;
    if (left > size) fs.remove(path);
    const filled = left > size ? 0 : left - (left % BLOCK_BYTES);
    return new Spare(fs, path, size, direct, filled);
  }

  get filled(): number {
    return this.#filled;
  }

  /**
   * Writes the next piece of zeros.
   * @param bytes of it at most, in whole blocks; a piece is no larger than ZERO_PIECE_BYTES
   * @returns false once the file is complete
   */
  advance(bytes = ZERO_PIECE_BYTES, meanwhile?: Meanwhile): boolean {
    if (this.#filled >= this.size) return false;
    const piece = this.#zeros.subarray(0, Math.min(bytes, this.size - this.#filled));
    edge('zeros', () => this.#file.write(piece, this.#filled, meanwhile));
    this.#filled += piece.length;
    return this.#filled < this.size;
  }

  /** Gives the file, which is complete, its name; the caller syncs the directory. */
  rename(fs: FileSystem, path: string): void {
    edge('segment-rename', () => fs.rename(this.path, path));
  }

  close(): void {
    this.#file.close();
  }
}

/** Where segments are made, and how. */
export interface SegmentPlace {
  fs: FileSystem;
  logDir: string;
  ballastPath: string;
  /** which rung: O_DIRECT|O_DSYNC, or buffered writes and fdatasync */
  direct: boolean;
}

/** How fast a segment fills, by what its owner writes into it. */
export class Pace {
  readonly size: number;
  readonly #clock: Clock;
  readonly #from: number;
  readonly #sinceMs: number;

  /** @param from what comes before this byte says nothing: it was there, or came at once */
  constructor(clock: Clock, size: number, from: number) {
    this.#clock = clock;
    this.size = size;
    this.#from = from;
    this.#sinceMs = monotonicMs(clock);
  }

  /** Has enough been written, up to `offset`, to tell? */
  isKnown(offset: number): boolean {
    return this.#share(offset) >= PACE_SHARE;
  }

  /** For the whole of it. */
  fullInMs(offset: number): number {
    return (monotonicMs(this.#clock) - this.#sinceMs) / this.#share(offset);
  }

  #share(offset: number): number {
    return Math.max(0, offset - this.#from) / this.size;
  }
}

/** The file of the next segment: filled ahead of need, all zeros when it is needed. */
export class NextSegment {
  readonly #place: SegmentPlace;
  readonly #fullBytes: number;
  #spare: Spare | undefined;

  constructor(place: SegmentPlace, fullBytes: number) {
    this.#place = place;
    this.#fullBytes = fullBytes;
  }

  get hasBegun(): boolean {
    return this.#spare !== undefined;
  }

  /**
   * The size of the segment behind one: small at first, so that a store begins at once, then larger
   * by steps, so that its zeros are no great multiple of the groups beside which they are written;
   * no larger where little comes, lest much of a day waits to be sealed. What is there already for
   * a larger one, recycled or half filled, is used.
   * @param before how the one before fills; undefined: there is none, or a small one is wanted
   * @param offset how far it is filled
   * @param contentBytes what comes into it first: at most half of it, if one can be that large
   */
  sizeBehind(before: Pace | undefined, offset: number, contentBytes: number): number {
    const size = this.#usualSize(before, offset);
    return 2 * contentBytes <= size ? size : this.#fullBytes;
  }

  #usualSize(before: Pace | undefined, offset: number): number {
    const { fs, logDir } = this.#place;
    const small = Math.min(SEGMENT_FIRST_BYTES, this.#fullBytes);
    if (before === undefined) return small;
    if (this.#spare) return this.#spare.size;
    const growth = before.fullInMs(offset) < SEGMENT_FULL_SOON_MS ? SEGMENT_GROWTH : 1;
    const step = Math.min(this.#fullBytes, Math.max(small, growth * before.size));
    const isRecycled = fs.fileSize(`${logDir}/${RECYCLED_NAME}`) === this.#fullBytes;
    const isHalfFilled = (fs.fileSize(`${logDir}/${NEW_NAME}`) ?? 0) > step;
    return isRecycled || isHalfFilled ? this.#fullBytes : step;
  }

  /** What of a file of `size` bytes the disk does not hold yet. */
  bytesToTake(size: number): number {
    const { fs, logDir } = this.#place;
    if (fs.fileSize(`${logDir}/${RECYCLED_NAME}`) === size) return 0;
    return Math.max(0, size - (fs.fileSize(`${logDir}/${NEW_NAME}`) ?? 0));
  }

  /**
   * Writes some pieces of zeros, towards `share` (0 to 1) of a file of `size` bytes: one that is as
   * small as it may be, as the next group waits behind it, or in a backlog some of full size.
   */
  fillAhead(size: number, share: number, meanwhile?: Meanwhile): void {
    const spare = (this.#spare ??= this.#open(size));
    const end = alignUp(Math.min(1, share) * spare.size);
    const least = Math.min(ZERO_PIECE_MIN_BYTES, alignUp(spare.size * ZERO_PIECE_PART));
    for (let pieces = 0; pieces < ZERO_PIECES_AHEAD; pieces++) {
      const due = end - spare.filled;
      const isWorthIt = due >= (pieces === 0 ? least : ZERO_PIECE_BYTES);
      if (!isWorthIt || !spare.advance(due, meanwhile)) break;
    }
  }

  /**
   * Completes the file; on a full disk the ballast makes room for a small one, if that is enough
   * for what comes into it first.
   * @throws NO_SPACE: nothing has changed, and it may be tried again
   */
  ready(size: number, contentBytes: number): void {
    const { fs, logDir, ballastPath } = this.#place;
    try {
      this.#spare = this.#spare?.size === size ? this.#spare : this.#open(size);
      while (this.#spare.advance());
      return;
    } catch (error) {
      const failure = ioError(error, 'cannot make a segment in', logDir);
      const isEnough = 2 * contentBytes <= BALLAST_BYTES;
      if (failure.code !== 'NO_SPACE' || !isEnough || !fs.exists(ballastPath)) throw failure;
    }
    const failed = this.#letGo();
    if (failed) fs.remove(failed.path);
    fs.remove(ballastPath);
    this.#spare = this.#open(BALLAST_BYTES);
    while (this.#spare.advance());
  }

  /** Gives the file, which is ready, its name. @returns its path and size */
  promote(segment: number): { path: string; size: number } {
    const { fs, logDir } = this.#place;
    const spare = defined(this.#spare, 'the next segment');
    const path = segmentPath(logDir, segment);
    spare.rename(fs, path);
    // from here on it is no spare: another attempt makes one, and gives it the same name
    this.#letGo();
    edge('segment-directory', () => fs.syncDirectory(logDir));
    return { path, size: spare.size };
  }

  close(): void {
    this.#letGo();
  }

  /** Its file stays; whoever needs one makes or finds it again. */
  #letGo(): Spare | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    spare?.close();
    return spare;
  }

  #open(size: number): Spare {
    const { fs, logDir, direct } = this.#place;
    this.#letGo();
    return Spare.open(fs, logDir, size, direct);
  }
}
