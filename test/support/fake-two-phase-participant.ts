/**
 * A two-phase participant over a target in memory that knows nothing of seqs: it takes what a
 * transaction holds, aborts it when its lease ends, shows it some time after the commit is
 * irrevocable, and forgets how it ended. Where a writer has come is read from the last record.
 */
import { TXN_CHAIN_WORDS } from '../../engine/base/constants.ts';
import { Content, type Prepared } from '../../engine/txn/content.ts';
import {
  Refused,
  type Capabilities,
  type CommitOutcome,
  type Intent,
  type OpenOutcome,
  type Participant,
  type Position,
  type Range,
  type WriterIdentity,
} from '../../engine/txn/participant.ts';
import { encodePieces } from '../../engine/txn/piece-format.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import { judgeEpoch, NEVER_OPENED, openPosition } from '../../engine/txn/position.ts';
import { Tally } from '../../engine/txn/tally.ts';
import {
  endTransaction,
  positionAfter,
  type Tail,
  type TransactionStatus,
} from '../../engine/txn/two-phase.ts';
import type { FakeNetwork } from './fake-network.ts';
import { recordTexts } from './pieces.ts';
import { SentPieces } from './sent-pieces.ts';
import type { SeededRandom } from './random.ts';

interface Transaction {
  writer: string;
  epoch: number;
  status: TransactionStatus;
  tally: Tally;
  content: Content;
  records: string[];
  /** what its records say of themselves: last seq and chain */
  marker: { last: number; chain: bigint } | undefined;
}

export class FakeTwoPhaseTarget {
  readonly #random: SeededRandom;
  readonly #epochs = new Map<string, number>();
  readonly #tails = new Map<string, Tail>();
  readonly #transactions = new Map<string, Transaction>();
  #count = 0;
  /** what becomes of a piece on its way here */
  onArrival: (piece: Piece) => Piece = (piece) => piece;
  readonly limits: Pick<Capabilities, 'maxRecords' | 'maxBytes'>;
  /** the stream, record by record, as far as it is visible */
  readonly records: string[] = [];

  constructor(random: SeededRandom, limits = { maxRecords: 500, maxBytes: 100_000 }) {
    this.#random = random;
    this.limits = limits;
  }

