/**
 * A store as the beginning of a copy: its records as pieces, read beside the owner, and the copy's
 * cursor and intent, written through the owner (`owner-link.ts`).
 *
 * A write that the owner did not answer is written again, as what is true by then: the cursor is
 * one value, so what counts is the last one, and entries never overtake each other.
 *
 * Damage met on the way is made durable first (`pin`): what has been sent as a gap must stay one.
 */
import { defined } from '../base/assert.ts';
import { HelicorderError } from '../base/errors.ts';
import { edge } from '../base/failpoint.ts';
import { parseSchema } from '../batch/schema.ts';
import { lostEntry, originRun, type StreamSnapshot } from '../store/entries/control-entries.ts';
import { hex } from '../base/bytes.ts';
import { cursorOf, knownStream, namedStream } from '../store/state/named.ts';
import type { Question } from '../control/protocol.ts';
import type { Store, StoreEnvironment } from '../store/store.ts';
import { StreamReader, type RawItem } from '../store/read/stream-reader.ts';
import type { FaultItem } from '../store/read/stream-item.ts';
import type { Cursor } from '../txn/coordinator.ts';
import type { Intent } from '../txn/participant.ts';
import type { Origin, Piece } from '../txn/piece.ts';
import { isStop, untilStopped } from '../txn/pacing.ts';
import type { CopySource, CopyState, ReadLimits } from '../txn/source.ts';
import { decodeCopyRecord, encodeCopyRecord, type CopyRecord } from './copy-cursor.ts';
import { isOwnerAway } from './owner-link.ts';
import { PieceQueue } from './piece-queue.ts';
import { cutPiece, pieceOf } from './pieces.ts';
import type { SourceStore } from './source-store.ts';
import type { StoreTarget } from './store-participant.ts';

export interface StoreSourceOptions {
  /** where it is; other copies may read it too */
  store: SourceStore;
  /** scope/name */
  stream: string;
  /** scope/name of the target: a cursor is of one */
  to?: string;
  /** name of the copy's cursor */
  cursor: string;
  /**
   * where a new copy begins, by default `start`; one that has a cursor goes on from there, unless
   * it has ended with SOURCE_DIVERGED: it waits for somebody to say where
   */
  from?: number | 'start' | 'tail' | undefined;
  /** `from` is said at each start, so it is nobody who has looked after SOURCE_DIVERGED */
  isStanding?: boolean;
  /** id of the derivation, if the records are derived on their way: another copy of the stream */
  derivation?: string;
  onDamage?: (fault: FaultItem['fault']) => void;
}

/** Of a copy that is another one from then on. */
interface Beginning {
  base: number;
  /** default: that of the stream */
  incarnation?: string;
  halted?: true;
}

/** Made when it is sent. */
type Asked = () => [question: Question, payload?: Uint8Array];

/** Hex digits of a stream's incarnation; a derivation's id stands behind them. */
const INCARNATION_DIGITS = 16;
const AGAIN_MS = 100;
/** How long a reader waits for the mark before it looks at the signal. */
const WAIT_MS = 500;

export class StoreSource implements CopySource {
  readonly #options: StoreSourceOptions;
  readonly #store: Store;
  readonly #id: number;
  /** tells it from what may have its name later */
  readonly #incarnation: string;
  readonly #origins = new Map<number, Origin>();
  #record: CopyRecord | undefined;
  /** the cursor was made here, and nothing was sent by it */
  #isUnused = false;
  #reader: { items: AsyncIterator<RawItem | FaultItem>; stream: StreamReader } | undefined;
  readonly #queue = new PieceQueue(() => this.#pull());
  /** of the copier, once it is opened */
  #stop = new AbortController().signal;

