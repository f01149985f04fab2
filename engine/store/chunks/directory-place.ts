/** Chunks in a directory: of this machine, or of a network mount (no locks, no maps are used). */
import { MIB } from '../../base/constants.ts';
import { HelicorderError, errnoCode } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { File, FileSystem } from '../../files/file-system.ts';
import type { ChunkPlace, ChunkSink, ChunkSource } from './place.ts';

/** What a mount says whose server does not answer, or that is being taken away. */
const AWAY = new Set(['EIO', 'ESTALE', 'ENOTCONN', 'ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH']);
/** Of a new chunk in the page cache, at most: a sync of more holds up the log on the same disk. */
const UNSYNCED_BYTES = 1 * MIB;
const TEMPORARY = /^\.\d{20}-\d{20}\.chunk$/;

export class DirectoryPlace implements ChunkPlace {
  readonly name: string;
  readonly #fs: FileSystem;
  readonly #mustExist: boolean;

  /** @param mustExist the directory is somebody else's, and may be away: it is never made here */
  constructor(fs: FileSystem, dir: string, mustExist = false) {
    this.#fs = fs;
    this.name = dir;
    this.#mustExist = mustExist;
  }

  list(): Promise<{ name: string; bytes: number }[]> {
    return this.#reaching(() =>
      this.#fs
        .list(this.name)
        .filter((name) => name.endsWith('.chunk') && !name.startsWith('.'))
        .flatMap((name) => this.#sized(name)),
    );
  }

  /** A file may go between being listed and being looked at. */
  #sized(name: string): { name: string; bytes: number }[] {
    const bytes = this.#fs.fileSize(`${this.name}/${name}`);
    return bytes === undefined ? [] : [{ name, bytes }];
  }

  open(name: string): Promise<ChunkSource | undefined> {
    return this.#reaching(() => {
      try {
        return new FileSource(this.#fs.open(`${this.name}/${name}`, 'read'));
      } catch (error) {
        if (errnoCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  put(name: string): Promise<ChunkSink> {
    return this.#reaching(() => {
      this.#fs.makeDirectory(this.name);
      return new FileSink(this.#fs, this.name, name);
    });
  }

  remove(name: string): Promise<void> {
    return this.#reaching(() => {
      const path = `${this.name}/${name}`;
      if (!this.#fs.exists(path)) return;
      edge('chunk-remove', () => this.#fs.remove(path));
      edge('chunk-remove-directory', () => this.#fs.syncDirectory(this.name));
    });
  }

  sweep(): Promise<void> {
    return this.#reaching(() => {
      const left = this.#fs.list(this.name).filter((name) => TEMPORARY.test(name));
      for (const name of left) this.#fs.remove(`${this.name}/${name}`);
      if (left.length > 0) this.#fs.syncDirectory(this.name);
    });
  }

  #reaching<T>(work: () => T): Promise<T> {
    return attempt(() => {
      if (!this.#mustExist) return work();
      try {
        if (this.#fs.isDirectory(this.name)) return work();
      } catch (cause) {
        if (!AWAY.has(errnoCode(cause) ?? '')) throw cause;
        throw this.#away(cause);
      }
      throw this.#away(undefined, ' (there must be a directory; none is made here)');
    });
  }

  #away(cause: unknown, why = ''): HelicorderError {
    const message = `the place for chunks ${this.name} cannot be reached${why}`;
    return new HelicorderError('UNAVAILABLE', message, { cause, details: { dir: this.name } });
  }
}

class FileSource implements ChunkSource {
  readonly bytes: number;
  readonly #file: File;

  constructor(file: File) {
    this.#file = file;
    this.bytes = file.size();
  }

  read(at: number, length: number): Promise<Uint8Array> {
    return attempt(() => {
      const into = new Uint8Array(Math.max(0, Math.min(length, this.bytes - at)));
      return into.subarray(0, this.#file.read(into, at));
    });
  }

  close(): void {
    this.#file.close();
  }
}

class FileSink implements ChunkSink {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: File;
  #isClosed = false;
  #bytes = 0;
  #syncedBytes = 0;

  constructor(fs: FileSystem, dir: string, name: string) {
    this.#fs = fs;
    this.#dir = dir;
    this.#path = `${dir}/${name}`;
    this.#temporary = `${dir}/.${name}`;
    this.#file = fs.open(this.#temporary, 'create');
  }

  get bytes(): number {
    return this.#bytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    return attempt(() => {
      this.#file.write(bytes, this.#bytes);
      this.#bytes += bytes.length;
      if (this.#bytes - this.#syncedBytes >= UNSYNCED_BYTES) this.#sync();
    });
  }

  written(): Promise<ChunkSource> {
    return attempt(() => {
      this.#sync();
      return new FileSource(this.#fs.open(this.#temporary, 'read'));
    });
  }

  commit(): Promise<void> {
    return attempt(() => {
      this.#sync();
      this.#close();
      edge('chunk-rename', () => this.#fs.rename(this.#temporary, this.#path));
      edge('chunk-directory', () => this.#fs.syncDirectory(this.#dir));
    });
  }

  abort(): Promise<void> {
    return attempt(() => {
      this.#close();
      if (this.#fs.exists(this.#temporary)) this.#fs.remove(this.#temporary);
    });
  }

  #sync(): void {
    if (this.#syncedBytes === this.#bytes) return;
    edge('chunk-sync', () => this.#file.sync());
    this.#syncedBytes = this.#bytes;
  }

  /** Once: by then its number may be another file's. */
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
  }
}

/** Does it now; what it throws is the promise's. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
