/**
 * The file system of one process on a simulated disk. It passes the contract of all file systems.
 *
 * Each operation asks its host first: the host may spend virtual time, make the operation fail, or
 * end the process in the middle of it by throwing. Without a host of the simulator's it is a plain
 * file system in memory, for tests that open a store thousands of times.
 */
import type Database from 'better-sqlite3';
import { BLOCK_BYTES } from '../../engine/base/constants.ts';
import type {
  DurableFile,
  File,
  FileSystemFacts,
  Lock,
  MarkFile,
} from '../../engine/files/file-system.ts';
import { usingFile } from '../../engine/files/using-file.ts';
import type { CatalogFiles } from '../../engine/store/state/catalog.ts';
import { SeededRandom } from './random.ts';
import { SimulatedDatabase, sqliteError, type DatabaseFile } from './simulated-database.ts';
import { SECTOR_BYTES, SimulatedDisk, split, type Content } from './simulated-disk.ts';
import { SimulatedMark } from './simulated-mark.ts';

/** Of databases: `database` opens one or begins a transaction, which `commit` ends. */
export type Operation =
  | ('open' | 'read' | 'write' | 'sync' | 'names' | 'sync-names' | 'lock' | 'look' | 'mark')
  | ('database' | 'commit');

export interface Host {
  readonly random: SeededRandom;
  /** Before an operation takes effect, and again in the middle of slow ones; may throw. */
  step(operation: Operation, path: string, bytes: number): void;
  /** the errno with which the operation is to fail now, or SQLite's code */
  fault(operation: Operation, path: string): string | undefined;
  /** what a failed sync leaves in the page cache goes at once, or stays to be seen */
  readonly evictsFailedPages: boolean;
  readonly isDirect: boolean;
  /** else SQLite can open nothing here */
  readonly hasDatabases: boolean;
  /** @returns what calls it off */
  after(ms: number, action: () => void): () => void;
}

