/**
 * Lines, framed blobs or whole files → opaque events. An event is acknowledged once it is durable;
 * whoever feeds us can therefore resume exactly where it was.
 *
 * Events are committed in groups of what the input has ready: a slow producer has each line
 * durable at once, a fast one many lines with one sync. While another process owns the store they
 * go through its control socket, a window of them ahead of the acknowledgements; a producer cannot
 * tell the difference.
 */
import { CONTROL_WINDOW_BYTES } from '../base/constants.ts';
import type { HelicorderError } from '../base/errors.ts';
import { EVENTS_MAX } from '../batch/format.ts';
import type { ControlClient } from '../control/client.ts';
import { encodeEventList, type Reply } from '../control/protocol.ts';
import { Appender } from '../store/store.ts';
import { throughOwner } from './change.ts';
import { EVENT_LENGTH_BYTES, framed, type Framing } from './framing.ts';

export interface WriteOptions {
  dataDir: string;
  stream: string;
  writer: string;
  framing: Framing;
  input: AsyncIterable<Uint8Array>;
  onOpen: (opened: { writer: string; epoch: number; lastSeq: number }) => void;
  onDurable: (seq: number, offset: number) => void;
  onWait: (error: HelicorderError) => void;
}

type OpenedReply = Extract<Reply, { type: 'opened' }>;

/** Where events go: into the store as its owner, or to its owner. */
interface Sink {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly eventLimit: number;
  readonly groupLimit: number;
  /** what may be sent ahead of its acknowledgement */
  readonly windowBytes: number;
  /** rejects once nothing can be appended any more, for whatever reason; never resolves */
  readonly ended: Promise<never>;
  append(events: readonly Uint8Array[]): Promise<{ firstSeq: number; firstOffset: number }>;
  close(): Promise<void>;
}

/**
 * Returns when everything is durable. @throws USAGE for an event that is too large, FENCED,
 * DISCONNECTED if the owner goes, STORE_IN_USE if it serves nobody
 */
export async function writeEvents(options: WriteOptions): Promise<void> {
  const { writer, onOpen, onDurable } = options;
  const sink = await openSink(options);
  const flow = new Flow(sink.windowBytes);
  try {
    onOpen({ writer, epoch: sink.epoch, lastSeq: sink.lastSeq });
    sink.ended.catch((error: unknown) => flow.fail(error));
    const input = untilFailed(options.input, flow);
    for await (const events of framed(input, options.framing, sink.eventLimit)) {
      for (const { group, bytes } of grouped(events, sink.groupLimit)) {
        await flow.room(bytes);
        const durable = sink.append(group).then(({ firstSeq, firstOffset }) => {
          group.forEach((_, i) => onDurable(firstSeq + i, firstOffset + i));
        });
        flow.add(bytes, durable);
      }
    }
    await flow.room(Infinity);
  } finally {
    await flow.settled();
    await sink.close();
  }
}

function openSink(options: WriteOptions): Promise<Sink> {
  const { stream, writer } = options;
  return throughOwner<Sink>(
    options,
    (client) => OwnerSink.open(client, stream, writer),
    () => new OwnSink(options),
  );
}

/** Another process owns the store: events and acknowledgements go through its socket. */
class OwnerSink implements Sink {
  readonly windowBytes = CONTROL_WINDOW_BYTES;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly eventLimit: number;
  readonly groupLimit: number;
  readonly ended: Promise<never>;
  readonly #client: ControlClient;
  readonly #run: number;

  private constructor(client: ControlClient, opened: OpenedReply) {
    this.#client = client;
    this.ended = client.ended;
    this.#run = opened.run;
    this.epoch = opened.epoch;
    this.lastSeq = opened.lastSeq;
    this.eventLimit = opened.eventLimit;
    this.groupLimit = opened.groupLimit;
  }

  static async open(client: ControlClient, stream: string, writer: string): Promise<OwnerSink> {
    try {
      return new OwnerSink(client, await client.ask({ type: 'open', stream, writer }, 'opened'));
    } catch (error) {
      client.close();
      throw error;
    }
  }

