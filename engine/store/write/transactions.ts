/**
 * A store as the end of a copy, on its owner's thread: transactions of other stores' records, by
 * the rules of `engine/txn/position.ts` and nothing else.
 *
 *   open ─▶ group {stream?, transaction {epoch}}       the epoch is durable before it is answered
 *   begin ─▶ append … ─▶ flush                         in memory, or spilled: not in the log
 *   commit ─▶ group {runs, records, transaction {lo, hi, chain}}        one write: all or nothing
 *
 * The group is the commit: offsets are given here, readers see all of it or none. What is larger
 * than a group is spilled as it comes, durably, and the group names the files (`spill.ts`). An open
 * transaction has nothing to be recovered from; it ends with its connection, with the writer's next
 * open, with the owner, or when it is too old, whoever keeps it open, since others wait for what it
 * takes of memory and disk. It is ABORTED for whoever still asks.
 *
 * Records keep their origin: writer, epoch, seq and run as they were first written, in a run of
 * their own here (`copied`). A transaction holds no more than one run of each writer, since a
 * writer is known by its latest run; who sends ends a transaction where a run begins.
 *
 * Memory: of one transaction `groupLimit` and one piece; of all `openBytes`. Each limit that is met
 * is named to the sender (`open-transactions.ts`).
 */
