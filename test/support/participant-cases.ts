/** What the contract of participants needs of each, and what its cases have in common. */
import { expect } from 'vitest';
import { Chain } from '../../engine/txn/chain.ts';
import { Refused, type Intent } from '../../engine/txn/participant.ts';
import type { Participant, Position, WriterIdentity } from '../../engine/txn/participant.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import { Tally } from '../../engine/txn/tally.ts';
import { piecesOf, recordTexts, testOrigin, type Meant } from './pieces.ts';

export interface ParticipantCase {
  /** another connection to the same target */
  connect(): Participant;
  /** every record that a reader of the target sees, in order, as `recordTexts` gives it */
  visible(): Promise<string[]>;
  /** from now on the reply to the next commit is lost, though the commit is done */
  loseNextCommitReply(): void;
  /** records that one transaction may hold */
  maxRecords: number;
  /** what becomes of each piece on its way from now on */
  change(onArrival: (piece: Piece) => Piece): void;
  /** the target gives up transactions that were left open, if it ever does by itself */
  expire?(): void;
  /** the target's retention takes all records, and with them what says how far a writer has come */
  trim?(): void;
}

export const WRITER: WriterIdentity = { store: 'a', incarnation: 'b', base: 0 };
export const NEVER = new AbortController().signal;
export const UNLIMITED = { maxRecords: Infinity, maxBytes: Infinity };
const ORIGIN = testOrigin('samples');
/** Samples whose pieces are more bytes than a participant keeps back. */
const GATHERED_RECORDS = 3000;

/** Samples with ticks from..to−1 as pieces of three, seqs alike. */
export function piecesFrom(from: number, to: number, level = 0): Piece[] {
  const records = Array.from({ length: to - from }, (_, i): Meant => {
    const tick = from + i;
    return { type: 'sample', tick, lateness: 5n, values: [1n, 2n, 3, level, 0] };
  });
  let calls = 0;
  const place = { originSeq: from, lo: from, ordinal: from - 1 };
  return piecesOf(records, ORIGIN, () => ++calls % 3 === 0, place);
}

export function textsOf(pieces: readonly Piece[]): string[] {
  return pieces.flatMap(recordTexts);
}

export interface Sent {
  pieces: Piece[];
  intent: Intent;
}

/** Everything up to the commit. */
export async function prepare(
  participant: Participant,
  { epoch, chain: before, last }: Position,
  pieces: Piece[],
): Promise<Sent> {
  const tally = new Tally(last + 1, UNLIMITED);
  const chain = new Chain(before);
  const txn = await participant.begin(epoch, last + 1, NEVER);
  for (const piece of pieces) {
    tally.add(piece);
    chain.add(piece);
    await participant.append(txn, piece, NEVER);
  }
  await participant.flush(txn, NEVER);
  return { pieces, intent: { txn, range: tally.range(before, chain.value) } };
}

export async function opened(participant: Participant, intent?: Intent): Promise<Position> {
  const outcome = await participant.open(WRITER, intent, NEVER);
  if (outcome.kind !== 'OPENED') throw new Error(`open: ${outcome.kind}`);
  return outcome;
}

export async function refusal(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof Refused) return error.outcome.kind;
    throw error;
  }
  return 'none';
}

/** More than an implementation gathers before it sends it. */
export async function appendUntilRefused(
  participant: Participant,
  txn: string,
  from: number,
): Promise<void> {
  for (const piece of piecesFrom(from, from + GATHERED_RECORDS)) {
    await participant.append(txn, piece, NEVER);
  }
}

export async function commitSamples(
  participant: Participant,
  count: number,
): Promise<Sent & Position> {
  const position = await opened(participant);
  const sent = await prepare(participant, position, piecesFrom(1, count + 1));
  const outcome = await participant.commit(position.epoch, sent.intent, NEVER);
  expect(outcome.kind).toBe('COMMITTED');
  const { hi, chain } = sent.intent.range;
  return { ...sent, epoch: position.epoch, last: hi, chain };
}
