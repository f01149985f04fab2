/** The file system of the machine: the one home of `node:fs` in the engine. */
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { native, type ReadAhead } from '../../native/index.ts';
import { defined } from '../base/assert.ts';
import { BLOCK_BYTES, MIB } from '../base/constants.ts';
import { HelicorderError, errnoCode, isNoSpace } from '../base/errors.ts';
import { edge } from '../base/failpoint.ts';
import { alignedBuffer, openDurable } from './direct-file.ts';
import { describeFileSystemType } from './file-system-types.ts';
import type { File, FileSystem, FileSystemFacts, Lock, MarkFile } from './file-system.ts';
import { NativeMarkFile } from './mark-file.ts';

const OPEN_FLAGS = {
  // a FIFO, which cannot be read at a position, is not waited for either
  read: constants.O_RDONLY | constants.O_NONBLOCK,
  write: 'r+',
  create: 'w+',
} as const;
/** What is shorter is read before a thread has begun to. */
const AHEAD_MIN_BYTES = 2 * MIB;
/** `stat` counts blocks of this size, whatever the file system's own is (stat(2)). */
const STAT_BLOCK_BYTES = 512;

class NodeFile implements File {
  readonly path: string;
  #openFd: number | undefined;
  #ahead: ReadAhead | undefined;

  constructor(path: string, mode: keyof typeof OPEN_FLAGS) {
    this.path = path;
    this.#openFd = openSync(path, OPEN_FLAGS[mode]);
  }

  /** The number of one that is closed may be another file's by now. */
  get #fd(): number {
    return defined(this.#openFd, `${this.path} is closed: its descriptor`);
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  read(into: Uint8Array, position: number): number {
    const done = this.#ahead?.read(into, position) ?? 0;
    return done + readFully(this.#fd, into.subarray(done), position + done);
  }

  readAhead(position: number, end: number): void {
    this.#ahead?.close();
    this.#ahead = undefined;
    if (end - position < AHEAD_MIN_BYTES) return;
    this.#ahead = new native.ReadAhead(this.#fd, position, end);
  }

  write(bytes: Uint8Array, position: number): void {
    writeFully(this.#fd, bytes, position);
  }

  sync(): void {
    fdatasyncSync(this.#fd);
  }

  dropCache(): void {
    native.dropCache(this.#fd);
  }

  truncate(size: number): void {
    ftruncateSync(this.#fd, size);
  }

  close(): void {
    const fd = this.#fd;
    this.#openFd = undefined;
    this.#ahead?.close();
    closeSync(fd);
  }
}

export const nodeFileSystem: FileSystem = {
  readFile: (path) => {
    // not a Buffer: its slices share memory, and `slice` means something else there
    const { buffer, byteOffset, byteLength } = readFileSync(path);
    return new Uint8Array(buffer, byteOffset, byteLength);
  },
  readText: (path) => readFileSync(path, 'utf8'),
  writeFileDurably,
  exists: (path) => existsSync(path),
  isDirectory,
  list,
  makeDirectory,
  rename: (from, to) => renameSync(from, to),
  remove: (path) => unlinkSync(path),
  syncDirectory,
  open: (path, mode) => new NodeFile(path, mode),
  openDurable,
  probeDirect,
  alignedBuffer,
  lock,
  info,
  fileSize: (path) => statSync(path, { throwIfNoEntry: false })?.size,
  inode: (path) => statSync(path).ino,
  diskUse,
  openMark,
};

/** Blocks this thread: for the waits of a program that has nothing else to do yet. */
export function pauseThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function readFully(fd: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

function writeFileDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`;
  try {
    const fd = openSync(temporary, 'w');
    try {
      writeFully(fd, bytes, 0);
      edge('replace-sync', () => fsyncSync(fd));
    } finally {
      closeSync(fd);
    }
    edge('replace-rename', () => renameSync(temporary, path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  edge('replace-directory', () => syncDirectory(dirname(path)));
}

/** A failure is final, also for want of space: a second sync may say OK and the name be gone. */
function syncDirectory(dir: string): void {
  try {
    const fd = openSync(dir, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const details = { file: dir, errno: errnoCode(error) ?? '' };
    const message = `cannot sync ${dir}: ${errnoCode(error) ?? String(error)}`;
    throw new HelicorderError('STORE_IO', message, { cause: error, details });
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** One by one: Node's `recursive` says ENOENT where the file system is read-only. */
function makeDirectory(path: string): void {
  if (isDirectory(path)) return;
  const parent = dirname(resolve(path));
  makeDirectory(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    const isThere = errnoCode(error) === 'EEXIST' && isDirectory(path);
    if (!isThere) throw error;
  }
  syncDirectory(parent);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** No O_DIRECT here. */
const REFUSES_DIRECT = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

/** Some file systems refuse O_DIRECT when a file is opened, others when it is written. */
function probeDirect(dir: string): boolean {
  const path = join(dir, '.probe-direct');
  const block = alignedBuffer(BLOCK_BYTES).fill(0xa5);
  const back = alignedBuffer(BLOCK_BYTES);
  try {
    const file = openDurable(path, true);
    try {
      file.write(block, 0);
    } finally {
      file.close();
    }
    const fd = openSync(path, 'r');
    try {
      readFully(fd, back, 0);
    } finally {
      closeSync(fd);
    }
    return Buffer.compare(block, back) === 0;
  } catch (error) {
    // not here, or no room to try: the buffered rung works everywhere
    if (isNoSpace(error) || REFUSES_DIRECT.has(errnoCode(error) ?? '')) return false;
    throw error;
  } finally {
    rmSync(path, { force: true });
  }
}

function lock(path: string, exclusive: boolean): Lock | undefined {
  const fd = openLockFile(path, exclusive);
  try {
    if (native.lockFile(fd, exclusive)) {
      return heldLock(fd);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Released once, however often it is asked to: its descriptor may be another file's by then. */
function heldLock(fd: number): Lock {
  let isHeld = true;
  return {
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      native.unlockFile(fd);
      closeSync(fd);
    },
  };
}

/** A shared lock needs no more than reading, so that a store on a read-only disk can be read. */
function openLockFile(path: string, exclusive: boolean): number {
  if (!exclusive && existsSync(path)) return openSync(path, 'r');
  return openSync(path, 'a+');
}

function info(path: string): FileSystemFacts {
  const { type, freeBytes } = native.fileSystemInfo(path);
  return { freeBytes, ...describeFileSystemType(type) };
}

function diskUse(dir: string): number {
  let bytes = 0;
  for (const name of unlessRefused(() => list(dir)) ?? []) {
    const path = join(dir, name);
    // a file may go between being listed and being looked at: then it takes no space
    const stat = unlessRefused(() => lstatSync(path, { throwIfNoEntry: false }));
    if (stat === undefined) continue;
    bytes += stat.blocks * STAT_BLOCK_BYTES;
    if (stat.isDirectory()) bytes += diskUse(path);
  }
  return bytes;
}

/** What others keep to themselves, as root does `lost+found`, is none of a store's. */
function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoCode(error) === 'EACCES' || errnoCode(error) === 'EPERM') return undefined;
    throw error;
  }
}

function openMark(path: string, generation: number, writable: boolean): MarkFile {
  const fd = openSync(path, writable ? 'r+' : 'r');
  try {
    return new NativeMarkFile(fd, fstatSync(fd).ino, generation, writable);
  } finally {
    closeSync(fd);
  }
}
