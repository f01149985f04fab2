/**
 * A file in which a device's numbers stand, as in sysfs and procfs: read again and again from its
 * beginning. Neither opening nor reading it waits for another program.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { HelicorderError } from '../base/errors.ts';

export class DeviceFile {
  readonly #path: string;
  readonly #fd: number;

  /** @throws DEVICE if it is no regular file, what open(2) fails with */
  constructor(path: string) {
    this.#path = path;
    // without O_NONBLOCK a FIFO is waited for until somebody writes to it
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(this.#fd);
    if (stat.isFile()) return;
    this.close();
    throw new HelicorderError('DEVICE', `${path} is ${kindOf(stat)}, not a file with a text`);
  }

  /** @returns bytes read, fewer than there is room for only at the end of the file */
  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.#fd, into, done, into.length - done, done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Is it the file that its path names now? One may have been put into its place. */
  hasPath(): boolean {
    const named = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    const { dev, ino } = fstatSync(this.#fd, { bigint: true });
    return named?.dev === dev && named.ino === ino;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'a directory';
  if (stat.isFIFO()) return 'a FIFO';
  return stat.isCharacterDevice() || stat.isBlockDevice() ? 'a device node' : 'a socket';
}
