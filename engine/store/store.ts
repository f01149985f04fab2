/**
 * The embedded store, as a user's own program sees it.
 *
 * One directory, one log for all streams, one owner at a time, any number of readers in any
 * process. The parts, in the order data takes:
 *
 *   writer.ts          the owner: lock, recovery, control entries, commit
 *     log/log-writer   groups into segments: the only code that writes the log
 *     log/group        entries ↔ one group, or a run of groups
 *     log/segment      files: zeros, rename, header
 *   state.ts           the control state, a function of the log
 *     control, data    entries of control (JSON) and of records (columns)
 *   recover.ts         the newest segment → state and the place to write on
 *   mark.ts            how far the log is durable, for tail readers
 *   reader.ts          beside an owner or without one: state up to the mark
 *     log/log, scan    groups in order; torn writes told from damage
 *     stream-reader    one stream's records from any offset
 *   catalog.ts         SQLite view of it all, disposable
 *
 * Constraints: one write in flight; a group is committed when its write has returned; what is
 * acknowledged is never rewritten; the log is the only truth; readers cost the owner nothing;
 * every wait is bounded. `docs/format-log.md` has the bytes, `docs/durability.md` the promise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../base/assert.ts';
import type { HelicorderError } from '../base/errors.ts';
import { isCode } from '../base/errors.ts';
import { systemClock, systemRandom, type Clock, type Random } from '../base/clock.ts';
import { turn } from '../base/turn.ts';
import { parseSchema } from '../batch/schema.ts';
import type { FileSystem } from '../files/file-system.ts';
import { nodeFileSystem, pauseThread } from '../files/node-file-system.ts';
import type { StreamSnapshot } from './control-entries.ts';
import { locateTime } from './locate-time.ts';
import { StoreReader } from './reader.ts';
import { cursorOf, namedStream } from './named.ts';
import type { InputPosition, WriterPosition } from './positions.ts';
import { StreamReader, type FaultItem, type RawItem, type StreamItem } from './stream-reader.ts';
import { checkColumns } from './view.ts';
import { eventRun } from './run-plan.ts';
import { StoreWriter, type OpenedRun } from './writer.ts';
import { VERSION } from '../base/version.ts';

export interface StoreEnvironment {
  fs: FileSystem;
  clock: Clock;
  random: Random;
  /** blocks the thread */
  pause: (ms: number) => void;
  sleep: (ms: number) => Promise<void>;
  /** a turn for timers and signals, if one is due; default: they wait for whoever reads */
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

/** A store opened for reading. Synchronous calls read the log in the calling thread. */
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

  /** Names of all streams, scope/name, sorted. */
  streamNames(): string[] {
    return [...this.reader.state.streams.values()].map((stream) => stream.name).sort();
  }

  /** @throws NO_SUCH_STREAM, with the nearest name */
  stream(name: string): StreamSnapshot {
    return namedStream(this.reader.state, name);
  }

  /**
   * Where the input of a writer was, as its last append that carried a position said; undefined:
   * none did. After any crash it fits what the stream holds: records of the writer behind its `seq`
   * were appended without one. @throws NO_SUCH_STREAM
   */
  positionOf(stream: string, writer: string): WriterPosition | undefined {
    const { state } = this.reader;
    return state.positions.of(namedStream(state, stream).id, writer);
  }

  /**
   * The records of a stream, in order, in the pieces in which they were stored; the first and last
   * piece may reach beyond `from` and `to`, and any beyond the times; the first one after a cursor
   * begins at its offset. Damage comes as items of kind
   * `fault`, the records it swallowed as gaps of reason `corrupt`. Arrays belong to the receiver,
   * unless it has them reused.
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

/**
 * Appends opaque events to one stream as the store's owner: for programs that produce events
 * themselves. Every `append` is one durable group. The calling thread waits for the disk.
 */
export class Appender {
  readonly #writer: StoreWriter;
  readonly #opened: OpenedRun;
  readonly #sleep: (ms: number) => Promise<void>;

  private constructor(
    writer: StoreWriter,
    opened: OpenedRun,
    sleepMs: (ms: number) => Promise<void>,
  ) {
    this.#writer = writer;
    this.#opened = opened;
    this.#sleep = sleepMs;
  }

  /** @throws STORE_IN_USE while another process owns the store, USAGE for a stream of samples */
  static open(
    dir: string,
    options: { stream: string; writer: string; environment?: StoreEnvironment },
  ): Appender {
    const { environment = systemEnvironment } = options;
    const writer = StoreWriter.open(dir, environment);
    try {
      const [opened] = writer.beginRuns([eventRun(options.stream, options.writer)]);
      return new Appender(writer, opened!, environment.sleep);
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  get epoch(): number {
    return this.#opened.run.epoch;
  }

  /** The last seq that is durable; the next event gets the one behind it. */
  get lastSeq(): number {
    return this.#opened.run.nextSeq - 1;
  }

  /** Where its input was with the last append that carried a position; see `Store.positionOf`. */
  get position(): WriterPosition | undefined {
    const { stream, run } = this.#opened;
    return this.#writer.state.positions.of(stream.id, run.writer);
  }

  /** The largest event that fits, bytes. */
  get eventLimit(): number {
    return this.#writer.eventLimit;
  }

  /** The most bytes of events for one `append`, unless it is a single event. */
  get groupLimit(): number {
    return this.#writer.groupLimit;
  }

  /**
   * Appends the events as one durable group; on a full disk it waits until there is space again.
   * One call at a time. @param onWait is told once, when the waiting begins
   * @param position where the input of these events ends: durable with them, or not at all
   * @returns seq and offset of the first event; the others follow without holes
   */
  async append(
    events: readonly Uint8Array[],
    onWait?: (error: HelicorderError) => void,
    position?: InputPosition,
  ): Promise<{ firstSeq: number; firstOffset: number }> {
    this.#writer.keepMark();
    for (let tell = onWait; ; tell = undefined) {
      try {
        if (this.#writer.isWaiting) return defined(this.#writer.resume()[0], 'the appended events');
        return this.#writer.appendEvents(this.#opened, events, position);
      } catch (error) {
        if (!isCode(error, 'NO_SPACE')) throw error;
        tell?.(error);
        await this.#sleep(FOLLOW_WAIT_MS);
      }
    }
  }

  /** @throws NO_SPACE, STORE_IO: its end could not be said in the log; the store is let go of */
  close(): void {
    if (this.#writer.isWaiting) return this.#writer.abandon();
    try {
      const builder = this.#writer.group();
      this.#writer.addRunEnd(builder, this.#opened.run, 'stopped');
      this.#writer.commit(builder);
      this.#writer.close();
    } catch (error) {
      this.#writer.abandon();
      throw error;
    }
  }
}
