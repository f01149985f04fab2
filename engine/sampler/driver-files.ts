/**
 * The files a driver sees: those of this machine. One that cannot be read any more is opened again,
 * with back-off, so that a device that comes back is read again; until then its ticks are gaps. So
 * is one in whose place there is another file, or nothing.
 */
import { monotonicMs } from '../base/clock.ts';
import type { DriverFiles, OpenDriver, OpenText } from '../drivers/driver.ts';
import { driverOf } from '../drivers/registry.ts';
import { DeviceFile } from '../files/device-file.ts';
import { nodeFileSystem } from '../files/node-file-system.ts';
import { BackOff } from './back-off.ts';

/** The longest number in a file of sysfs or procfs, and then some. */
const TEXT_MAX_BYTES = 4096;
/** How long a file is read that has another's path, or none, by now. */
const LOOK_INTERVAL_MS = 1000;

export const driverFiles: DriverFiles = {
  list: (dir) => nodeFileSystem.list(dir),
  readText: (path) => nodeFileSystem.readText(path),
  openText: (path) => new ReopenedText(path),
};

class ReopenedText implements OpenText {
  readonly #path: string;
  readonly #memory = Buffer.alloc(TEXT_MAX_BYTES);
  readonly #backOff = new BackOff();
  #file: DeviceFile | undefined;
  #lookAtMs = 0;

  /** @throws if there is no such file now; DEVICE if it is a FIFO, a directory … */
  constructor(path: string) {
    this.#path = path;
    this.#file = new DeviceFile(path);
  }

  read(): string | undefined {
    if (this.#file === undefined && !this.#backOff.isOver) return undefined;
    try {
      this.#closeReplaced();
      this.#file ??= new DeviceFile(this.#path);
      const count = this.#file.read(this.#memory);
      this.#backOff.succeeded();
      const text = this.#memory.toString('latin1', 0, count);
      return count < TEXT_MAX_BYTES ? text : withoutCutWord(text);
    } catch {
      // the device is away: that is a gap, not an error
      this.close();
      this.#backOff.failed();
      return undefined;
    }
  }

  #closeReplaced(): void {
    const nowMs = monotonicMs();
    if (nowMs < this.#lookAtMs) return;
    this.#lookAtMs = nowMs + LOOK_INTERVAL_MS;
    if (this.#file?.hasPath() === false) this.close();
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** There may be more of the file, and a number that is cut is another one. */
function withoutCutWord(text: string): string {
  return text.replace(/\S+$/, '');
}

/** @throws CONFIG, DEVICE */
export function openDriver(
  kind: string,
  options: Record<string, unknown>,
  sourceName: string,
): OpenDriver {
  return driverOf(kind).open(options, { files: driverFiles, sourceName });
}
