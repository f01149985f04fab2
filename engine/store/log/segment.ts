/**
 * Segment files: their names, opening them by their headers, and letting go of them. How a new one
 * comes to be: `next-segment.ts`.
 */
import { BLOCK_BYTES } from '../../base/constants.ts';
import { HelicorderError, errnoCode, ioError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { File, FileSystem } from '../../files/file-system.ts';
import { checkVersion } from './version.ts';
import {
  LOG_VERSION,
  decodeGroupHeader,
  decodeSegmentHeader,
  viewOf,
  type SegmentHeader,
} from '../entries/format.ts';
import { Window } from './scan.ts';

const SEGMENT_NAME = /^(\d{20})\.seg$/;
export const SPARE_NAME = /^spare-\d+\.seg$/;
/** A new one that is being filled. */
export const NEW_NAME = 'spare-1.seg';
/** Holds what it held in its last life, until zeros are written over it. */
export const RECYCLED_NAME = 'spare-2.seg';

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
 * @throws HelicorderError FORMAT_VERSION, STORE_IO, NO_SPACE; the system's ENOENT
 */
export function openSegment(
  fs: FileSystem,
  logDir: string,
  segment: number,
): OpenSegment | undefined {
  const file = openedFile(fs, segmentPath(logDir, segment));
  let open: OpenSegment | undefined;
  try {
    open = openedAs(segment, file);
    return open;
  } finally {
    if (open === undefined) file.close();
  }
}

function openedFile(fs: FileSystem, path: string): File {
  try {
    return fs.open(path, 'read');
  } catch (error) {
    if (errnoCode(error) === undefined || errnoCode(error) === 'ENOENT') throw error;
    throw ioError(error, 'cannot open', path);
  }
}

function openedAs(segment: number, file: File): OpenSegment | undefined {
  const { path } = file;
  const window = new Window(file);
  const heldBytes = (): number => Math.floor(file.size() / BLOCK_BYTES) * BLOCK_BYTES;
  const held = { path, window, heldBytes, close: () => file.close() };
  const header = decodeSegmentHeader(window.bytes(0, BLOCK_BYTES));
  if (header === 'version') {
    const version = viewOf(window.bytes(0, BLOCK_BYTES)).getUint16(4, true);
    checkVersion(path, version, LOG_VERSION);
    return undefined;
  }
  if (header !== 'invalid' && header.segment === segment) {
    return { ...held, header, headerRebuilt: false };
  }
  const rebuilt = rebuildHeader(window, segment, file.size());
  return rebuilt && { ...held, header: rebuilt, headerRebuilt: true };
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

/**
 * Lets go of the segments before number `end`, whose records are elsewhere. One that has the size
 * of a spare becomes the next one, if there is none; nothing of it can be taken for a group of its
 * next life: the salt is under every checksum.
 * @param spareBytes undefined: no more spares, the budget is used up
 */
export function recycleBefore(
  fs: FileSystem,
  logDir: string,
  end: number,
  spareBytes: () => number | undefined,
): void {
  const gone = listSegments(fs, logDir).filter((number) => number < end);
  for (const segment of gone) {
    const bytes = spareBytes();
    edge('recycle', () => recycle(fs, logDir, segment, bytes));
  }
  if (gone.length > 0) edge('recycle-directory', () => fs.syncDirectory(logDir));
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