import { randomUint32, type Clock, type Random } from '../../base/clock.ts';
import { HelicorderError } from '../../base/errors.ts';
import { schemaId } from '../../batch/schema.ts';
import { Content, type Prepared } from '../../txn/content.ts';
import { Refused, beyondLimit, type CommitOutcome, type Range } from '../../txn/participant.ts';
import type { Origin, Piece } from '../../txn/piece.ts';
import {
  NEVER_OPENED,
  applyCommit,
  judgeCommit,
  judgeEpoch,
  openPosition,
  type HeldPosition,
} from '../../txn/position.ts';
import { Tally } from '../../txn/tally.ts';
import { transactionEntry } from '../entries/control-entries.ts';
import {
  addPiece,
  checkForeign,
  checkOverlap,
  copiedRun,
  derivationOf,
  isSameRun,
} from './copied-records.ts';
import { dataItems } from '../entries/data.ts';
import type { Entries } from '../entries/entries.ts';
import { KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';
import { namedStream } from '../state/named.ts';
import {
  OpenTransactions,
  TRANSACTION_LIMITS,
  type OpenTransaction,
  type TransactionLimits,
  type TransactionWriter,
} from './open-transactions.ts';
import type { Spill } from './spill.ts';
import { spillEntry } from '../entries/spill-entry.ts';
import type { GroupPlan, StreamRequest } from './group-plan.ts';
import type { StoreWriter } from './writer.ts';

export interface TransactionEnvironment {
  clock: Clock;
  random: Random;
  /** those that are not `TRANSACTION_LIMITS` */
  transactionLimits?: Partial<TransactionLimits>;
}

export class Transactions {
  readonly #writer: StoreWriter;
  readonly #random: Random;
  readonly limits: TransactionLimits;
  readonly #open: OpenTransactions;
  #begun = 0;

  constructor(writer: StoreWriter, environment: TransactionEnvironment) {
    const { clock, random, transactionLimits } = environment;
    this.#writer = writer;
    this.#random = random;
    this.limits = { ...TRANSACTION_LIMITS, ...transactionLimits };
    this.#open = new OpenTransactions(this.limits, clock);
  }

  /**
   * Adds the writer's next epoch to the group, and the stream if there is none.
   * @returns what may be answered once the group is durable
   * @throws USAGE if the stream there is of another kind, or of events of another length, or is
   *   being recorded
   */
  open(plan: GroupPlan, request: StreamRequest, writer: string): HeldPosition {
    const { state, openRuns } = this.#writer;
    openRuns.checkUnsampled(request.stream);
    const known = state.streamNamed(request.stream);
    if (known && known.samplesPerEvent !== request.samplesPerEvent) {
      throw new HelicorderError(
        'USAGE',
        `${known.name} has events of ${known.samplesPerEvent} samples, ` +
          `what is copied has ${request.samplesPerEvent}; choose another stream`,
      );
    }
    const stream = plan.addStream(request);
    const last = state.lastTransaction(stream, writer) ?? NEVER_OPENED;
    if (known) checkOverlap(state, known, writer, last);
    const held = openPosition(last, randomUint32(this.#random));
    addTransaction(plan.builder, stream, writer, held);
    this.#endOf(request.stream, writer);
    return held;
  }

  /** @throws Refused unless the epoch is the live one; NO_SUCH_STREAM */
  position(writer: TransactionWriter, epoch: number): HeldPosition {
    const held = this.#held(writer);
    const refusal = judgeEpoch(held, epoch);
    if (refusal) throw new Refused(refusal);
    return held;
  }

  /**
   * @param owner the connection whose end is the transaction's
   * @throws Refused; USAGE while the stream is being recorded
   */
  begin(owner: number, writer: TransactionWriter, epoch: number, lo: number): string {
    const { chain } = this.position(writer, epoch);
    this.#writer.openRuns.checkUnsampled(writer.stream);
    this.expire();
    this.#endOf(writer.stream, writer.writer);
    this.#open.checkRoom();
    const txn = `${epoch}-${++this.#begun}`;
    this.#open.add(txn, {
      ...{ owner, stream: writer.stream, writer: writer.writer, epoch },
      tally: new Tally(lo, this.limits),
      content: new Content(chain, this.limits.chainWords),
      origins: new Map(),
      ...{ pieces: [], heldBytes: 0, spill: undefined },
    });
    return txn;
  }

  /**
   * Takes pieces; their bytes are the transaction's from now on.
   * @param bytes in which they have travelled
   * @throws Refused; USAGE for what may never stand there; NO_SPACE if they cannot be spilled: the
   *   transaction has ended
   */
  append(txn: string, pieces: readonly Piece[], bytes: Uint8Array): void {
    const open = this.#live(txn);
    open.content.addBytes(bytes);
    for (const piece of pieces) {
      this.#checkEvent(piece);
      this.#open.checkMemory(piece.bytes);
      this.#take(open, piece);
      this.#orEnd(txn, () => open.content.addPiece(piece));
    }
    if (open.heldBytes > this.#writer.spills.keptBytes) this.#orEnd(txn, () => this.#spill(open));
  }

  /** What cannot be cut is refused for good. @throws USAGE */
  #checkEvent({ bytes, content, origin, originSeq }: Piece): void {
    const { eventLimit } = this.#writer;
    if (bytes <= eventLimit) return;
    if (content.kind !== 'events') {
      throw beyondLimit(`a piece of ${bytes} bytes: the store takes at most ${eventLimit}`);
    }
    throw new HelicorderError(
      'USAGE',
      `an event of ${bytes} bytes (seq ${originSeq} of ${origin.writer}): the target takes at ` +
        `most ${eventLimit}; choose one with a larger store.segmentSize`,
    );
  }

  #take(open: OpenTransaction, piece: Piece): void {
    const { state } = this.#writer;
    const { origin, originSeq } = piece;
    const index = open.origins.size;
    const known = open.origins.get(origin.writer) ?? { origin, firstSeq: originSeq, index };
    if (!isSameRun(known.origin, origin)) {
      throw new Refused({ kind: 'REJECTED', reason: 'CONTENT' });
    }
    checkForeign(state, namedStream(state, open.stream), piece);
    open.tally.add(piece);
    open.origins.set(origin.writer, known);
    open.pieces.push(piece);
    open.heldBytes += piece.bytes;
  }

  #spill(open: OpenTransaction): Spill {
    const spill = (open.spill ??= this.#writer.spills.begin());
    const { pieces, origins, tally } = open;
    if (pieces.length === 0) return spill;
    if (this.#writer.admission.refuses(open.stream)) {
      throw new HelicorderError('NO_SPACE', `there is no room for ${open.stream} (onFull)`);
    }
    spill.write((builder) => {
      for (const piece of pieces) {
        const { index: run } = origins.get(piece.origin.writer)!;
        addPiece(builder, 0, piece, { run, firstOffset: piece.lo - tally.lo });
      }
    });
    [open.pieces, open.heldBytes] = [[], 0];
    return spill;
  }

  /** A transaction that has lost some of its records holds none. */
  #orEnd(txn: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.abort(txn);
      throw error;
    }
  }

  /**
   * Who may have begun to write there since the transaction was.
   * @throws USAGE
   */
  #checkOthers({ stream, origins }: OpenTransaction): void {
    const { state, openRuns } = this.#writer;
    openRuns.checkUnsampled(stream);
    const target = namedStream(state, stream);
    for (const { origin, firstSeq } of origins.values()) {
      checkForeign(state, target, { origin, originSeq: firstSeq });
    }
  }

  /**
   * Everything appended has arrived, and what is spilled is durable; the writer is still the live
   * one.
   * @param prepared what was sent, if the sender says so
   * @throws Refused, with CONTENT if something else has arrived, NO_SPACE: the transaction has
   *   ended
   */
  flush(txn: string, prepared?: Prepared): void {
    const open = this.#live(txn);
    const { tally, content } = open;
    if (prepared && (prepared.count !== tally.records || prepared.crc !== content.crc)) {
      throw new Refused(this.#rejectContent(txn));
    }
    this.#prepare(txn, open);
  }

  /** What has arrived is not what is to be committed, and will not become it. */
  #rejectContent(txn: string): Refused['outcome'] {
    this.abort(txn);
    return { kind: 'REJECTED', reason: 'CONTENT' };
  }

  #prepare(txn: string, open: OpenTransaction): void {
    if (open.spill) this.#orEnd(txn, () => this.#spill(open).prepare());
  }

  /**
   * Adds the records and the new position to the group.
   * @returns what may be answered once the group is durable; at once, if nothing was added
   * @throws USAGE where others have begun to write to the stream, NO_SPACE, Refused CONTENT for
   *   what the log cannot account for: the transaction has ended
   */
  commit(
    plan: GroupPlan,
    writer: TransactionWriter,
    epoch: number,
    { txn, range }: { txn: string; range: Range },
  ): CommitOutcome {
    const held = this.#held(writer);
    const judged = judgeCommit(held, epoch, range);
    if (judged.kind !== 'APPLY') return judged;
    this.expire();
    const open = this.#open.get(txn);
    if (open?.epoch !== epoch || open.writer !== writer.writer) return this.#open.aborted(txn);
    const { tally, content } = open;
    if (!tally.isRange(range) || !content.mayHave(range.chain)) return this.#rejectContent(txn);
    this.#orEnd(txn, () => this.#checkOthers(open));
    this.#prepare(txn, open);
    this.#open.take(txn);
    const stream = namedStream(this.#writer.state, writer.stream);
    const next = applyCommit(held, range, plan.nextOffset(stream));
    this.#addRecords(plan, stream.id, open, next.firstOffset);
    plan.took(next.endOffset - next.firstOffset, stream);
    addTransaction(plan.builder, stream.id, writer.writer, next);
    return { kind: 'COMMITTED', firstOffset: next.firstOffset, endOffset: next.endOffset };
  }

  abort(txn: string): void {
    this.#open.end(txn);
  }

  /** The connection has ended. */
  gone(owner: number): void {
    this.#open.endAll('its connection has ended', (open) => open.owner === owner);
  }

  #held({ stream, writer }: TransactionWriter): HeldPosition {
    const { state } = this.#writer;
    return state.lastTransaction(namedStream(state, stream).id, writer) ?? NEVER_OPENED;
  }

  /** A writer has one transaction open, at most. */
  #endOf(stream: string, writer: string): void {
    const isOfIt = (open: OpenTransaction) => open.stream === stream && open.writer === writer;
    this.#open.endAll('its writer has begun anew', isOfIt);
  }

  /** Records wait for space: what is not committed makes room. */
  yieldSpace(): void {
    const why = 'records wait for space: what is spilled and not committed makes room';
    this.#open.endAll(why, ({ spill }) => spill !== undefined);
  }

  /** The owner ends. */
  close(): void {
    this.#open.endAll('the owner of the store ends', () => true);
  }

  /** Ends what is older than a transaction may be. */
  expire(): void {
    this.#open.expire();
  }

  #live(txn: string): OpenTransaction {
    this.expire();
    const open = this.#open.get(txn);
    if (open === undefined) throw new Refused(this.#open.aborted(txn));
    this.position(open, open.epoch);
    return open;
  }

  #addRecords(
    plan: GroupPlan,
    stream: number,
    { origins, tally, pieces, spill }: OpenTransaction,
    base: number,
  ): void {
    const { builder } = plan;
    const before = builder.mark();
    const runs = [...origins.values()].map(({ origin, firstSeq }) => {
      return this.#runOf(stream, origin) ?? plan.addCopied(stream, copiedRun(origin, firstSeq));
    });
    for (const piece of pieces) {
      const run = runs[origins.get(piece.origin.writer)!.index]!;
      addPiece(builder, stream, piece, { run, firstOffset: base + piece.lo - tally.lo });
    }
    for (const entry of spill?.entries(base, runs) ?? []) {
      builder.add(KIND.spill, stream, spillEntry.encode(entry));
    }
    spill?.close();
    checkSound(builder.entriesBehind(before));
  }

  /** Whose records an open transaction holds, and how many bytes of them are to go into a group. */
  contentOf(txn: string): { writers: string[]; bytes: number } | undefined {
    const open = this.#open.get(txn);
    return open && { writers: [...open.origins.keys()], bytes: open.heldBytes };
  }

  /** The run in which records of that origin already are, if it is still the writer's latest. */
  #runOf(stream: number, origin: Origin): number | undefined {
    const latest = this.#writer.state.latestRun(stream, origin.writer);
    if (latest?.copied === undefined) return undefined;
    const isSame = isSameRun(latest, origin) && latest.schemaId === schemaId(origin.schema);
    return isSame && derivationOf(latest) === derivationOf(origin) ? latest.id : undefined;
  }
}

/** What the log cannot account for must not come into it. @throws Refused */
function checkSound(entries: Entries): void {
  dataItems(entries, { length: 0, padded: 0 }, () => {
    throw new Refused({ kind: 'REJECTED', reason: 'CONTENT' });
  });
}

function addTransaction(
  builder: GroupBuilder,
  stream: number,
  writer: string,
  held: HeldPosition,
): void {
  builder.add(KIND.transaction, stream, transactionEntry.encode({ ...held, stream, writer }));
}
