/**
 * The rules of a participant that keeps its position with the data, as pure functions: a store, a
 * server, the fake ones of the tests and the model decide by them, and by nothing else.
 *
 *   open(writer)   the next epoch, durable before it is answered
 *   commit         epoch older than ours → FENCED; otherwise not ours → REJECTED (never issued)
 *                  hi = last: same range and chain → COMMITTED, as before; other chain → DIVERGED
 *                  hi < last, or lo ≠ last + 1 → REJECTED; chain before lo not ours → DIVERGED
 *                  else data and new position become durable in one atom → COMMITTED
 */
import { assert } from '../base/assert.ts';
import type { CommitOutcome, Position, Range } from './participant.ts';

/** An epoch is counter × this + random bits: one that was not issued is not met by chance. */
export const EPOCH_NONCE = 2 ** 20;

/** What is kept per writer, in O(1). */
export interface HeldPosition {
  epoch: number;
  /** the last transaction: seqs, chain up to hi, offsets; hi 0 before the first */
  lo: number;
  hi: number;
  chain: bigint;
  firstOffset: number;
  endOffset: number;
}

export const NEVER_OPENED: HeldPosition = {
  ...{ epoch: 0, lo: 1, hi: 0, chain: 0n, firstOffset: 0, endOffset: 0 },
};

/** @param nonce random bits; what is more than an epoch takes is left out */
export function openPosition(held: HeldPosition, nonce: number): HeldPosition {
  return { ...held, epoch: epochOf(epochCounter(held.epoch) + 1, nonce) };
}

/** @param nonce random bits; what is more than an epoch takes is left out */
export function epochOf(counter: number, nonce: number): number {
  return counter * EPOCH_NONCE + (nonce % EPOCH_NONCE);
}

export function epochCounter(epoch: number): number {
  return Math.floor(epoch / EPOCH_NONCE);
}

export function positionOf({ epoch, hi, chain }: HeldPosition): Position {
  return { epoch, last: hi, chain };
}

type Refusal = Extract<CommitOutcome, { kind: 'FENCED' | 'REJECTED' }>;

/** Checked at begin, append, flush and commit. @returns undefined if the epoch is the live one */
export function judgeEpoch(held: HeldPosition, epoch: number): Refusal | undefined {
  if (epoch === held.epoch && epoch !== 0) return undefined;
  if (epochCounter(epoch) < epochCounter(held.epoch)) return { kind: 'FENCED' };
  return { kind: 'REJECTED', reason: 'EPOCH' };
}

/** @returns APPLY: append the data and `applyCommit`, in one atom; else the answer */
export function judgeCommit(
  held: HeldPosition,
  epoch: number,
  range: Range,
): CommitOutcome | { kind: 'APPLY' } {
  const refusal = judgeEpoch(held, epoch);
  if (refusal) return refusal;
  const rejected = { kind: 'REJECTED', reason: 'RANGE' } as const;
  if (range.hi < range.lo) return rejected;
  if (range.hi === held.hi) return judgeRepeat(held, range);
  if (range.hi < held.hi) return rejected;
  if (range.lo !== held.hi + 1) return rejected;
  if (range.before !== held.chain) return { kind: 'DIVERGED' };
  return { kind: 'APPLY' };
}

function judgeRepeat(held: HeldPosition, range: Range): CommitOutcome {
  if (range.chain !== held.chain) return { kind: 'DIVERGED' };
  if (range.lo !== held.lo) return { kind: 'REJECTED', reason: 'RANGE' };
  return { kind: 'COMMITTED', firstOffset: held.firstOffset, endOffset: held.endOffset };
}

/** @param firstOffset at the target, of the first seq; offsets run on like seqs */
export function applyCommit(held: HeldPosition, range: Range, firstOffset: number): HeldPosition {
  const { lo, hi, chain } = range;
  assert(lo === held.hi + 1 && hi >= lo, 'only what was judged is applied');
  return { epoch: held.epoch, lo, hi, chain, firstOffset, endOffset: firstOffset + hi - lo + 1 };
}
