/**
 * A user's own program between two streams, exactly once: it reads one, and what it computes from
 * what it has read becomes durable in one group with how far it has read, or not at all.
 *
 *   store ─ items ─▶ program ─ events, state ─▶ commit ─▶ owner of the store: one group
 *                                                         {events, cursor, state}
 *
 * The owner is whatever recorder runs on the store, or one without sources begun here, which makes
 * room for a recorder that wants to start. It may go at any moment: a commit whose answer was lost
 * is looked for in the store, and sent again only if it is not there.
 *
 * Only one at a time: to open a consumer fences the one before it. The cursor is read after that,
 * so what a fenced one might still have sent is either seen or refused. One without an output has
 * no writer to be fenced by: it keeps a position, and what it does with items may happen again.
 *
 * Belongs to one thread. `commit` waits for the owner's answer: the disk, and its flush.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HelicorderError } from '../base/errors.ts';
import { cursorName, streamName, writerId } from '../base/names.ts';
import { parseSchema } from '../batch/schema.ts';
import { encodeEventList, type Reply } from '../control/protocol.ts';
import type { CursorEntry, StreamSnapshot } from '../store/entries/control-entries.ts';
import { checkBytes, checkEventLimits } from '../store/event-limits.ts';
import { hex } from '../base/bytes.ts';
import { cursorOf, knownStream } from '../store/state/named.ts';
import { Store, systemEnvironment } from '../store/store.ts';
import { StreamReader } from '../store/read/stream-reader.ts';
import type { StreamItem } from '../store/read/stream-item.ts';
import { checkColumns } from '../store/read/view.ts';
import { isOwnerAway } from '../targets/owner-link.ts';
import type { Requests } from '../targets/store-participant.ts';
import { decodeConsumerDetail, encodeConsumerDetail } from './consumer-detail.ts';
import { linkTo } from './own-store.ts';

export interface ConsumerOptions {
  dataDir: string;
  /** scope/name of the stream that is read */
  stream: string;
  /** name of the cursor under which the store keeps how far it has come */
  cursor: string;
  /** where one begins that has no cursor yet. Default: `start` */
  from?: number | 'start' | 'tail';
  /** the channels to decode, by name */
  columns?: readonly string[];
  /** where its events go: another stream of the store, made if there is none; default: nowhere */
  output?: {
    /** scope/name, of opaque events */
    stream: string;
    /** default: the name of the cursor */
    writer?: string;
  };
  /** the owner waits for space, and commits with it */
  onWaiting?: (message: string) => void;
}

export interface Commit {
  /** what was computed; default: nothing */
  events?: readonly Uint8Array[];
  /**
   * What the program needs to go on from here, as JSON: at most about 4,000 characters. Default:
   * what it was.
   */
  state?: unknown;
}

/** Where a consumer's requests go: an `OwnerLink`, or a stand-in of a test. */
export interface ConsumerLink extends Requests {
  close(): Promise<void>;
}

type Client = Awaited<ReturnType<Requests['client']>>;

/** What is held at the owner, for as long as one connection lasts. */
interface Session {
  client: Client;
  /** the output's writer */
  opened: Extract<Reply, { type: 'opened' }> | undefined;
}

const AGAIN_MS = 100;
/** How long a reader waits for the mark before it looks at the signal. */
const WAIT_MS = 500;

