/**
 * Where a copy ends: one interface for every target, a store in this process as much as a broker
 * behind a bad line. The copier (`copier.ts`) drives it; what it does and when is the protocol's
 * (`coordinator.ts`), and every implementation passes `test/contract/participant.contract.ts`.
 *
 *   open ─▶ epoch, last, chain            issues an epoch, ends what older epochs left behind
 *   begin ─▶ append … ─▶ flush ─▶ commit   one transaction at a time; nothing is visible before
 *                           └──▶ abort    commit, and an abort leaves nothing
 *
 * Two kinds. A participant with **position-with-data** keeps (epoch, last, chain) of each writer in
 * one atom with the records: a commit that arrives twice is recognised. A **two-phase** one has
 * transactions with a life of their own and no idea of seqs: its transaction's id is durable in the
 * source's intent before the commit is sent, and open() drives it to an end before it looks.
 *
 * Promises of an implementation:
 *  - open() answers only when the epoch it returns is durable and every transaction of an older
 *    epoch, the intent's included, has ended: COMMITTED, or unable ever to be. It aborts what is
 *    open; it never commits it.
 *  - From then on older epochs are FENCED, and epochs that were never issued REJECTED, at begin,
 *    append, flush and commit; requests that were under way are no exception.
 *  - What is committed is what was appended: count and checksum are compared with the sender's, and
 *    the chain with the one over what has arrived, where that is cheap (`content.ts`). What differs
 *    is REJECTED: CONTENT, by the flush or the commit, and its transaction has ended.
 *  - COMMITTED is answered only when the records are durable and visible, all of them, in order,
 *    behind those of the commit before. An outcome that is not known is UNKNOWN, never guessed.
 *  - Committing the last transaction again gives the same answer; an equal range with another chain
 *    is DIVERGED, an older one REJECTED. State is O(1) per writer and not forgotten with time.
 *
 * Threads and memory: an instance belongs to the copier's thread, its methods are called one at a
 * time, but for close(), which may come at any moment and makes what is under way fail. Whatever
 * waits for a network obeys the signal. Pieces belong to the caller; they and their bytes stay
 * unchanged until the transaction has ended, and are not to be changed or kept longer.
 */
import type { Piece } from './piece.ts';

/**
 * Whose records they are, per hop. Its seq n is the source stream's offset base + n − 1; gaps are
 * records, so seqs have no holes.
 */
export interface WriterIdentity {
  /** store id of the source */
  store: string;
  /** incarnation of the source's stream */
  incarnation: string;
  /** offset with which this copy began */
  base: number;
}

/** How far a writer has come at a participant, or a copy at its source. */
export interface Position {
  /** counter × 2^20 + 20 random bits; 0: none was ever issued */
  epoch: number;
  /** the last committed seq, 0 for none */
  last: number;
  /** over seqs 1 to last (`docs/format-chain.md`) */
  chain: bigint;
}

/** What one transaction holds: seqs lo to hi, both included. */
export interface Range {
  lo: number;
  hi: number;
  /** records that were appended; less than hi − lo + 1 if gaps of lost records are among them */
  count: number;
  /** over seqs 1 to lo − 1 */
  before: bigint;
  /** over seqs 1 to hi */
  chain: bigint;
}

/** The commit that is about to be sent: durable at the source before it is. */
export interface Intent {
  /** of a two-phase participant */
  txn: string | undefined;
  range: Range;
}

export interface Capabilities {
  kind: 'position-with-data' | 'two-phase';
  /** of one transaction; a single piece may be larger and is then alone in its transaction */
  maxRecords: number;
  /** of the pieces' entries */
  maxBytes: number;
  /** up to which it takes a transaction in one go; one that is larger costs it more */
  usualBytes?: number;
}

export type OpenOutcome =
  | ({ kind: 'OPENED' } & Position)
  /** data of this writer is there, but what says how far it goes is not */
  | { kind: 'MARKER_GONE' };

export type RejectReason =
  /** an epoch that was never issued */
  | 'EPOCH'
  /** not the range behind the last committed one */
  | 'RANGE'
  /** what was appended is not what the range says */
  | 'CONTENT'
  /** more than the participant takes at once */
  | 'LIMIT';

/**
 * Any of these but COMMITTED sends the copier back to open(). A message is for people: which limit
 * was met and how much it is, or why a transaction has ended, if the participant says so.
 */
export type CommitOutcome =
  /** offsets at the target, where it has them */
  | { kind: 'COMMITTED'; firstOffset?: number; endOffset?: number }
  | { kind: 'FENCED' }
  | { kind: 'REJECTED'; reason: RejectReason; message?: string }
  | { kind: 'DIVERGED' }
  | { kind: 'ABORTED'; message?: string }
  | { kind: 'UNKNOWN' };

/** What begin, append, flush and position throw where they are refused by rule, not by fault. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly outcome: Exclude<CommitOutcome, { kind: 'COMMITTED' | 'UNKNOWN' }>;

  constructor(outcome: Refused['outcome']) {
    super(wordsOf(outcome));
    this.outcome = outcome;
  }
}

function wordsOf(outcome: Refused['outcome']): string {
  const message = 'message' in outcome ? outcome.message : undefined;
  const what = outcome.kind === 'REJECTED' ? `REJECTED: ${outcome.reason}` : outcome.kind;
  return message === undefined ? what : `${what}: ${message}`;
}

/** @param message which limit, and how much it is */
export function beyondLimit(message: string): Refused {
  return new Refused({ kind: 'REJECTED', reason: 'LIMIT', message });
}

export interface Participant {
  readonly capabilities: Capabilities;

  /**
   * Issues the writer's next epoch and says how far it has come.
   * @param intent the last one the source wrote, if its outcome is not known there
   * @throws anything, if the participant cannot be reached or does not answer in time
   */
  open(
    writer: WriterIdentity,
    intent: Intent | undefined,
    signal: AbortSignal,
  ): Promise<OpenOutcome>;

  /** Reads the same without changing anything. @throws Refused FENCED if it is not ours any more */
  position(epoch: number, signal: AbortSignal): Promise<Position>;

  /** @returns the transaction's id: durable in the intent if the participant is two-phase */
  begin(epoch: number, lo: number, signal: AbortSignal): Promise<string>;

  /**
   * Pieces in order, each beginning where the one before ended. They may be gathered and sent
   * together: what the target refuses then comes with a later append, or with the flush.
   */
  append(txn: string, piece: Piece, signal: AbortSignal): Promise<void>;

  /**
   * Everything appended has reached the participant, as it was sent; two-phase: and is durable
   * there. What has changed on its way is REJECTED, and the transaction has ended.
   */
  flush(txn: string, signal: AbortSignal): Promise<void>;

  /** Called only when the intent that names the range (and transaction) is durable. */
  commit(epoch: number, intent: Intent, signal: AbortSignal): Promise<CommitOutcome>;

  /** Gives up what was not committed. A courtesy: open() would do it too. */
  abort(txn: string): Promise<void>;

  /** Lets go of connection and memory; ends nothing that a later open() would not end as well. */
  close(): Promise<void>;
}
