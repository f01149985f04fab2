/** A participant with position-with-data over a target in memory, by the production's rules. */
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
  type WriterIdentity,
} from '../../engine/txn/participant.ts';
import { encodePieces } from '../../engine/txn/piece-format.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import {
  applyCommit,
  judgeCommit,
  judgeEpoch,
  NEVER_OPENED,
  openPosition,
  positionOf,
  type HeldPosition,
} from '../../engine/txn/position.ts';
import { Tally } from '../../engine/txn/tally.ts';
import type { FakeNetwork } from './fake-network.ts';
import { recordTexts } from './pieces.ts';
import { SentPieces } from './sent-pieces.ts';
import type { SeededRandom } from './random.ts';

interface Open {
  writer: string;
  epoch: number;
  tally: Tally;
  content: Content;
  pieces: Piece[];
}

/** What is durable at the target; any number of participants may be connected to it. */
export class FakeStoreTarget {
  readonly #random: SeededRandom;
  readonly #held = new Map<string, HeldPosition>();
  readonly #open = new Map<string, Open>();
  #transactions = 0;
  /** what becomes of a piece on its way here */
  onArrival: (piece: Piece) => Piece = (piece) => piece;
  readonly limits: Pick<Capabilities, 'maxRecords' | 'maxBytes'>;
  /** the stream, record by record */
  readonly records: string[] = [];
  #offset = 0;

  constructor(random: SeededRandom, limits = { maxRecords: 500, maxBytes: 100_000 }) {
    this.#random = random;
    this.limits = limits;
  }

  open(writer: string): Position {
    const held = openPosition(this.held(writer), this.#random.below(2 ** 20));
    this.#held.set(writer, held);
    for (const [txn, { writer: owner }] of this.#open) if (owner === writer) this.#open.delete(txn);
    return positionOf(held);
  }

  held(writer: string): HeldPosition {
    return this.#held.get(writer) ?? NEVER_OPENED;
  }

  begin(writer: string, epoch: number, lo: number): string {
    this.#check(writer, epoch);
    const txn = `store-${++this.#transactions}`;
    const content = new Content(this.held(writer).chain, TXN_CHAIN_WORDS);
    const tally = new Tally(lo, this.limits);
    this.#open.set(txn, { writer, epoch, tally, content, pieces: [] });
    return txn;
  }

  append(txn: string, sent: Piece): void {
    const open = this.#transaction(txn);
    const piece = this.onArrival(sent);
    open.tally.add(piece);
    open.content.addBytes(encodePieces([piece]));
    open.content.addPiece(piece);
    open.pieces.push(piece);
  }

  flush(txn: string, { count, crc }: Prepared): void {
    const { tally, content } = this.#transaction(txn);
    if (count === tally.records && crc === content.crc) return;
    throw new Refused(this.#rejectContent(txn));
  }

  #rejectContent(txn: string): Refused['outcome'] {
    this.#open.delete(txn);
    return { kind: 'REJECTED', reason: 'CONTENT' };
  }

  commit(writer: string, epoch: number, intent: Intent): CommitOutcome {
    const held = this.held(writer);
    const verdict = judgeCommit(held, epoch, intent.range);
    if (verdict.kind !== 'APPLY') return verdict;
    const open = this.#open.get(intent.txn ?? '');
    if (open === undefined) return { kind: 'ABORTED' };
    const { range } = intent;
    const isRight = open.tally.isRange(range) && open.content.mayHave(range.chain);
    if (!isRight) return this.#rejectContent(intent.txn!);
    const next = applyCommit(held, intent.range, this.#offset);
    this.records.push(...open.pieces.flatMap(recordTexts));
    this.#offset = next.endOffset;
    this.#held.set(writer, next);
    this.#open.delete(intent.txn!);
    return { kind: 'COMMITTED', firstOffset: next.firstOffset, endOffset: next.endOffset };
  }

  abort(txn: string): void {
    this.#open.delete(txn);
  }

  /** A lease ends: open transactions are gone. */
  expire(): void {
    this.#open.clear();
  }

  /** @returns puts back what is there now */
  backup(): () => void {
    const [held, records, offset] = [new Map(this.#held), this.records.length, this.#offset];
    return () => {
      this.#held.clear();
      for (const [writer, position] of held) this.#held.set(writer, position);
      this.records.length = records;
      this.#offset = offset;
    };
  }

  #check(writer: string, epoch: number): void {
    const refusal = judgeEpoch(this.held(writer), epoch);
    if (refusal) throw new Refused(refusal);
  }

  #transaction(txn: string): Open {
    const open = this.#open.get(txn);
    if (open === undefined) throw new Refused({ kind: 'ABORTED' });
    this.#check(open.writer, open.epoch);
    return open;
  }
}

export class FakeStoreParticipant implements Participant {
  readonly #target: FakeStoreTarget;
  readonly #network: FakeNetwork;
  readonly capabilities: Capabilities;
  #writer = '';
  readonly #sent = new SentPieces();

  constructor(target: FakeStoreTarget, network: FakeNetwork) {
    this.#target = target;
    this.#network = network;
    this.capabilities = { kind: 'position-with-data', ...target.limits };
  }

  async open({ store, incarnation, base }: WriterIdentity): Promise<OpenOutcome> {
    const writer = `${store}/${incarnation}/${base}`;
    this.#writer = writer;
    const position = await this.#network.request('open', () => this.#target.open(writer));
    return { kind: 'OPENED', ...position };
  }

  position(epoch: number): Promise<Position> {
    const writer = this.#writer;
    return this.#network.request('position', () => {
      const held = this.#target.held(writer);
      const refusal = judgeEpoch(held, epoch);
      if (refusal) throw new Refused(refusal);
      return positionOf(held);
    });
  }

  begin(epoch: number, lo: number): Promise<string> {
    const writer = this.#writer;
    return this.#network.request('begin', () => this.#target.begin(writer, epoch, lo));
  }

  append(txn: string, piece: Piece): Promise<void> {
    this.#sent.add(txn, piece);
    return this.#network.request('append', () => this.#target.append(txn, piece));
  }

  flush(txn: string): Promise<void> {
    const prepared = this.#sent.prepared(txn);
    return this.#network.request('flush', () => this.#target.flush(txn, prepared));
  }

  commit(epoch: number, intent: Intent): Promise<CommitOutcome> {
    const writer = this.#writer;
    return this.#network.request('commit', () => this.#target.commit(writer, epoch, intent));
  }

  abort(txn: string): Promise<void> {
    return this.#network.request('abort', () => this.#target.abort(txn));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
