/**
 * What goes on in a store, from beside its owner: streams by how much they write, how far each
 * cursor is behind, disk use and when it will be full. Rates are between two looks.
 */
import { monotonicMs } from '../base/clock.ts';
import { isCode } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import { cursorsSeen } from './cursors.ts';
import { Growth, limitBytes } from '../base/growth.ts';
import { stringOrNull } from './describe.ts';
import type { RecorderStatus, TopReport } from './types.ts';

interface Seen {
  records: number;
  bytes: number;
}

export class Top {
  readonly #store: Store;
  readonly #growth = new Growth();
  #seen = new Map<number, Seen>();
  #seenMs: number | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Looks again. The first look has no rates.
   * @param owner what the owner tells: it has seen the store grow for longer
   */
  look(owner?: Pick<RecorderStatus, 'fullInSeconds'>): TopReport {
    const { reader } = this.#store;
    try {
      reader.look();
    } catch (error) {
      // it is just beginning: a later look tells of it
      if (!isCode(error, 'STORE_IN_USE')) throw error;
    }
    const nowMs = monotonicMs();
    const seconds = this.#seenMs === undefined ? null : (nowMs - this.#seenMs) / 1000;
    const streams = this.#streams(seconds);
    this.#seenMs = nowMs;
    return {
      owned: reader.isOwned,
      streams: streams.sort((a, b) => (b.bytesPerSecond ?? 0) - (a.bytesPerSecond ?? 0)),
      cursors: this.#cursors(),
      disk: this.#disk(nowMs, owner?.fullInSeconds),
    };
  }

  #streams(seconds: number | null): TopReport['streams'] {
    const { state } = this.#store.reader;
    const before = this.#seen;
    this.#seen = new Map();
    return [...state.streams.values()].map(({ id, name, nextOffset, totals }) => {
      const now = { records: nextOffset, bytes: totals.bytes + totals.paddingBytes };
      const last = before.get(id);
      const lowWater = state.lowWaterOf(id);
      this.#seen.set(id, now);
      const rate = (key: keyof Seen): number | null =>
        seconds === null || last === undefined ? null : (now[key] - last[key]) / seconds;
      return {
        name,
        records: String(nextOffset - lowWater),
        firstOffset: String(lowWater),
        recordsPerSecond: rate('records'),
        bytesPerSecond: rate('bytes'),
        lastTimestampNanos: stringOrNull(totals.lastNanos),
      };
    });
  }

  #cursors(): TopReport['cursors'] {
    return cursorsSeen(this.#store).map(({ name, stream, offset, lagRecords, retired }) => {
      return { name, stream, offset, lag: lagRecords, retired };
    });
  }

  #disk(nowMs: number, ownersForecast: number | null | undefined): TopReport['disk'] {
    const { fs, paths, state } = this.#store.reader;
    const usedBytes = fs.diskUse(paths.dir);
    const { freeBytes } = fs.info(paths.dir);
    this.#growth.note(nowMs, usedBytes);
    const limit = limitBytes(usedBytes, freeBytes, state.retention?.budget);
    return {
      usedBytes: String(usedBytes),
      chunkBytes: String(fs.diskUse(paths.chunks)),
      freeBytes: String(freeBytes),
      limitBytes: String(limit),
      fullInSeconds: ownersForecast ?? this.#growth.secondsUntil(limit),
    };
  }
}