  raiseEpoch(writer: string): number {
    const held = { ...NEVER_OPENED, epoch: this.#epochs.get(writer) ?? 0 };
    const { epoch } = openPosition(held, this.#random.below(2 ** 20));
    this.#epochs.set(writer, epoch);
    return epoch;
  }

  check(writer: string, epoch: number): void {
    const refusal = judgeEpoch({ ...NEVER_OPENED, epoch: this.#epochs.get(writer) ?? 0 }, epoch);
    if (refusal) throw new Refused(refusal);
  }

  tail(writer: string): Tail {
    return this.#tails.get(writer) ?? { kind: 'empty' };
  }

  status(txn: string | undefined): TransactionStatus {
    return this.#transactions.get(txn ?? '')?.status ?? 'UNKNOWN';
  }

  begin(writer: string, epoch: number, lo: number): string {
    this.check(writer, epoch);
    const txn = `two-phase-${++this.#count}`;
    const tally = new Tally(lo, this.limits);
    const tail = this.tail(writer);
    // a marker that is gone says nothing of the chain before
    const content =
      tail.kind === 'trimmed'
        ? new Content(0n, 0)
        : new Content(tail.kind === 'record' ? tail.chain : 0n, TXN_CHAIN_WORDS);
    const empty = { records: [], marker: undefined, tally, content };
    this.#transactions.set(txn, { writer, epoch, status: 'OPEN', ...empty });
    return txn;
  }

  append(txn: string, sent: Piece): void {
    const transaction = this.open(txn);
    const piece = this.onArrival(sent);
    transaction.tally.add(piece);
    transaction.content.addBytes(encodePieces([piece]));
    transaction.content.addPiece(piece);
    transaction.records.push(...recordTexts(piece));
  }

  flush(txn: string, { count, crc }: Prepared): void {
    const { tally, content } = this.open(txn);
    if (count === tally.records && crc === content.crc) return;
    this.abort(txn);
    throw new Refused({ kind: 'REJECTED', reason: 'CONTENT' });
  }

  /** @throws Refused unless it is open and of the live epoch */
  open(txn: string): Transaction {
    const transaction = this.#transactions.get(txn);
    if (transaction?.status !== 'OPEN') throw new Refused({ kind: 'ABORTED' });
    this.check(transaction.writer, transaction.epoch);
    return transaction;
  }

  /** Irrevocable from here on; visible at once or later. */
  commit(txn: string, { range }: Intent): TransactionStatus {
    const transaction = this.#transactions.get(txn);
    if (transaction?.status !== 'OPEN') return this.status(txn);
    transaction.status = 'COMMITTING';
    transaction.marker = { last: range.hi, chain: range.chain };
    this.#proceed();
    return this.status(txn);
  }

  abort(txn: string): void {
    const transaction = this.#transactions.get(txn);
    if (transaction?.status === 'OPEN') transaction.status = 'ABORTED';
  }

  /** Leases end. */
  expire(): void {
    for (const transaction of this.#transactions.values()) {
      if (transaction.status === 'OPEN') transaction.status = 'ABORTED';
    }
  }

  /** Outcomes are forgotten. */
  forget(): void {
    for (const [txn, { status }] of this.#transactions) {
      if (status === 'COMMITTED' || status === 'ABORTED') this.#transactions.delete(txn);
    }
  }

  /** Retention has taken everything. */
  trim(): void {
    for (const writer of this.#tails.keys()) this.#tails.set(writer, { kind: 'trimmed' });
  }

  /** Whatever is irrevocable becomes visible, in half of the cases. */
  #proceed(): void {
    if (this.#random.below(2) === 0) this.finish();
  }

  finish(): void {
    for (const transaction of this.#transactions.values()) {
      if (transaction.status !== 'COMMITTING') continue;
      transaction.status = 'COMMITTED';
      this.records.push(...transaction.records);
      this.#tails.set(transaction.writer, { kind: 'record', ...transaction.marker! });
    }
  }
}

export class FakeTwoPhaseParticipant implements Participant {
  readonly #target: FakeTwoPhaseTarget;
  readonly #network: FakeNetwork;
  readonly capabilities: Capabilities;
  #writer = '';
  readonly #sent = new SentPieces();

  constructor(target: FakeTwoPhaseTarget, network: FakeNetwork) {
    this.#target = target;
    this.#network = network;
    this.capabilities = { kind: 'two-phase', ...target.limits };
  }

  async open(writer: WriterIdentity, intent: Intent | undefined): Promise<OpenOutcome> {
    const target = this.#target;
    const name = `${writer.store}/${writer.incarnation}/${writer.base}`;
    this.#writer = name;
    const epoch = await this.#network.request('open', () => target.raiseEpoch(name));
    const txn = intent?.txn;
    const ended = await endTransaction({
      status: () => this.#network.request('status', () => target.status(txn)),
      abort: () => this.#network.request('abort', () => target.abort(txn!)),
      wait: () => this.#network.request('finish', () => target.finish()),
    });
    const tail = await this.#network.request('tail', () => {
      target.check(name, epoch);
      return target.tail(name);
    });
    const position = positionAfter(intent, ended, tail);
    return position ? { kind: 'OPENED', epoch, ...position } : { kind: 'MARKER_GONE' };
  }

  async position(epoch: number): Promise<Position> {
    const writer = this.#writer;
    const tail = await this.#network.request('position', () => {
      this.#target.check(writer, epoch);
      return this.#target.tail(writer);
    });
    const { last, chain } = tail.kind === 'record' ? tail : { last: 0, chain: 0n };
    return { epoch, last, chain };
  }

  begin(epoch: number, lo: number): Promise<string> {
    const writer = this.#writer;
    return this.#network.request('begin', () => this.#target.begin(writer, epoch, lo));
  }

  append(txn: string, piece: Piece): Promise<void> {
    this.#sent.add(txn, piece);
    return this.#network.request('append', () => this.#target.append(txn, piece));
  }

  async flush(txn: string): Promise<void> {
    const prepared = this.#sent.prepared(txn);
    await this.#network.request('flush', () => this.#target.flush(txn, prepared));
  }

  async commit(epoch: number, intent: Intent): Promise<CommitOutcome> {
    const target = this.#target;
    const { txn = '', range } = intent;
    const refused = await this.#network.request('check', () => this.#judge(epoch, intent));
    if (refused) return refused;
    const status = await this.#network.request('commit', () => target.commit(txn, intent));
    if (status === 'COMMITTING') await this.#network.request('finish', () => target.finish());
    const ended = await this.#network.request('status', () => target.status(txn));
    const tail = target.tail(this.#writer);
    if (ended === 'COMMITTED') return { kind: 'COMMITTED' };
    // forgotten: the tail says whether it was this one that ended well
    const isThere = tail.kind === 'record' && tail.last === range.hi && tail.chain === range.chain;
    if (ended === 'UNKNOWN') return isThere ? { kind: 'COMMITTED' } : { kind: 'UNKNOWN' };
    return { kind: 'ABORTED' };
  }

  /** What a transaction of another epoch, range or content is told; only an open one is judged. */
  #judge(epoch: number, { txn = '', range }: Intent): CommitOutcome | undefined {
    const target = this.#target;
    try {
      target.check(this.#writer, epoch);
      const at = lastBefore(range, target.tail(this.#writer));
      if (range.hi === at.last && range.chain !== at.chain) return { kind: 'DIVERGED' };
      if (range.hi < at.last) return { kind: 'REJECTED', reason: 'RANGE' };
      if (target.status(txn) !== 'OPEN') return undefined;
      if (range.lo !== at.last + 1) return { kind: 'REJECTED', reason: 'RANGE' };
      if (range.before !== at.chain) return { kind: 'DIVERGED' };
      const { tally, content } = target.open(txn);
      if (tally.isRange(range) && content.mayHave(range.chain)) return undefined;
      target.abort(txn);
      return { kind: 'REJECTED', reason: 'CONTENT' };
    } catch (error) {
      if (error instanceof Refused) return error.outcome;
      throw error;
    }
  }

  abort(txn: string): Promise<void> {
    return this.#network.request('abort', () => this.#target.abort(txn));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Behind what a range has to come: a marker that is gone contradicts none. */
function lastBefore({ lo, before }: Range, tail: Tail): Pick<Position, 'last' | 'chain'> {
  if (tail.kind === 'record') return tail;
  return tail.kind === 'trimmed' ? { last: lo - 1, chain: before } : { last: 0, chain: 0n };
}