/** Nothing happens on it that nobody asked for. */
export const calmHost: Host = {
  random: new SeededRandom(1),
  step: () => {},
  fault: () => undefined,
  evictsFailedPages: true,
  isDirect: false,
  hasDatabases: true,
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

const AHEAD_BLOCKS = 32;

/** By size, of processes that have ended: to make them anew costs more than all the rest. */
const freeBuffers = new Map<number, Uint8Array[]>();

export class SimulatedFileSystem implements CatalogFiles {
  readonly disk: SimulatedDisk;
  /** those that are not closed */
  readonly openFiles = new Set<File | DurableFile>();
  readonly #host: Host;
  readonly #held = new Set<Lock>();
  readonly #databases = new Set<SimulatedDatabase>();
  readonly #buffers: Uint8Array[] = [];

  constructor(disk = new SimulatedDisk(), host: Host = calmHost) {
    this.disk = disk;
    this.#host = host;
  }

  /** Another file system on a disk with the same content. */
  clone(): SimulatedFileSystem {
    return new SimulatedFileSystem(this.disk.clone(), this.#host);
  }

  /** The file's own memory as all processes see it, valid until it grows. */
  bytesOf(path: string): Uint8Array {
    return this.#find(path).seen;
  }

  /** The process has ended: the kernel lets go of its locks, and of its memory. */
  die(): void {
    for (const lock of this.#held) lock.release();
    for (const database of this.#databases) database.die();
    for (const memory of this.#buffers) {
      const free = freeBuffers.get(memory.length) ?? [];
      freeBuffers.set(memory.length, free);
      free.push(memory);
    }
  }

  readFile(path: string): Uint8Array {
    this.#begin('read', path);
    return this.#find(path).seen.slice();
  }

  readText(path: string): string {
    return new TextDecoder().decode(this.readFile(path));
  }

  writeFileDurably(path: string, bytes: Uint8Array): void {
    const temporary = `${path}.tmp`;
    try {
      usingFile(this, temporary, 'create', (file) => {
        file.write(bytes, 0);
        file.sync();
      });
      this.rename(temporary, path);
    } catch (error) {
      if (this.exists(temporary)) this.remove(temporary);
      throw error;
    }
    this.syncDirectory(split(path)[0]);
  }

  exists(path: string): boolean {
    this.#begin('look', path);
    return this.disk.find(path) !== undefined || this.disk.directory(path) !== undefined;
  }

  isDirectory(path: string): boolean {
    this.#begin('look', path);
    return this.disk.directory(path) !== undefined;
  }

  list(dir: string): string[] {
    this.#begin('look', dir);
    if (this.disk.find(dir)) throw systemError('ENOTDIR', dir);
    const files = [...(this.disk.directory(dir)?.seen.keys() ?? [])];
    const below = this.disk.directories().filter((path) => path !== '' && split(path)[0] === dir);
    return [...files, ...below.map((path) => split(path)[1])].sort();
  }

  makeDirectory(path: string): void {
    this.#begin('names', path);
    for (let dir = path; dir !== ''; [dir] = split(dir)) this.disk.makeDirectory(dir);
  }

  rename(from: string, to: string): void {
    this.#begin('names', to);
    const content = this.#find(from);
    const [dir, unset] = split(from);
    const [target, name] = split(to);
    if (dir === target) return this.disk.directory(dir)!.change({ set: { name, content }, unset });
    // between directories each of them keeps or loses its half
    this.disk.directory(target)!.change({ set: { name, content } });
    this.disk.directory(dir)!.change({ unset });
  }

  remove(path: string): void {
    this.#begin('names', path);
    this.#find(path);
    const [dir, unset] = split(path);
    this.disk.directory(dir)!.change({ unset });
  }

  syncDirectory(dir: string): void {
    this.#begin('sync-names', dir);
    this.disk.directory(dir)!.settle();
  }

  open(path: string, mode: 'read' | 'write' | 'create'): File {
    this.#begin('open', path);
    const content = mode === 'create' ? this.#make(path) : this.#find(path);
    if (mode === 'create') content.truncate(0);
    let ahead = { at: 0, bytes: new Uint8Array(0) };
    return this.#opened<File>({
      path,
      size: () => content.size,
      read: (into, position) => {
        this.#begin('read', path);
        const early = position === ahead.at ? ahead.bytes.subarray(0, into.length) : undefined;
        const at = early?.length ?? 0;
        ahead = { at: position + at, bytes: ahead.bytes.subarray(early ? at : Infinity) };
        if (early) into.set(early);
        const found = content.seen.subarray(position + at, position + into.length);
        into.set(found, at);
        return at + found.length;
      },
      // of what is read ahead some is as old as it may be, and what is behind it as new
      readAhead: (position, end) => {
        const early = position + (1 + this.#host.random.below(AHEAD_BLOCKS)) * BLOCK_BYTES;
        ahead = { at: position, bytes: content.seen.slice(position, Math.min(early, end)) };
      },
      write: (bytes, position) => this.#write(content, path, bytes, position),
      sync: () => this.#sync(content, path),
      dropCache: () => content.dropCache(),
      truncate: (size) => content.truncate(size),
      close: () => {},
    });
  }

  openDurable(path: string, direct: boolean): DurableFile {
    this.#begin('open', path);
    const content = this.#make(path);
    const write: DurableFile['write'] = (bytes, position, meanwhile) => {
      if (!this.openFiles.has(file)) throw new Error(`${path} is closed`);
      // before anything of it is there: the worst that can be
      meanwhile?.(() => true);
      this.#write(content, path, bytes, position, direct);
      if (!direct) return this.#sync(content, path);
      this.#host.step('sync', path, bytes.length);
      content.settleWrite(position, position + bytes.length);
    };
    const file = this.#opened<DurableFile>({ path, direct, write, close: () => {} });
    return file;
  }

  #opened<T extends File | DurableFile>(file: T): T {
    file.close = () => void this.openFiles.delete(file);
    this.openFiles.add(file);
    return file;
  }

  probeDirect(): boolean {
    return this.#host.isDirect;
  }

  alignedBuffer(bytes: number): Uint8Array {
    const memory = freeBuffers.get(bytes)?.pop() ?? new Uint8Array(bytes);
    this.#buffers.push(memory);
    return memory.fill(0);
  }

  lock(path: string, exclusive: boolean): Lock | undefined {
    this.#begin('lock', path);
    const content = this.#make(path);
    const { locks } = this.disk;
    const held = locks.get(content) ?? 0;
    if (held < 0 || (exclusive && held > 0)) return undefined;
    const step = exclusive ? -1 : 1;
    locks.set(content, held + step);
    const lock = {
      release: () => {
        if (this.#held.delete(lock)) locks.set(content, (locks.get(content) ?? step) - step);
      },
    };
    this.#held.add(lock);
    return lock;
  }

  info(path: string): FileSystemFacts {
    if (!this.exists(path)) throw systemError('ENOENT', path);
    const { capacity, used, shownFreeBytes } = this.disk;
    const freeBytes = Math.max(0, Math.min(shownFreeBytes, capacity - used));
    return { freeBytes, type: 'memory' };
  }

  fileSize(path: string): number | undefined {
    return this.disk.find(path)?.size;
  }

  inode(path: string): number {
    return this.#find(path).inode;
  }

  diskUse(dir = ''): number {
    return this.disk.usedUnder(dir);
  }

  openMark(path: string, generation: number): MarkFile {
    this.#begin('open', path);
    const content = this.#find(path);
    if (content.size !== BLOCK_BYTES) throw systemError('EINVAL', path);
    return new SimulatedMark(content, generation, this.#host);
  }

  openDatabase(path: string, options: Database.Options): Database.Database {
    if (!this.#host.hasDatabases) throw sqliteError('SQLITE_CANTOPEN', path);
    this.#stepOfDatabase('database', path);
    const mustExist = options.fileMustExist === true || options.readonly === true;
    const content = mustExist ? this.disk.find(path) : this.#make(path);
    if (content === undefined) throw sqliteError('SQLITE_CANTOPEN', path);
    const file = this.#databaseFile(content, path);
    const database = new SimulatedDatabase(file, this.disk.databases, options);
    this.#databases.add(database);
    return database;
  }

  #databaseFile(content: Content, path: string): DatabaseFile {
    const [dir] = split(path);
    const log = `${path}-wal`;
    return {
      content,
      begin: () => this.#stepOfDatabase('database', path),
      commit: (bytes) => {
        this.#stepOfDatabase('commit', path, bytes);
        if (bytes - content.size <= this.disk.capacity - this.disk.used) return;
        throw sqliteError('SQLITE_FULL', path);
      },
      sync: () => {
        this.#stepOfDatabase('commit', path);
        content.settleAll();
      },
      showLog: (isThere) => {
        if (isThere) this.#make(log);
        else if (this.disk.find(log)) this.disk.directory(dir)!.change({ unset: split(log)[1] });
      },
    };
  }

  #stepOfDatabase(operation: 'database' | 'commit', path: string, bytes = 0): void {
    this.#host.step(operation, path, bytes);
    const fault = this.#fault(operation, path);
    if (fault !== undefined) throw sqliteError(fault, path);
  }

  /** Applied in two parts, so that who dies in between leaves a beginning of it. */
  #write(
    content: Content,
    path: string,
    bytes: Uint8Array,
    position: number,
    direct = false,
  ): void {
    const fault = this.#fault('write', path);
    const grown = Math.max(0, position + bytes.length - content.size);
    const free = this.disk.capacity - (grown > 0 ? this.disk.used : 0);
    const room = fault === undefined ? bytes.length : this.#sectors(bytes);
    const length = Math.min(room, Math.max(0, bytes.length - Math.max(0, grown - free)));
    const first = Math.min(length, this.#sectors(bytes));
    content.write(bytes.subarray(0, first), position);
    this.#host.step('write', path, bytes.length);
    content.write(bytes.subarray(first, length), position + first);
    if (fault !== undefined) throw this.#failed(content, fault, path, direct);
    if (length === bytes.length) return;
    this.disk.stats.fullWrites++;
    throw systemError('ENOSPC', path);
  }

  #sectors(bytes: Uint8Array): number {
    return SECTOR_BYTES * this.#host.random.below(bytes.length / SECTOR_BYTES + 1);
  }

  #sync(content: Content, path: string): void {
    this.#host.step('sync', path, 0);
    const fault = this.#fault('sync', path);
    if (fault !== undefined) throw this.#failed(content, fault, path);
    content.settleAll();
  }

  /** What was written past the page cache leaves nothing in it. */
  #failed(content: Content, errno: string, path: string, direct = false): Error {
    content.dropDirty(direct || this.#host.evictsFailedPages);
    return systemError(errno, path);
  }

  #begin(operation: Operation, path: string): void {
    this.#host.step(operation, path, 0);
    const fault = this.#fault(operation, path);
    if (fault !== undefined) throw systemError(fault, path);
  }

  #fault(operation: Operation, path: string): string | undefined {
    const fault = this.#host.fault(operation, path);
    if (fault !== undefined) this.disk.stats.ioErrors++;
    return fault;
  }

  #find(path: string): Content {
    const content = this.disk.find(path);
    if (content === undefined) throw systemError('ENOENT', path);
    return content;
  }

  /** What has the name, or a new file. */
  #make(path: string): Content {
    const known = this.disk.find(path);
    if (known) return known;
    const [dir, name] = split(path);
    const directory = this.disk.directory(dir);
    if (directory === undefined) throw systemError('ENOENT', path);
    const content = this.disk.newContent();
    directory.change({ set: { name, content } });
    return content;
  }
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
