/**
 * A driver for a device that has been there, and may be away: the sampler worker opens anew what
 * main has opened before it, at a reload also what has vanished since. Until it can be opened, with
 * back-off, its ticks are gaps, as after a read that failed.
 */
import { isCode } from '../base/errors.ts';
import type { OpenDriver, RowWriter } from '../drivers/driver.ts';
import { BackOff } from './back-off.ts';

/** @throws what `open` throws, but for DEVICE */
export function awaitedDriver(open: () => OpenDriver): OpenDriver {
  return unlessAway(open) ?? new AwaitedDriver(open);
}

function unlessAway(open: () => OpenDriver): OpenDriver | undefined {
  try {
    return open();
  } catch (error) {
    if (isCode(error, 'DEVICE')) return undefined;
    throw error;
  }
}

class AwaitedDriver implements OpenDriver {
  /** main has them, from the time when the device was there; a sampler asks for none */
  readonly channels = [];
  readonly attributes = [];
  readonly #open: () => OpenDriver;
  readonly #backOff = new BackOff();
  #driver: OpenDriver | undefined;

  constructor(open: () => OpenDriver) {
    this.#open = open;
    this.#backOff.failed();
  }

  read(row: RowWriter, tick: number): boolean {
    if (this.#driver === undefined) {
      if (!this.#backOff.isOver) return false;
      this.#driver = unlessAway(this.#open);
      if (this.#driver === undefined) this.#backOff.failed();
    }
    return this.#driver?.read?.(row, tick) ?? false;
  }

  close(): void {
    this.#driver?.close();
  }
}