  append(events: readonly Uint8Array[]): Promise<{ firstSeq: number; firstOffset: number }> {
    const request = { type: 'append', run: this.#run } as const;
    return this.#client.ask(request, 'appended', encodeEventList(events));
  }

  /** What has failed is told by `append`; a run that is not ended here is ended by the owner. */
  async close(): Promise<void> {
    await this.#client.ask({ type: 'end', run: this.#run }, 'done').catch(() => undefined);
    this.#client.close();
  }
}

/** Nobody else owns the store. */
class OwnSink implements Sink {
  readonly windowBytes = 0;
  readonly ended = new Promise<never>(() => undefined);
  readonly #appender: Appender;
  readonly #onWait: WriteOptions['onWait'];

  constructor({ dataDir, stream, writer, onWait }: WriteOptions) {
    this.#appender = Appender.open(dataDir, { stream, writer });
    this.#onWait = onWait;
  }

  get epoch(): number {
    return this.#appender.epoch;
  }

  get lastSeq(): number {
    return this.#appender.lastSeq;
  }

  get eventLimit(): number {
    return this.#appender.eventLimit;
  }

  get groupLimit(): number {
    return this.#appender.groupLimit;
  }

  append(events: readonly Uint8Array[]): Promise<{ firstSeq: number; firstOffset: number }> {
    return this.#appender.append(events, this.#onWait);
  }

  async close(): Promise<void> {
    this.#appender.close();
  }
}

/** What was sent and is not acknowledged: at most a window, or one group if that is larger. */
class Flow {
  readonly #windowBytes: number;
  #bytes = 0;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown;
  #moved: () => void = () => undefined;
  #onFailure: () => void = () => undefined;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  /** Resolves once `bytes` more may be sent; Infinity: once nothing is on its way. */
  async room(bytes: number): Promise<void> {
    while (this.#bytes > 0 && this.#bytes + bytes > this.#windowBytes) {
      this.#check();
      await new Promise<void>((resolve) => (this.#moved = resolve));
    }
    this.#check();
  }

  add(bytes: number, durable: Promise<void>): void {
    this.#bytes += bytes;
    const outcome = durable.catch((error: unknown) => this.fail(error));
    this.#last = Promise.all([this.#last, outcome]).then(() => {
      this.#bytes -= bytes;
      this.#moved();
    });
  }

  /** Nothing more can be sent. The first reason counts. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#onFailure();
  }

  /** Resolves with what `work` does. @throws what has failed, also while it waits */
  async orFailure<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    const failed = new Promise<undefined>((resolve) => {
      this.#onFailure = () => resolve(undefined);
    });
    const result = this.#failure === undefined ? await Promise.race([work, failed]) : undefined;
    this.#check();
    return result as T;
  }

  /** Resolves when everything sent has been acknowledged or refused. */
  settled(): Promise<void> {
    return this.#last;
  }

  #check(): void {
    if (this.#failure instanceof Error) throw this.#failure;
  }
}

/** The input, until it is of no use any more: a silent producer must not keep us from saying so. */
async function* untilFailed(
  input: AsyncIterable<Uint8Array>,
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  for (;;) {
    const piece = await flow.orFailure(pieces.next());
    if (piece.done) return;
    yield piece.value;
  }
}

function* grouped(
  events: readonly Uint8Array[],
  limit: number,
): Generator<{ group: Uint8Array[]; bytes: number }> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    // as the control socket carries it: an empty event is not nothing
    const eventBytes = EVENT_LENGTH_BYTES + event.length;
    const full = bytes + eventBytes > limit || group.length === EVENTS_MAX;
    if (full && group.length > 0) {
      yield { group, bytes };
      [group, bytes] = [[], 0];
    }
    group.push(event);
    bytes += eventBytes;
  }
  if (group.length > 0) yield { group, bytes };
}
