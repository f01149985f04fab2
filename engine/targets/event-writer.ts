/**
 * A writer of events at the owner of a store, whoever that is: appends are acknowledged in order,
 * each once it is durable, and several may be on their way.
 *
 * The owner begun here may make room for a recorder. What it has not answered by then, it has not
 * done: the writer is opened again at whoever owns the store next, and that is sent again. If the
 * owner of another process goes, it is for the producer to say how to go on: what became of the
 * appends on their way is in `lastSeq` when the writer is opened again.
 *
 * Belongs to one thread.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HelicorderError } from '../base/errors.ts';
import { isCode } from '../base/errors.ts';
import type { ControlClient } from '../control/client.ts';
import { encodeEventList, type Reply } from '../control/protocol.ts';
import type { OwnerLink } from './owner-link.ts';

export interface EventWriterOptions {
  /** scope/name; made if there is none */
  stream: string;
  writer: string;
  /** the owner has no space to begin with; appends wait by themselves */
  onWait: (error: HelicorderError) => void;
}

export interface Appended {
  firstSeq: number;
  firstOffset: number;
}

type Opened = Extract<Reply, { type: 'opened' }>;

interface Session {
  client: ControlClient;
  opened: Opened;
}

/** An append that is not acknowledged yet. */
interface Sent {
  events: readonly Uint8Array[];
  resolve: (appended: Appended) => void;
  reject: (error: unknown) => void;
}

/** Between two attempts, while there is no space or the next owner has not come yet. */
const AGAIN_MS = 200;

export class EventWriter {
  readonly #link: OwnerLink;
  readonly #options: EventWriterOptions;
  #session: Session;
  /** the last seq that is known to be durable */
  #lastSeq: number;
  /** in the order in which they are to become durable */
  readonly #sent: Sent[] = [];
  #isReopening = false;
  #isClosed = false;
  #failure: Error | undefined;
  /** rejects once nothing can be appended any more, for whatever reason; never resolves */
  readonly ended: Promise<never>;
  #end!: (error: unknown) => void;

  private constructor(link: OwnerLink, options: EventWriterOptions, session: Session) {
    this.#link = link;
    this.#options = options;
    this.#session = session;
    this.#lastSeq = session.opened.lastSeq;
    this.ended = new Promise((_, reject) => (this.#end = reject));
    this.ended.catch(() => undefined);
    this.#watch(session);
  }

  /**
   * Opens the writer, which fences whoever had it before; on a full disk it waits for space.
   * @throws what becoming the owner is refused with, STORE_IN_USE if the owner serves nobody,
   *   USAGE for a stream of samples
   */
  static async open(link: OwnerLink, options: EventWriterOptions): Promise<EventWriter> {
    return new EventWriter(link, options, await openSession(link, options));
  }

  /** What the store said when the writer was opened, last. */
  get opened(): Readonly<Opened> {
    return this.#session.opened;
  }

  /**
   * Appends the events as one durable group; more may be appended before it is acknowledged. The
   * events belong to this until then.
   * On a full disk it waits. @throws FENCED, USAGE; DISCONNECTED if another process's owner goes
   */
  append(events: readonly Uint8Array[]): Promise<Appended> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const sent = { events, resolve, reject };
      this.#sent.push(sent);
      if (!this.#isReopening) this.#send(this.#session, sent);
    });
  }

  /** Ends the run. What has failed was told by `append`. */
  async close(): Promise<void> {
    const { client, opened } = this.#session;
    this.#isClosed = true;
    // a run that is not ended here is ended by the owner
    await client.ask({ type: 'end', run: opened.run }, 'done').catch(() => undefined);
  }

  #send(session: Session, sent: Sent): void {
    const { client, opened } = session;
    const append = { type: 'append', run: opened.run } as const;
    client.ask(append, 'appended', encodeEventList(sent.events)).then(
      (appended) => this.#acknowledge(sent, appended),
      (error: unknown) => this.#refused(session, error),
    );
  }

  #acknowledge(sent: Sent, { firstSeq, firstOffset }: Appended): void {
    this.#sent.shift();
    this.#lastSeq = firstSeq + sent.events.length - 1;
    sent.resolve({ firstSeq, firstOffset });
  }

  /** One that is refused for itself is refused for good; one that nobody answered may go on. */
  #refused(session: Session, error: unknown): void {
    if (this.#isClosed || !isDisconnected(error)) this.#fail(error);
    else this.#reopen(session, error).catch((cause: unknown) => this.#fail(cause));
  }

  #watch(session: Session): void {
    session.client.ended.catch((error: unknown) => this.#refused(session, error));
  }

  /** @throws `error` unless it was the owner begun here that has gone */
  async #reopen(lost: Session, error: unknown): Promise<void> {
    if (this.#isReopening || lost !== this.#session) return;
    if (!this.#link.isOwn) throw error;
    this.#isReopening = true;
    this.#link.drop();
    const session = await openSession(this.#link, this.#options);
    if (session.opened.lastSeq !== this.#lastSeq) throw error;
    this.#session = session;
    this.#isReopening = false;
    this.#watch(session);
    for (const sent of this.#sent) this.#send(session, sent);
  }

  /** The first reason counts. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const failure = error instanceof Error ? error : new Error(String(error));
    this.#failure = failure;
    this.#end(failure);
    for (const { reject } of this.#sent.splice(0)) reject(failure);
  }
}

async function openSession(link: OwnerLink, options: EventWriterOptions): Promise<Session> {
  const { stream, writer } = options;
  for (let isTold = false; ;) {
    try {
      const client = await link.client();
      return { client, opened: await client.ask({ type: 'open', stream, writer }, 'opened') };
    } catch (error) {
      const isFull = isCode(error, 'NO_SPACE');
      if (!isFull && !(isDisconnected(error) && link.isOwn)) throw error;
      if (isFull && !isTold) options.onWait(error);
      isTold ||= isFull;
    }
    await sleep(AGAIN_MS);
  }
}

function isDisconnected(error: unknown): boolean {
  return isCode(error, 'DISCONNECTED');
}