export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #link: ConsumerLink;
  readonly #store: Store;
  readonly #stream: number;
  /** tells it from what may have its name later */
  readonly #incarnation: string;
  /** tells its commits from those of any other consumer of the name */
  readonly #id = hex(systemEnvironment.random.bytes(8));
  #isClosed = false;
  #session: Session | undefined;
  #commits = 0;
  /** the cursor's detail, as it is durable */
  #detail: string | null = null;
  #position = 0;

  private constructor(options: ConsumerOptions, link: ConsumerLink, store: Store) {
    this.#options = options;
    this.#link = link;
    this.#store = store;
    const { id, incarnation } = store.stream(options.stream);
    this.#stream = id;
    this.#incarnation = incarnation;
  }

  /**
   * Opens it where its last commit left it, and fences whoever had its name before.
   * @param link the way to the owner; for tests
   * @throws NOT_A_STORE, NO_SUCH_STREAM, STORE_IN_USE if the owner serves nobody, USAGE for a
   *   column or a name that cannot be, or a cursor or output that is another's
   */
  static async open(
    options: ConsumerOptions,
    link: ConsumerLink = linkTo(options.dataDir, options.onWaiting),
  ): Promise<Consumer> {
    checkNames(options);
    const store = Store.open(options.dataDir);
    try {
      const consumer = new Consumer(options, link, store);
      await consumer.#begin();
      return consumer;
    } catch (error) {
      store.close();
      // what else fails by then says less than why
      await link.close().catch(() => undefined);
      throw error;
    }
  }

  /** The first offset that `read` has not given yet. */
  get position(): number {
    return this.#position;
  }

  /**
   * What the last commit kept, of this consumer or of the one before it; undefined at first. A copy
   * each time, as it will be read after a crash: what the caller changes in it nobody keeps.
   */
  get state(): unknown {
    return this.#detail === null
      ? undefined
      : decodeConsumerDetail(this.#options.cursor, this.#detail);
  }

  /**
   * What comes behind the position, as `Store.read` gives it, and beginning exactly there: gaps and
   * damage too. How records are cut into items may change from one reading to the next; records do
   * not. Ends at the end there is now, or follows until the signal aborts, or the consumer is
   * closed. Whoever owns the store by now: a consumer may look now and then, across its restarts.
   * @throws STORE_IN_USE while an owner that begins has not said how far its log is durable
   */
  async *read(
    options: { follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<StreamItem> {
    const { follow = false, signal } = options;
    const { columns } = this.#options;
    if (this.#isOver(signal)) return;
    this.#store.reader.look();
    const view = { isExact: true, columns: columns && new Set(columns) };
    const reader = new StreamReader(this.#store.reader, this.#stream, this.#position, view);
    for (;;) {
      for await (const item of reader.items()) {
        if (this.#isOver(signal)) return;
        if (item.kind !== 'fault') this.#position = item.firstOffset + item.records;
        yield item;
        await this.#store.reader.turn();
        if (this.#isOver(signal)) return;
      }
      if (!follow) return;
      await this.#more(signal);
      if (this.#isOver(signal)) return;
    }
  }

  #isOver(signal: AbortSignal | undefined): boolean {
    return this.#isClosed || signal?.aborted === true;
  }

  /**
   * Makes the events, the position behind the last item that `read` has given, and the state
   * durable, in one group. One call at a time.
   * @throws FENCED once another consumer of the name was opened, or the cursor was set by hand;
   *   NO_SUCH_STREAM once the stream that it reads was removed, whatever has its name now; USAGE
   *   for what is no bytes or JSON, for more than one group or one cursor takes, and once it is
   *   closed: whether a commit that was under way is durable, the position of the next one says
   */
  async commit({ events = [], state = this.state }: Commit = {}): Promise<void> {
    const commit = this.#commits + 1;
    const detail = encodeConsumerDetail({ by: this.#id, commit, state });
    checkBytes('a commit', events);
    while (!(await this.#tryCommit(events, detail))) await sleep(AGAIN_MS);
    this.#commits = commit;
    this.#detail = detail;
  }

  /** Lets go of the store. What was read and not committed will be read again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const session = this.#session;
    this.#session = undefined;
    if (session?.opened) {
      const { run } = session.opened;
      // one that is not ended here is ended by the owner
      await session.client.ask({ type: 'end', run }, 'done').catch(() => undefined);
    }
    this.#store.close();
    await this.#link.close();
  }

  async #begin(): Promise<void> {
    // what cannot be is refused before anything is made or fenced for it
    this.#check(this.#options);
    this.#restore();
    await this.#link.client();
    while (!(await this.#hold())) await sleep(AGAIN_MS);
    this.#restore();
  }

  #check({ stream, output, columns }: ConsumerOptions): void {
    const schema = parseSchema(this.#store.reader.state.schemaOf(this.#input()));
    if (columns) checkColumns(columns, schema, stream);
    if (stream !== output?.stream) return;
    throw new HelicorderError('USAGE', `${stream} would be computed from itself: name another`);
  }

  /** Where the last commit left it. @throws USAGE if the cursor is somebody else's */
  #restore(): void {
    const cursor = this.#cursor();
    const detail = cursor?.detail ?? null;
    if (detail !== null) decodeConsumerDetail(cursor!.name, detail);
    this.#detail = detail;
    this.#position = cursor?.offset ?? this.#firstOffset();
  }

  #firstOffset(): number {
    const { from = 'start', stream } = this.#options;
    const { nextOffset } = this.#input();
    if (from === 'start') return 0;
    if (from === 'tail') return nextOffset;
    if (Number.isSafeInteger(from) && from >= 0 && from <= nextOffset) return from;
    throw new HelicorderError('USAGE', `from ${from}: ${stream} ends at ${nextOffset}`);
  }

  #cursor(): CursorEntry | undefined {
    return cursorOf(this.#store.reader.state, this.#options.cursor, this.#input());
  }

  /** @throws NO_SUCH_STREAM if it has been removed, whatever has its name now */
  #input(): StreamSnapshot {
    return knownStream(this.#store.reader.state, this.#stream, this.#options.stream);
  }

  /**
   * Holds the output's writer over a connection that lasts.
   * @returns false if there is no owner right now, or it went meanwhile: nothing is held
   */
  async #hold(): Promise<boolean> {
    const { output, cursor } = this.#options;
    try {
      const client = await this.#link.client();
      this.#checkOpen();
      if (client === this.#session?.client) return true;
      this.#session = undefined;
      const open = output && {
        ...{ type: 'open' as const, stream: output.stream },
        writer: output.writer ?? cursor,
      };
      const opened = open && (await client.ask(open, 'opened'));
      this.#checkOpen();
      this.#store.reader.renew();
      this.#session = { client, opened };
      return true;
    } catch (error) {
      return this.#isLeft(error);
    }
  }

  /** @returns false if nobody could be asked, or nobody answered. @throws what is refused */
  async #tryCommit(events: readonly Uint8Array[], detail: string): Promise<boolean> {
    this.#checkOpen();
    const held = this.#session;
    if (!(await this.#hold())) return false;
    this.#checkOpen();
    const { client, opened } = this.#session!;
    if (this.#session !== held && this.#wasCommitted(detail)) return true;
    checkEvents(events, opened);
    const { cursor: name, stream } = this.#options;
    const which = { stream, incarnation: this.#incarnation };
    const cursor = { name, ...which, offset: this.#position, detail };
    try {
      if (opened === undefined) {
        await client.ask({ type: 'set-cursor', ...cursor }, 'done');
      } else {
        const payload = events.length === 0 ? undefined : encodeEventList(events);
        await client.ask({ type: 'append', run: opened.run, cursor }, 'appended', payload);
      }
      return true;
    } catch (error) {
      return this.#isLeft(error);
    }
  }

  /** To be asked behind every wait: it may be closed meanwhile, as from a signal's handler. */
  #checkOpen(): void {
    if (!this.#isClosed) return;
    const { cursor, stream } = this.#options;
    throw new HelicorderError('USAGE', `the consumer ${cursor} of ${stream} is closed`);
  }

  /** After a new beginning: what the last commit has come to. @throws FENCED */
  #wasCommitted(detail: string): boolean {
    const found = this.#cursor()?.detail ?? null;
    if (found === detail) return true;
    if (found === this.#detail) return false;
    const { cursor } = this.#options;
    throw new HelicorderError('FENCED', `cursor ${cursor} was moved by somebody else meanwhile`);
  }

  /** @returns false if the owner has gone: there will be another one. @throws any other error */
  #isLeft(error: unknown): false {
    if (!isOwnerAway(error)) throw error;
    this.#session = undefined;
    this.#link.drop();
    return false;
  }

  /** Resolves when there may be more, or it is over. */
  async #more(signal: AbortSignal | undefined): Promise<void> {
    const { reader } = this.#store;
    while (!this.#isOver(signal) && !reader.refresh()) {
      this.#input();
      if (reader.isOwned) {
        await reader.wait(WAIT_MS);
        continue;
      }
      // the owner has gone: whoever comes next may have written already
      if (await this.#hasOwner()) reader.renew();
      else await sleep(AGAIN_MS);
      return;
    }
  }

  async #hasOwner(): Promise<boolean> {
    try {
      await this.#link.client();
      return true;
    } catch (error) {
      if (isOwnerAway(error)) return false;
      throw error;
    }
  }
}

function checkNames({ stream, cursor, output }: ConsumerOptions): void {
  streamName(stream);
  cursorName(cursor);
  if (output) streamName(output.stream);
  if (output?.writer !== undefined) writerId(output.writer, 'output.writer');
}

function checkEvents(events: readonly Uint8Array[], limits: Session['opened']): void {
  if (events.length === 0) return;
  if (limits === undefined) {
    throw new HelicorderError('USAGE', 'events of a consumer without an output');
  }
  checkEventLimits('a commit', events, limits);
}
