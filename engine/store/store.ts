/**
 * The embedded store, as a user's own program sees it.
 *
 * One directory, one log for all streams, one owner at a time, any number of readers in any
 * process. Seven rooms, each of which knows only those below it; data comes in by the uppermost:
 *
 *   appender.ts   an owner that only appends events
 *   write/        the owner. writer.ts: lock, recovery, control entries, commit; log-writer.ts:
 *                 groups into segments, the only code that writes the log; transactions.ts;
 *                 changes.ts: what clients and upkeep want changed
 *   upkeep/       one step of it (upkeep.ts): what goes by age, share, budget; trims; who seals
 *   read/         beside an owner or without one. reader.ts: state up to the mark;
 *                 stream-reader.ts: one stream's records from any offset; locate.ts: where they lie
 *   chunks/       where records live once their segment is finished; sealer.ts makes them
 *   state/        the control state, a function of the log (state.ts); recover.ts: the newest
 *                 segment → state and the place to write on; catalog.ts: SQLite view, disposable
 *   log/          files of groups. log.ts, scan.ts: in order, torn writes told from damage;
 *                 segment.ts: zeros, rename, header; spill-reader.ts: what is larger than a
 *                 group; mark.ts: how far the log is durable, for tail readers
 *   entries/      what a group says. format.ts: the bytes; control-entries.ts (JSON), data.ts
 *                 (columns)
 *
 * Constraints: one write in flight; a group is committed when its write has returned; what is
 * acknowledged is never rewritten; the log is the only truth; readers cost the owner nothing;
 * every wait is bounded. `docs/format-log.md` has the bytes, `docs/durability.md` the promise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, systemRandom, type Clock, type Random } from '../base/clock.ts';
import { turn } from '../base/turn.ts';
import { parseSchema } from '../batch/schema.ts';
import { doingIo } from '../base/errors.ts';
import type { FileSystem } from '../files/file-system.ts';
import { nodeFileSystem, pauseThread } from '../files/node-file-system.ts';
import type { StreamSnapshot } from './entries/control-entries.ts';
import { locateTime } from './read/locate-time.ts';
import { StoreReader } from './read/reader.ts';
import { cursorOf, namedStream } from './state/named.ts';
import type { WriterPosition } from './state/positions.ts';
import { StreamReader, type RawItem } from './read/stream-reader.ts';
import type { FaultItem, StreamItem } from './read/stream-item.ts';
import { checkColumns, checkRange } from './read/view.ts';
import { VERSION } from '../base/version.ts';

export interface StoreEnvironment {
  fs: FileSystem;
  clock: Clock;
  random: Random;
  /** blocks the thread */
  pause: (ms: number) => void;
  sleep: (ms: number) => Promise<void>;
  /** a turn for timers and signals, if one is due; default: they wait for reads and appends */
  turn?: () => Promise<void> | undefined;
  version: string;
}

export const systemEnvironment: StoreEnvironment = {
  fs: nodeFileSystem,
  clock: systemClock,
  random: systemRandom,
  pause: pauseThread,
  sleep,
  turn,
  version: VERSION,
};

export interface ReadOptions {
  /** first offset wanted; default: the first there is */
  from?: number | 'start' | 'tail';
  /**
   * name of a cursor: once there is one, reading begins exactly at its offset, and not at `from`;
   * see `Consumer` for one that moves it
   */
  cursor?: string;
  /** the first offset not wanted: one that follows ends once it has come to it */
  to?: number;
  /** UTC ns: nothing that was before is wanted */
  fromTime?: bigint;
  /** UTC ns: nothing that was then or later is wanted */
  toTime?: bigint;
  /** the channels to decode, by name; items and their schemas then have these, in this order */
  columns?: readonly string[];
  /**
   * The arrays of an item are overwritten once the next one is asked for. For whoever is done with
   * an item by then: history is read about twice as fast if no array is made for each.
   */
  reuseArrays?: boolean;
  /** wait for more at the end, until `signal` aborts or the owner closes */
  follow?: boolean;
  signal?: AbortSignal;
}

/** How long a follower waits for the mark before it looks whether the owner is still there. */
const FOLLOW_WAIT_MS = 500;

/**
 * A store opened for reading. Every call looks first at what is durable by then, whoever owns the
 * store by then; while an owner is just beginning it waits, for at most 2 s. Calls read the log in
 * the calling thread.
 *
 * What needs one state over several steps takes it from `reader`, after one look: it moves on only
 * with the next one, of whatever call, and with the reading of a stream.
 */
export class Store {
  readonly reader: StoreReader;

  private constructor(reader: StoreReader) {
    this.reader = reader;
  }