  /** @throws NO_SUCH_STREAM */
  constructor(options: StoreSourceOptions) {
    this.#options = options;
    this.#store = options.store.store;
    const { id, incarnation } = namedStream(this.#store.reader.state, options.stream);
    this.#id = id;
    this.#incarnation = incarnation;
  }

  /** What a store needs to know to hold a copy of it. */
  shape(): Omit<StoreTarget, 'stream'> {
    const stream = this.#stream();
    const schema = parseSchema(this.#store.reader.state.schemaOf(stream));
    return { schema, samplesPerEvent: stream.samplesPerEvent };
  }

  /** Where it is, as far as can be told without asking anybody. */
  place(): { base: number; nextOffset: number } {
    const known = this.#known();
    const base = known?.writer.base ?? this.#firstOffset();
    return { base, nextOffset: known ? ackedOffset(known) : base };
  }

  async open(signal: AbortSignal): Promise<CopyState> {
    this.#stop = signal;
    await untilStopped(this.#options.store.follow(), signal);
    const known = this.#known();
    if (known === undefined) {
      await this.#begin({ base: this.#firstOffset() });
      this.#isUnused = true;
    } else if (known.halted) await this.#goOn(known);
    else if (known.writer.store === this.#storeId()) this.#record = known;
    else await this.#begin({ base: ackedOffset(known) });
    return defined(this.#record, 'the copy');
  }

  async read(lo: number, limits: ReadLimits): Promise<Piece[]> {
    if (lo !== this.#queue.next) this.#seek(lo);
    this.#store.reader.refresh();
    return this.#queue.take(limits);
  }

  async end(): Promise<number> {
    this.#store.reader.refresh();
    return this.#stream().nextOffset - this.#base;
  }

  async wait(seq: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { reader } = this.#store;
    for (let left = timeoutMs; left > 0 && !signal.aborted; left -= WAIT_MS) {
      if ((await this.end()) > seq) return;
      if (reader.isOwned) await reader.wait(Math.min(left, WAIT_MS));
      else await this.#awaitOwner(Math.min(left, WAIT_MS), signal);
    }
  }

  writeCursor(cursor: Cursor, signal: AbortSignal): Promise<void> {
    if (cursor.acked > 0) this.#isUnused = false;
    return this.#write({ ...this.#copy, cursor, intent: undefined }, signal);
  }

  writeIntent(intent: Intent, signal: AbortSignal): Promise<void> {
    this.#isUnused = false;
    return this.#write({ ...this.#copy, intent }, signal);
  }

  /** What stands in a configuration is asked for again: its records are to be there then. */
  async forget(): Promise<void> {
    if (!this.#isUnused || this.#options.isStanding) return;
    this.#isUnused = false;
    const client = await this.#options.store.owner.client();
    await client.ask({ type: 'remove-cursor', name: this.#options.cursor }, 'done');
  }

  /** The copy is another one from now on; a person says where it begins. */
  renew(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    const incarnation = hex(this.#random());
    return this.#begin({ base: ackedOffset(this.#copy), incarnation, halted: true });
  }

  /** @throws SOURCE_DIVERGED as long as nobody has said where */
  async #goOn(halted: CopyRecord): Promise<void> {
    const { cursor: name, from, isStanding = false } = this.#options;
    if (from === undefined || isStanding) {
      const where = isStanding
        ? 'give stream cp this --cursor and a --from OFFSET'
        : 'give --from OFFSET';
      throw new HelicorderError(
        'SOURCE_DIVERGED',
        `cursor ${name} ended with it at offset ${ackedOffset(halted)}: look at both streams, ` +
          `then copy into another target, or ${where}: from there on the records come as those ` +
          'of another copy, behind what the target has',
      );
    }
    const incarnation = halted.writer.incarnation.slice(0, INCARNATION_DIGITS);
    await this.#begin({ base: this.#firstOffset(), incarnation });
  }

  /** The owner has gone: the reader looks for the next one now and then. */
  async #awaitOwner(ms: number, signal: AbortSignal): Promise<void> {
    await this.#environment.sleep(ms);
    try {
      await untilStopped(this.#options.store.follow(), signal);
    } catch (error) {
      if (!isStop(error, signal) && !isOwnerAway(error)) throw error;
    }
  }

  get #environment(): StoreEnvironment {
    return this.#options.store.environment;
  }

  get #copy(): CopyRecord {
    return defined(this.#record, 'the copy, opened');
  }

  get #base(): number {
    return this.#copy.writer.base;
  }

  #random(): Uint8Array {
    return this.#environment.random.bytes(8);
  }

  #storeId(): string {
    return hex(defined(this.#store.reader.storeId, 'the id of the store'));
  }

  /** @throws NO_SUCH_STREAM if it has been removed */
  #stream(): StreamSnapshot {
    return knownStream(this.#store.reader.state, this.#id, this.#options.stream);
  }

  #known(): CopyRecord | undefined {
    const { cursor: name } = this.#options;
    const cursor = cursorOf(this.#store.reader.state, name, this.#stream());
    if (cursor === undefined) return undefined;
    if (cursor.detail !== null) {
      return this.#sameDerivation(this.#sameTarget(decodeCopyRecord(name, cursor.detail)));
    }
    throw new HelicorderError(
      'USAGE',
      `cursor ${name} was set by hand: a copy that begins at its offset ${cursor.offset} is ` +
        `another one; remove it and begin from ${cursor.offset}`,
    );
  }

  #sameTarget(record: CopyRecord): CopyRecord {
    const { cursor: name, to } = this.#options;
    if (to === undefined || record.to === undefined || record.to === to) return record;
    throw new HelicorderError(
      'USAGE',
      `cursor ${name} is of a copy into ${record.to}: give another --cursor for ${to}`,
    );
  }

  /** What was derived in another way would be other records under the same numbers. */
  #sameDerivation(record: CopyRecord): CopyRecord {
    const { cursor: name, derivation = '' } = this.#options;
    const was = record.writer.incarnation.slice(INCARNATION_DIGITS);
    if (was === derivation) return record;
    const difference =
      was === '' || derivation === ''
        ? `a copy ${was === '' ? 'without' : 'with'} --where or --transform`
        : 'a copy with another --where, --transform or options of it';
    throw new HelicorderError(
      'USAGE',
      `cursor ${name} is of ${difference}: remove it, or give another --cursor, and another target`,
    );
  }

  #firstOffset(): number {
    const { from = 'start', stream } = this.#options;
    const { nextOffset } = this.#stream();
    if (from === 'start') return 0;
    if (from === 'tail') return nextOffset;
    if (from <= nextOffset) return from;
    throw new HelicorderError('USAGE', `from ${from}: ${stream} ends at ${nextOffset}`);
  }

  /** The base of a copy is durable before anything is sent. */
  async #begin({ base, incarnation, halted }: Beginning): Promise<void> {
    const { derivation = '', to } = this.#options;
    const own = incarnation ?? this.#incarnation;
    const writer = { store: this.#storeId(), incarnation: own + derivation, base };
    this.#seek(Number.NaN);
    const cursor = { epoch: 0, acked: 0, chain: 0n };
    const record = { writer, to, cursor, intent: undefined, halted };
    await edge('copy-base', () => this.#write(record, this.#stop));
  }

  /** What is written is what is true when it is sent: a second attempt may say more. */
  #write(record: CopyRecord, signal: AbortSignal): Promise<void> {
    this.#record = record;
    const { cursor: name, stream } = this.#options;
    return this.#ask(() => {
      const offset = ackedOffset(this.#copy);
      const detail = encodeCopyRecord(this.#copy);
      const which = { stream, incarnation: this.#incarnation };
      return [{ type: 'set-cursor', name, ...which, offset, detail }];
    }, signal);
  }

  /** Asks until there is an owner who does it. @throws the signal's reason when it says stop */
  async #ask(what: Asked, signal: AbortSignal): Promise<void> {
    const drop = (): void => this.#options.store.owner.drop();
    signal.addEventListener('abort', drop);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (await untilStopped(this.#tryAsk(what, signal), signal)) return;
        await this.#environment.sleep(AGAIN_MS);
      }
    } finally {
      signal.removeEventListener('abort', drop);
    }
  }

  /** @returns false if the owner has gone: there will be another one */
  async #tryAsk(what: Asked, signal: AbortSignal): Promise<boolean> {
    try {
      const client = await this.#options.store.owner.client();
      signal.throwIfAborted();
      const [question, payload] = what();
      await client.ask(question, 'done', payload);
      return true;
    } catch (error) {
      if (!isOwnerAway(error)) throw error;
      return false;
    }
  }

  #seek(lo: number): void {
    this.#queue.seek(lo);
    this.#reader = undefined;
  }

  /** The next piece as it is stored; undefined at the end there is now. */
  async #pull(): Promise<Piece | undefined> {
    for (let attempt = 0; attempt < 2;) {
      const step = await this.#items().next();
      if (step.done) {
        // what has been added since is behind a new turn of the same reader
        this.#reader = this.#reader && again(this.#reader.stream);
        attempt++;
      } else if (step.value.kind === 'fault') {
        this.#options.onDamage?.(step.value.fault);
      } else {
        const piece = await this.#pieceOf(step.value);
        if (piece) return piece;
      }
    }
    return undefined;
  }

  #items(): AsyncIterator<RawItem | FaultItem> {
    const offset = this.#base + this.#queue.next - 1;
    this.#reader ??= again(new StreamReader(this.#store.reader, this.#id, offset));
    return this.#reader.items;
  }

