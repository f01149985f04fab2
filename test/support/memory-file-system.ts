/**
 * A file system in memory, for tests that open a store thousands of times. It passes the contract
 * of all file systems; everything is durable at once, so a crash is nothing but an owner that was
 * abandoned. `bytesOf` gives a file's own memory, for tests that spoil it.
 */
import { BLOCK_BYTES, MIB } from '../../engine/base/constants.ts';
import { crc32c } from '../../engine/base/crc32c.ts';
import type {
  DurableFile,
  File,
  FileSystem,
  FileSystemFacts,
  Lock,
  MarkFile,
  MarkValues,
} from '../../engine/files/file-system.ts';

class Content {
  readonly inode: number;
  #memory = new Uint8Array(0);
  size = 0;
  readonly waiters = new Set<() => void>();

  constructor(inode: number) {
    this.inode = inode;
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.size);
  }

  resize(size: number): void {
    if (size > this.#memory.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#memory.length));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    if (size < this.size) this.#memory.fill(0, size, this.size);
    this.size = size;
  }

  write(bytes: Uint8Array, position: number): void {
    this.resize(Math.max(this.size, position + bytes.length));
    this.#memory.set(bytes, position);
  }
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

export class MemoryFileSystem implements FileSystem {
  readonly #files = new Map<string, Content>();
  readonly #directories = new Set<string>(['']);
  readonly #locks = new Map<Content, number>();
  #nextInode = 1;

  /** The file's own memory, valid until it grows. */
  bytesOf(path: string): Uint8Array {
    return this.#find(path).bytes;
  }

  /** Another disk with the same content; locks are not copied. */
  clone(): MemoryFileSystem {
    const copy = new MemoryFileSystem();
    for (const dir of this.#directories) copy.#directories.add(dir);
    for (const [path, content] of this.#files) copy.#make(path).write(content.bytes, 0);
    return copy;
  }

  readFile(path: string): Uint8Array {
    return this.#find(path).bytes.slice();
  }

  readText(path: string): string {
    return new TextDecoder().decode(this.#find(path).bytes);
  }

  writeFileDurably(path: string, bytes: Uint8Array): void {
    const content = this.#make(path);
    content.write(bytes, 0);
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path);
  }

  isDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  list(dir: string): string[] {
    if (this.#files.has(dir)) throw systemError('ENOTDIR', dir);
    return [...this.#files.keys(), ...this.#directories]
      .filter((path) => path !== '' && parentOf(path) === dir)
      .map((path) => path.slice(dir.length + 1))
      .sort();
  }

  makeDirectory(path: string): void {
    for (let dir = path; dir !== ''; dir = parentOf(dir)) this.#directories.add(dir);
  }

  rename(from: string, to: string): void {
    this.#files.set(to, this.#find(from));
    this.#files.delete(from);
  }

  remove(path: string): void {
    this.#find(path);
    this.#files.delete(path);
  }

  syncDirectory(): void {}

  open(path: string, mode: 'read' | 'write' | 'create'): File {
    const content = mode === 'create' ? this.#make(path) : this.#find(path);
    return {
      path,
      size: () => content.size,
      read: (into, position) => {
        const found = content.bytes.subarray(position, position + into.length);
        into.set(found);
        return found.length;
      },
      write: (bytes, position) => content.write(bytes, position),
      sync: () => {},
      truncate: (size) => content.resize(size),
      close: () => {},
    };
  }

  openDurable(path: string, direct: boolean): DurableFile {
    const content = this.#files.get(path) ?? this.#make(path);
    const write = (bytes: Uint8Array, position: number): void => content.write(bytes, position);
    return { path, direct, write, close: () => {} };
  }

  probeDirect(): boolean {
    return false;
  }

  alignedBuffer(bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }

  lock(path: string, exclusive: boolean): Lock | undefined {
    const content = this.#files.get(path) ?? this.#make(path);
    const held = this.#locks.get(content) ?? 0;
    if (held < 0 || (exclusive && held > 0)) return undefined;
    const step = exclusive ? -1 : 1;
    this.#locks.set(content, held + step);
    return { release: () => void this.#locks.set(content, this.#locks.get(content)! - step) };
  }

  /** Too little space for a ballast, which would make every store 4 MiB larger. */
  info(path: string): FileSystemFacts {
    if (!this.exists(path)) throw systemError('ENOENT', path);
    return { freeBytes: MIB, type: 'memory' };
  }

  inode(path: string): number {
    return this.#find(path).inode;
  }

  diskUse(dir: string): number {
    return [...this.#files]
      .filter(([path]) => path.startsWith(`${dir}/`))
      .reduce((sum, [, { size }]) => sum + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES, 0);
  }

  openMark(path: string, generation: number): MarkFile {
    const content = this.#find(path);
    if (content.size !== BLOCK_BYTES) throw systemError('EINVAL', path);
    return new MemoryMark(content, generation);
  }

  #find(path: string): Content {
    const content = this.#files.get(path);
    if (content === undefined) throw systemError('ENOENT', path);
    return content;
  }

  /** A new file in the place of what may have had the name. */
  #make(path: string): Content {
    if (!this.#directories.has(parentOf(path))) throw systemError('ENOENT', path);
    const content = new Content(this.#nextInode++);
    this.#files.set(path, content);
    return content;
  }
}

/** The words of `docs/format-log.md`, Mark. */
class MemoryMark implements MarkFile {
  readonly inode: number;
  readonly #content: Content;
  readonly #generation: number;
  readonly #view: DataView;
  #wake: (() => void) | undefined;

  constructor(content: Content, generation: number) {
    this.inode = content.inode;
    this.#content = content;
    this.#generation = generation;
    const { buffer, byteOffset } = content.bytes;
    this.#view = new DataView(buffer, byteOffset, BLOCK_BYTES);
  }

  publish(durableLsn: number, generation: number): void {
    this.#view.setBigUint64(64, BigInt(durableLsn), true);
    this.#view.setBigUint64(72, checkOf(BigInt(durableLsn), generation), true);
    this.#wakeAll();
  }

  setState(state: number): void {
    this.#view.setUint32(84, state, true);
    this.#wakeAll();
  }

  read(): MarkValues | undefined {
    const durable = this.#view.getBigUint64(64, true);
    const check = this.#view.getBigUint64(72, true);
    if (check !== checkOf(durable, this.#generation)) return undefined;
    const word = this.#view.getUint32(80, true);
    return { durableLsn: Number(durable), word, state: this.#view.getUint32(84, true) };
  }

  wait(word: number, timeoutMs: number): Promise<void> {
    if (this.#view.getUint32(80, true) !== word) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#content.waiters.delete(this.#wake!);
        resolve();
      };
      this.#content.waiters.add(this.#wake);
    });
  }

  close(): void {
    this.#wake?.();
  }

  #wakeAll(): void {
    this.#view.setUint32(80, this.#view.getUint32(80, true) + 1, true);
    for (const wake of this.#content.waiters) wake();
  }
}

function checkOf(durable: bigint, generation: number): bigint {
  const words = new DataView(new ArrayBuffer(16));
  words.setBigUint64(0, BigInt(generation), true);
  words.setBigUint64(8, durable, true);
  const crc = crc32c(new Uint8Array(words.buffer));
  return (BigInt(~crc >>> 0) << 32n) | BigInt(crc);
}