  /**
   * Opens the store in `dir` for reading, beside its owner if there is one.
   * @throws HelicorderError NOT_A_STORE, FORMAT_VERSION, DAMAGED, STORE_IO
   */
  static open(dir: string, environment: StoreEnvironment = systemEnvironment): Store {
    return new Store(StoreReader.open(dir, environment));
  }

  /**
   * Looks, as every call does. @throws STORE_IN_USE if an owner has begun and does not say how far
   *   its log is durable, DAMAGED, STORE_IO
   */
  look(): void {
    doingIo('cannot read the store in', this.reader.paths.dir, () => this.reader.look());
  }

  /** Names of all streams, scope/name, sorted. */
  streamNames(): string[] {
    this.look();
    return [...this.reader.state.streams.values()].map((stream) => stream.name).sort();
  }

  /** @throws NO_SUCH_STREAM, with the nearest name */
  stream(name: string): StreamSnapshot {
    this.look();
    return namedStream(this.reader.state, name);
  }

  /**
   * Where the input of a writer was, as its last append that carried a position said; undefined:
   * none did. After any crash it fits what the stream holds: records of the writer behind its `seq`
   * were appended without one. @throws NO_SUCH_STREAM
   */
  positionOf(stream: string, writer: string): WriterPosition | undefined {
    const { id } = this.stream(stream);
    return this.reader.state.positions.of(id, writer);
  }

  /**
   * The records of a stream, in order, in the pieces in which they were stored; the first and last
   * piece may reach beyond `from` and `to`, and any beyond the times; the first one after a cursor
   * begins at its offset. Damage comes as items of kind
   * `fault`, the records it swallowed as gaps of reason `corrupt`. Arrays belong to the receiver,
   * unless it has them reused.
   * @throws NO_SUCH_STREAM, USAGE for an option that cannot be, when the first item is asked for
   */
  async *read(name: string, options: ReadOptions = {}): AsyncGenerator<StreamItem> {
    const { to = Infinity, follow = false, signal } = options;
    const reader = await this.#streamReader(name, options);
    for (;;) {
      const wasOwned = this.reader.isOwned;
      for await (const item of reader.items()) {
        if (item.kind !== 'fault' && item.firstOffset >= to) return;
        yield item;
        await this.reader.turn();
        if (signal?.aborted) return;
      }
      const isDone = reader.isDone || reader.nextOffset >= to;
      if (isDone || !follow || !wasOwned || signal?.aborted) return;
      while (!this.reader.refresh() && this.reader.isOwned && !signal?.aborted) {
        await this.reader.wait(FOLLOW_WAIT_MS);
      }
    }
  }

  /**
   * The same as stored: batches with their columns encoded, retired records as they are, up to the
   * end there is now.
   */
  async *readRaw(
    name: string,
    options: Pick<ReadOptions, 'from' | 'fromTime' | 'toTime' | 'columns'> = {},
  ): AsyncGenerator<RawItem | FaultItem> {
    const reader = await this.#streamReader(name, options);
    for await (const item of reader.raw()) {
      yield item;
      await this.reader.turn();
    }
  }

  async #streamReader(name: string, options: ReadOptions): Promise<StreamReader> {
    checkRange(options);
    const stream = this.stream(name);
    const { columns, fromTime, toTime, cursor, reuseArrays } = options;
    if (columns) checkColumns(columns, parseSchema(this.reader.state.schemaOf(stream)), name);
    const known = cursor && cursorOf(this.reader.state, cursor, stream);
    const first = known ? known.offset! : await this.#firstOffset(stream, options);
    return new StreamReader(this.reader, stream.id, first, {
      columns: columns && new Set(columns),
      fromNanos: fromTime,
      toNanos: toTime,
      isExact: cursor !== undefined,
      reusesArrays: reuseArrays,
    });
  }

  async #firstOffset(
    { id, nextOffset }: StreamSnapshot,
    { from = 'start', fromTime }: ReadOptions,
  ): Promise<number> {
    const first = from === 'start' ? 0 : from === 'tail' ? nextOffset : from;
    if (fromTime === undefined) return first;
    return Math.max(first, await locateTime(this.reader, id, fromTime));
  }

  /**
   * The first offset of a stream whose sample or event is at or after a time, or of the gaps that
   * stand directly before it, since they may reach up to it; the stream's end if there is none.
   * Where the wall clock was set back and a time was there twice, it is the earlier one.
   * @throws NO_SUCH_STREAM
   */
  locateTime(name: string, utcNanos: bigint): Promise<number> {
    return locateTime(this.reader, this.stream(name).id, utcNanos);
  }

  close(): void {
    this.reader.close();
  }
}
