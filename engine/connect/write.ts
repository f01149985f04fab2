/**
 * Lines, framed blobs or whole files → opaque events. An event is acknowledged once it is durable;
 * whoever feeds us can therefore resume exactly where it was.
 *
 * They go to the owner of the store, by its control socket, a window of them ahead of the
 * acknowledgements: the recorder that runs there, or one without sources begun here for as long as
 * there is input. That one keeps the store like any other owner (`targets/owner-link.ts`): it
 * serves other processes, seals, lets go of what is due, and makes room for a recorder that wants
 * to start. A producer cannot tell the difference.
 *
 * Events are committed in groups of what the input has ready: a slow producer has each line
 * durable at once, a fast one many lines with one sync.
 */
import { CONTROL_WINDOW_BYTES } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { streamName, writerId } from '../base/names.ts';
import { EventWriter } from '../targets/event-writer.ts';
import { usingLinks, type OwnerLink } from '../targets/owner-link.ts';
import { framed, grouped, type Framing } from './framing.ts';
import { linkTo } from './own-store.ts';

export interface WriteOptions {
  dataDir: string;
  stream: string;
  writer: string;
  framing: Framing;
  input: AsyncIterable<Uint8Array>;
  onOpen: (opened: { writer: string; epoch: number; lastSeq: number }) => void;
  onDurable: (seq: number, offset: number) => void;
  onWait: (error: HelicorderError) => void;
  /** what a person should know of the store, if this process becomes its owner */
  onWarning?: (warning: string) => void;
}

/**
 * Returns when everything is durable. @throws USAGE for a name that cannot be, or an event that is
 * too large, FENCED, DISCONNECTED if another process's owner goes, STORE_IN_USE if it serves
 * nobody, and what the owner begun here ends with
 */
export async function writeEvents(options: WriteOptions): Promise<void> {
  const { dataDir, stream, writer, onWait, onWarning } = options;
  streamName(stream);
  writerId(writer, 'writer');
  const tellWait = (message: string): void => onWait(new HelicorderError('NO_SPACE', message));
  const link = linkTo(dataDir, tellWait, onWarning);
  await usingLinks(link, () => writeThrough(link, options));
}

async function writeThrough(link: OwnerLink, options: WriteOptions): Promise<void> {
  const { writer: id, onOpen, onDurable } = options;
  const writer = await EventWriter.open(link, { ...options, writer: id });
  const { epoch, lastSeq, eventLimit, groupLimit } = writer.opened;
  const flow = new Flow(CONTROL_WINDOW_BYTES);
  try {
    onOpen({ writer: id, epoch, lastSeq });
    writer.ended.catch((error: unknown) => flow.fail(error));
    const input = untilFailed(options.input, flow);
    for await (const events of framed(input, options.framing, eventLimit)) {
      for (const { group, bytes } of grouped(events, groupLimit)) {
        await flow.room(bytes);
        const durable = writer.append(group).then(({ firstSeq, firstOffset }) => {
          group.forEach((_, i) => onDurable(firstSeq + i, firstOffset + i));
        });
        flow.add(bytes, durable);
      }
    }
    await flow.room(Infinity);
  } finally {
    await flow.settled();
    await writer.close();
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
