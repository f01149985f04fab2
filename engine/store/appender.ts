/**
 * Appends opaque events to one stream as the store's owner: for programs that produce events
 * themselves. Every `append` is one durable group. The calling thread waits for the disk; timers
 * and signals have a turn now and then, as in reading.
 *
 * It keeps the budget that the store was told last, but seals nothing and lets go of nothing: a
 * store that is full stays so until another owner has made room.
 */
import { defined } from '../base/assert.ts';
import { HelicorderError, isCode } from '../base/errors.ts';
import { streamName, writerId } from '../base/names.ts';
import { checkBytes, checkEventLimits } from './event-limits.ts';
import type { InputPosition, WriterPosition } from './state/positions.ts';
import { eventRun } from './write/group-plan.ts';
import { systemEnvironment, type StoreEnvironment } from './store.ts';
import { StoreWriter, type OpenedRun } from './write/writer.ts';

/** How long it waits for space before it asks again. */
const SPACE_WAIT_MS = 500;

export interface Appended {
  firstSeq: number;
  firstOffset: number;
}

/** A call of `append` that has not been answered. */
interface Waiting {
  events: readonly Uint8Array[];
  position: InputPosition | undefined;
  onWait: ((error: HelicorderError) => void) | undefined;
  resolve: (appended: Appended) => void;
  reject: (error: unknown) => void;
}

export class Appender {
  readonly #writer: StoreWriter;
  readonly #opened: OpenedRun;
  readonly #environment: StoreEnvironment;
  /** in the order of the calls; only the log knows whether it has the first one's group already */
  readonly #waiting: Waiting[] = [];
  #isClosed = false;

  private constructor(writer: StoreWriter, opened: OpenedRun, environment: StoreEnvironment) {
    this.#writer = writer;
    this.#opened = opened;
    this.#environment = environment;
  }

  /**
   * @throws STORE_IN_USE while somebody else owns the store, USAGE for a stream of samples and for
   *   what is no name
   */
  static open(
    dir: string,
    options: { stream: string; writer: string; environment?: StoreEnvironment },
  ): Appender {
    const { environment = systemEnvironment } = options;
    const run = eventRun(streamName(options.stream), writerId(options.writer, 'writer'));
    const writer = StoreWriter.open(dir, { ...environment, budget: 'as-told' });
    try {
      const [opened] = writer.beginRuns([run]);
      return new Appender(writer, opened!, environment);
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

  /** The most bytes of events for one `append`, unless it is a single event; at most 65,536. */
  get groupLimit(): number {
    return this.#writer.groupLimit;
  }

  /**
   * Appends the events as one durable group; where the disk is full or the budget spent it waits
   * until there is space again.
   * Calls that overlap are served in their order; the events belong to this until it has returned.
   * @param onWait is told once, when the waiting begins
   * @param position where the input of these events ends: durable with them, or not at all
   * @returns seq and offset of the first event; the others follow without holes
   * @throws USAGE for more than `eventLimit`, `groupLimit` or 65,536 events, and once it is closed,
   *   also if that was while it waited: nothing was appended
   */
  async append(
    events: readonly Uint8Array[],
    onWait?: (error: HelicorderError) => void,
    position?: InputPosition,
  ): Promise<Appended> {
    const appended = await new Promise<Appended>((resolve, reject) => {
      this.#checkOpen();
      checkBytes('an append', events);
      checkEventLimits('an append', events, this);
      this.#waiting.push({ events, onWait, position, resolve, reject });
      // else those before it are waiting for space
      if (this.#waiting.length === 1) void this.#appendWaiting();
    });
    // else a loop of appends, which wait for nothing but the disk, would be alone in the thread
    await this.#environment.turn?.();
    return appended;
  }

  /** Each at once, as long as there is space: what was called for is not lost to a `close`. */
  async #appendWaiting(): Promise<void> {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      try {
        next.resolve(this.#tryAppend(next));
      } catch (error) {
        if (isCode(error, 'NO_SPACE')) {
          tellOnce(next, error);
          await this.#environment.sleep(SPACE_WAIT_MS);
          continue;
        }
        next.reject(error);
      }
      this.#waiting.shift();
    }
  }

  #tryAppend({ events, position }: Waiting): Appended {
    const writer = this.#writer;
    writer.keepMark();
    // then the log has its group already
    const appended = writer.isWaiting
      ? defined(writer.resume()[0], 'the appended events')
      : writer.appendEvents(this.#opened, events, position);
    return { firstSeq: appended.firstSeq, firstOffset: appended.firstOffset };
  }

  /**
   * Lets go of the store; one that is closed already stays so.
   * @throws NO_SPACE, STORE_IO: its end could not be said in the log; the store is let go of
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#closedError());
    if (this.#writer.isWaiting) return this.#writer.abandon();
    try {
      const builder = this.#writer.group();
      this.#writer.addRunEnd(builder, this.#opened.run, 'stopped');
      this.#writer.commit(builder);
    } catch (error) {
      this.#writer.abandon();
      throw error;
    }
    this.#writer.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw this.#closedError();
  }

  #closedError(): HelicorderError {
    const { stream, run } = this.#opened;
    const which = `writer ${run.writer} of ${stream.name}`;
    return new HelicorderError('USAGE', `the appender of ${which} is closed: open another`);
  }
}

/** What a callback throws is its program's: no event is lost for it. */
function tellOnce(waiting: Waiting, error: HelicorderError): void {
  const { onWait } = waiting;
  waiting.onWait = undefined;
  if (onWait) queueMicrotask(() => onWait(error));
}
