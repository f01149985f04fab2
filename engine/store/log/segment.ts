/**
 * Segment files: their names, their headers, and how a new one comes to be:
 *
 *   spare-<n>.seg   zeros are written into it piece by piece (durably), ahead of need
 *   rename          to <20 digits>.seg, then fsync of the directory
 *   header          block 0, durably; then the snapshot; only then the first acknowledgement
 *
 * Writing into zero-filled, allocated blocks needs no metadata update: a durable 4 KiB write costs
 * about half of one that extends the file.
 */
import { defined } from '../../base/assert.ts';
import {
  BALLAST_BYTES,
  BLOCK_BYTES,
  SEGMENT_FIRST_BYTES,
  ZERO_PIECE_BYTES,
} from '../../base/constants.ts';
import { HelicorderError, errnoCode, ioError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { DurableFile, FileSystem, Meanwhile } from '../../files/file-system.ts';
import { checkVersion } from '../version.ts';
import {
  LOG_VERSION,
  decodeGroupHeader,
  decodeSegmentHeader,
  viewOf,
  type SegmentHeader,
} from './format.ts';
import { Window } from './scan.ts';

const SEGMENT_NAME = /^(\d{20})\.seg$/;
export const SPARE_NAME = /^spare-\d+\.seg$/;
const NEW_NAME = 'spare-1.seg';
/** Holds what it held in its last life, until zeros are written over it. */
export const RECYCLED_NAME = 'spare-2.seg';
/** Pieces of zeros written ahead after one commit: bounds what a commit can be late by. */
const ZERO_PIECES_AHEAD = 4;

export function segmentPath(logDir: string, segment: number): string {
  return `${logDir}/${String(segment).padStart(20, '0')}.seg`;
}

/** Numbers of the segments in the directory, ascending. */
export function listSegments(fs: FileSystem, logDir: string): number[] {
  return fs
    .list(logDir)
    .map((name) => SEGMENT_NAME.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number);
}

/** A segment open for reading. */
export interface OpenSegment {
  path: string;
  header: SegmentHeader;
  /** block 0 was unreadable; what is needed was taken from the file's name, size and groups */
  headerRebuilt: boolean;
  window: Window;
  /** Whole blocks that the file has: fewer than its header says where it was cut. */
  heldBytes(): number;
  close(): void;
}

/**
 * Opens a segment for reading.
 * @returns undefined if the file holds nothing that was ever a segment: it was being made
 * @throws HelicorderError FORMAT_VERSION, or the system's error
 */
export function openSegment(
  fs: FileSystem,
  logDir: string,
  segment: number,
): OpenSegment | undefined {
  const path = segmentPath(logDir, segment);
  const file = fs.open(path, 'read');
  const window = new Window(file);
  const close = (): void => file.close();
  const heldBytes = (): number => Math.floor(file.size() / BLOCK_BYTES) * BLOCK_BYTES;
  const header = decodeSegmentHeader(window.bytes(0, BLOCK_BYTES));
  if (header === 'version') {
    const version = viewOf(window.bytes(0, BLOCK_BYTES)).getUint16(4, true);
    close();
    checkVersion(path, version, LOG_VERSION);
    return undefined;
  }
  if (header !== 'invalid' && header.segment === segment) {
    return { path, header, headerRebuilt: false, window, heldBytes, close };
  }
  const rebuilt = rebuildHeader(window, segment, file.size());
  if (rebuilt) return { path, header: rebuilt, headerRebuilt: true, window, heldBytes, close };
  close();
  return undefined;
}

/** The same of one that may have gone since it was listed: then it is sealed. */
export function openIfThere(
  fs: FileSystem,
  logDir: string,
  segment: number,
): OpenSegment | undefined {
  try {
    return openSegment(fs, logDir, segment);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A header from the first group that says it belongs to this segment: it repeats the salt. */
function rebuildHeader(window: Window, segment: number, size: number): SegmentHeader | undefined {
  window.readAheadTo(size);
  for (let offset = BLOCK_BYTES; offset < size; offset += BLOCK_BYTES) {
    const bytes = window.bytes(offset, BLOCK_BYTES);
    if (bytes.length < BLOCK_BYTES) return undefined;
    const salt = viewOf(bytes).getBigUint64(16, true);
    const group = decodeGroupHeader(bytes, { segment, salt, size }, offset);
    if (typeof group === 'string') continue;
    const nothing = new Uint8Array(16);
    return {
      segment,
      salt,
      size,
      storeId: nothing,
      machineId: nothing,
      blockBytes: BLOCK_BYTES,
      createdNanos: 0n,
      predecessor: group.predecessor,
      storeSegmentBytes: size,
      storeCreatedNanos: 0n,
    };
  }
  return undefined;
}

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

  /** Writes the next piece of zeros. @returns false once the file is complete */
  advance(meanwhile?: Meanwhile): boolean {
    if (this.#filled >= this.size) return false;
    const piece = this.#zeros.subarray(0, Math.min(this.#zeros.length, this.size - this.#filled));
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

/** A segment is so many times as large as the one before it, until it has the full size. */
const SEGMENT_GROWTH = 4;

/** Where segments are made, and how. */
export interface SegmentPlace {
  fs: FileSystem;
  logDir: string;
  ballastPath: string;
  /** which rung: O_DIRECT|O_DSYNC, or buffered writes and fdatasync */
  direct: boolean;
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
   * Of the segment behind one of `before` bytes: small at first, so that a store begins at once,
   * then larger by steps, so that its zeros are no great multiple of the groups beside which they
   * are written. What is there already for a larger one, recycled or half filled, is used.
   * @param before 0: there is none, or a small one is wanted
   * @param contentBytes what comes into it first: at most half of it, if one can be that large
   */
  sizeBehind(before: number, contentBytes: number): number {
    const size = this.#usualSize(before);
    return 2 * contentBytes <= size ? size : this.#fullBytes;
  }

  #usualSize(before: number): number {
    const { fs, logDir } = this.#place;
    const small = Math.min(SEGMENT_FIRST_BYTES, this.#fullBytes);
    if (before === 0) return small;
    if (this.#spare) return this.#spare.size;
    const step = Math.min(this.#fullBytes, Math.max(small, SEGMENT_GROWTH * before));
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

  /** Writes some pieces of zeros, towards `share` (0 … 1) of a file of `size` bytes. */
  fillAhead(size: number, share: number, meanwhile?: Meanwhile): void {
    const spare = (this.#spare ??= this.#open(size));
    for (let i = 0; i < ZERO_PIECES_AHEAD && spare.filled < share * spare.size; i++) {
      if (!spare.advance(meanwhile)) break;
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
    this.#spare?.close();
    if (this.#spare) fs.remove(this.#spare.path);
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
    this.#spare = undefined;
    spare.close();
    edge('segment-directory', () => fs.syncDirectory(logDir));
    return { path, size: spare.size };
  }

  close(): void {
    this.#spare?.close();
  }

  #open(size: number): Spare {
    const { fs, logDir, direct } = this.#place;
    this.#spare?.close();
    return Spare.open(fs, logDir, size, direct);
  }
}

/**
 * Lets go of the segments before number `end`, whose records are elsewhere. One that has the size
 * of a spare becomes the next one, if there is none; nothing of it can be taken for a group of its
 * next life: the salt is under every checksum.
 * @param spareBytes undefined: no more spares, the budget is used up
 * @returns how many
 */
export function recycleBefore(
  fs: FileSystem,
  logDir: string,
  end: number,
  spareBytes: () => number | undefined,
): number {
  const gone = listSegments(fs, logDir).filter((number) => number < end);
  for (const segment of gone) {
    const bytes = spareBytes();
    edge('recycle', () => recycle(fs, logDir, segment, bytes));
  }
  if (gone.length > 0) edge('recycle-directory', () => fs.syncDirectory(logDir));
  return gone.length;
}

function recycle(
  fs: FileSystem,
  logDir: string,
  segment: number,
  spareBytes: number | undefined,
): void {
  const path = segmentPath(logDir, segment);
  const spare = `${logDir}/${RECYCLED_NAME}`;
  if (fs.fileSize(path) === spareBytes && !fs.exists(spare)) fs.rename(path, spare);
  else fs.remove(path);
}

export function tooLarge(
  bytes: number,
  segmentBytes: number,
  snapshotBytes: number,
): HelicorderError {
  const taken = snapshotBytes > 0 ? ` beside ${snapshotBytes} on all of its streams` : '';
  return new HelicorderError(
    'USAGE',
    `${bytes} bytes do not fit in a segment of ${segmentBytes}${taken}: this takes a store with ` +
      'larger ones (store.segmentSize)',
  );
}