  async #pieceOf(found: RawItem): Promise<Piece | undefined> {
    const { item } = found;
    if (item.content.kind === 'gap' && item.content.gap.reason === 'corrupt') await this.#pin(item);
    const whole = pieceOf(found, this.#originOf(found), this.#base);
    const from = Math.max(this.#queue.next, found.from - this.#base + 1) - whole.lo;
    if (from >= whole.seqs) return undefined;
    return from > 0 ? cutPiece(whole, from, whole.seqs) : whole;
  }

  async #pin({ stream, run, firstSeq, firstOffset, records }: RawItem['item']): Promise<void> {
    const entry = lostEntry.encode({ stream, run, firstSeq, firstOffset, records });
    await edge('copy-pin', () => this.#ask(() => [{ type: 'pin' }, entry], this.#stop));
  }

  /** One object per run, for those who keep something of it. */
  #originOf({ info: { run, schema } }: RawItem): Origin {
    const known = this.#origins.get(run.id);
    if (known) return known;
    const { writer, epoch, firstSeq, bootId, t0Nanos, periodNanos, resolutionNanos } = run;
    const { clock, kernelClock, attributes } = run;
    const schedule = { bootId, t0Nanos, periodNanos, resolutionNanos, clock, kernelClock };
    const origin: Origin = {
      run: originRun(run),
      writer,
      epoch,
      firstSeq,
      schema,
      ...schedule,
      attributes,
    };
    this.#origins.set(run.id, origin);
    return origin;
  }
}

/** The offset behind what the target is known to have. */
function ackedOffset({ writer, cursor }: CopyRecord): number {
  return writer.base + cursor.acked;
}

function again(stream: StreamReader): {
  items: AsyncIterator<RawItem | FaultItem>;
  stream: StreamReader;
} {
  return { items: stream.raw(), stream };
}
