/**
 * The file name of a Unix socket. It is bound under another name in a directory that nobody else
 * can enter, gets its mode there, and is renamed into place: that replaces a stale one in one step.
 * Paths that are too long for the kernel (`sun_path`, unix(7)) go by way of an open directory.
 */
import { chmodSync, closeSync, constants, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoCode, openError } from '../base/errors.ts';

const SUN_PATH_MAX_BYTES = 107;
const SOCKET_NAME = 's';

export class SocketPath {
  readonly #path: string;
  readonly #newDir: string;
  #directory: number | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#newDir = `${path}.new`;
  }

  /**
   * @param bind binds a socket at the path it is given, and may remove it there at the end
   * @throws HelicorderError STORE_IO, READ_ONLY, NO_SPACE
   */
  async publish(bind: (path: string) => Promise<void>): Promise<void> {
    try {
      rmSync(this.#newDir, { recursive: true, force: true });
      mkdirSync(this.#newDir, { mode: 0o700 });
      this.#directory = openDirectory(this.#newDir);
      const bound = `${this.#newDir}/${SOCKET_NAME}`;
      await bind(isShort(bound) ? bound : throughDirectory(this.#directory, SOCKET_NAME));
      chmodSync(bound, 0o600);
      renameSync(bound, this.#path);
    } catch (error) {
      this.close();
      throw openError(error, 'cannot make the socket', this.#path);
    } finally {
      rmSync(this.#newDir, { recursive: true, force: true });
    }
  }

  /** Nobody finds it any more. One that a failing disk keeps is replaced by the next owner. */
  remove(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
    }
  }

  /** After the socket is closed: what it was bound through stays open until then. */
  close(): void {
    if (this.#directory !== undefined) closeSync(this.#directory);
    this.#directory = undefined;
  }
}

/** A socket that is listened at gets another name on the same file system, in the place of any. */
export function moveSocket(path: string, to: string): void {
  renameSync(path, to);
}

/**
 * Calls `use` with a path that `connect` takes; the path is good until `use` returns.
 * @returns undefined if the directory of the socket does not exist
 */
export function withSocketPath<T>(path: string, use: (path: string) => T): T | undefined {
  if (isShort(path)) return use(path);
  let directory: number;
  try {
    directory = openDirectory(dirname(path));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return use(throughDirectory(directory, basename(path)));
  } finally {
    closeSync(directory);
  }
}

function openDirectory(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= SUN_PATH_MAX_BYTES;
}

function throughDirectory(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`;
}
