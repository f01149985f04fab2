/**
 * The mark: how far the log is durable, in one memory-mapped page that readers in any process may
 * wait on (`docs/format-log.md`, Mark). The owner renames a new one in at each start; nothing is
 * ever truncated under a reader's map, and a reader whose file was replaced sees another inode.
 */
import { BLOCK_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import { errnoCode } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { FileSystem, MarkFile } from '../../files/file-system.ts';
import { viewOf, type Lsn } from '../entries/format.ts';
import { checkVersion } from './version.ts';

const MARK_MAGIC = 0x4b524d48; // "HMRK"
const MARK_VERSION = 1;
const HEADER_BYTES = 48;

export const MARK_STATE = { open: 1, closed: 2, waiting: 3, failed: 4 } as const;

export interface MarkIds {
  storeId: Uint8Array;
  bootId: string;
  generation: number;
}

/** Makes the mark of a new owner and renames it in. */
export function createMark(fs: FileSystem, path: string, ids: MarkIds): MarkFile {
  const page = new Uint8Array(BLOCK_BYTES);
  const view = viewOf(page);
  view.setUint32(0, MARK_MAGIC, true);
  view.setUint32(4, MARK_VERSION, true);
  page.set(ids.storeId, 8);
  page.set(bootIdBytes(ids.bootId), 24);
  view.setBigUint64(40, BigInt(ids.generation), true);
  view.setUint32(84, MARK_STATE.open, true);
  view.setUint32(BLOCK_BYTES - 4, crc32c(page.subarray(0, HEADER_BYTES)), true);
  edge('mark', () => fs.writeFileDurably(path, page));
  return fs.openMark(path, ids.generation, true);
}

/**
 * The running owner's mark; undefined if it is missing, damaged, or of another boot.
 * @throws FORMAT_VERSION
 */
export function openMark(fs: FileSystem, path: string, bootId: string): MarkFile | undefined {
  const header = readHeader(fs, path, bootId);
  if (header) checkVersion(path, header.version, MARK_VERSION);
  return header === undefined ? undefined : fs.openMark(path, header.generation, false);
}

/** How far an owner of this boot, gone or not, has said that the log is durable. */
export function lastDurable(fs: FileSystem, path: string, bootId: string): Lsn | undefined {
  const mark = openMark(fs, path, bootId);
  const values = mark?.read();
  mark?.close();
  return values?.durableLsn;
}

/** Did the last owner, in this boot, close the store: everything in the log is durable then. */
export function saysClosed(fs: FileSystem, path: string, bootId: string): boolean {
  const mark = openMark(fs, path, bootId);
  const last = mark?.read();
  mark?.close();
  return last?.state === MARK_STATE.closed;
}

/** Is the file at `path` still `mark`, and can readers tell? */
export function isInPlace(fs: FileSystem, path: string, bootId: string, mark: MarkFile): boolean {
  return (
    fs.exists(path) &&
    fs.inode(path) === mark.inode &&
    readHeader(fs, path, bootId)?.version === MARK_VERSION
  );
}

/** Tells the mark at `path` from those of all other owners, even if nothing else is known of it. */
export function markTag(fs: FileSystem, path: string): string | undefined {
  const generation = readHeader(fs, path)?.generation;
  return generation === undefined ? undefined : `${generation} ${fs.inode(path)}`;
}

/** Is there a mark, of whatever boot and version, whose header is not what was written? */
export function isMarkDamaged(fs: FileSystem, path: string): boolean {
  return fs.exists(path) && readHeader(fs, path) === undefined;
}

/** @param bootId in which the mark was made; undefined: in any */
function readHeader(
  fs: FileSystem,
  path: string,
  bootId?: string,
): { version: number; generation: number } | undefined {
  let page: Uint8Array;
  try {
    page = fs.readFile(path);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (page.length !== BLOCK_BYTES) return undefined;
  const view = viewOf(page);
  const isSound =
    view.getUint32(0, true) === MARK_MAGIC &&
    view.getUint32(BLOCK_BYTES - 4, true) === crc32c(page.subarray(0, HEADER_BYTES));
  if (!isSound) return undefined;
  if (bootId && Buffer.compare(page.subarray(24, 40), bootIdBytes(bootId)) !== 0) return undefined;
  const generation = Number(view.getBigUint64(40, true));
  return { version: view.getUint32(4, true), generation };
}

function bootIdBytes(bootId: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(bootId.replaceAll('-', ''), 'hex').subarray(0, 16));
  return bytes;
}
