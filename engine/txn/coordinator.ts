/**
 * The copier's protocol as pure functions: (state, event) → (state, effects). The production
 * copier and the model that is explored exhaustively (`test/sim/model`) run this same code; neither
 * clock, chance, disk nor network is known here.
 *
 *   RECOVER  opening ─▶ (recomputing) ─▶ the five comparisons below ─▶ cursor entry ─▶ IDLE
 *   IDLE     records lo..hi ─▶ sending ─▶ intending ─▶ committing ─▶ cursor entry ─▶ IDLE
 *            probing: compare the participant's (epoch, last, chain) with the cursor
 *   anything else, at any point ─▶ waiting (back-off) ─▶ RECOVER
 *
 * RECOVER, with (epoch, last, chain) as the participant's open() answers, in this order:
 *   1  last < acked                                → alarm TARGET_ROLLED_BACK
 *   2  last = intent.hi and chain = intent.chain   → acked = last (our data may be a gap by now)
 *   3  last = acked and chain ≠ cursor.chain       → alarm SOURCE_DIVERGED
 *   4  last > own durable end                      → alarm SOURCE_DIVERGED
 *   5  last > acked otherwise: the chain continued over acked+1..last from own records differs, or
 *      cannot be computed                          → alarm SOURCE_DIVERGED
 *   6  else entry {acked = last, chain, no intent} → IDLE
 *
 * An alarm ends the copy: nothing is sent or released before a person has looked. After
 * SOURCE_DIVERGED the source's stream has a new incarnation, so what is sent later is another
 * writer's.
 *
 * The cursor entry is not waited for. The source makes entries durable in the order it was given
 * them, so the next intent, which is waited for, carries it along: one flush per transaction.
 */
import { assert } from '../base/assert.ts';
import { BACKOFF_MAX_MS, BACKOFF_MIN_MS } from '../base/constants.ts';
import type { CommitOutcome, Intent, OpenOutcome, Position, Range } from './participant.ts';

/** How far a copy is known to have come; durable in the source's log. */
export interface Cursor {
  epoch: number;
  /** the last seq that the participant itself has reported as committed */
  acked: number;
  /** over seqs 1 to acked, as they were sent */
  chain: bigint;
}

export type Alarm = 'TARGET_ROLLED_BACK' | 'SOURCE_DIVERGED' | 'MARKER_GONE';

export type Phase =
  | { name: 'new' | 'opening' | 'idle' | 'probing' | 'waiting' }
  | { name: 'recomputing'; opened: Position }
  | { name: 'sending'; range: Range }
  | { name: 'intending' | 'committing'; intent: Intent }
  | { name: 'alarmed'; alarm: Alarm };

export interface CoordinatorState {
  phase: Phase;
  cursor: Cursor;
  /** the last one written whose outcome is not in the cursor */
  intent: Intent | undefined;
  /** in a row, without a commit between them; no longer counted once the back-off is at its most */
  failures: number;
}

export type Event =
  | { kind: 'start' }
  /** open() answered; `end`: the last own seq that is durable */
  | { kind: 'opened'; outcome: OpenOutcome; end: number }
  /** undefined: the records are not there any more, or cannot be cut at that seq */
  | { kind: 'recomputed'; chain: bigint | undefined }
  | { kind: 'records'; range: Range }
  /** all of it is at the participant; `txn` of a two-phase one */
  | { kind: 'sent'; txn: string | undefined }
  | { kind: 'intentDurable' }
  | { kind: 'answered'; outcome: CommitOutcome }
  /** it is time for the idle probe */
  | { kind: 'probe' }
  | { kind: 'probed'; position: Position }
  /** error, time-out, refusal: nothing is known of what was asked last */
  | { kind: 'failed' }
  | { kind: 'waited' };

export type Effect =
  /** write it; go on without waiting */
  | { kind: 'writeCursor'; cursor: Cursor }
  | { kind: 'open'; intent: Intent | undefined }
  | { kind: 'recompute'; lo: number; hi: number; chain: bigint }
  /** bring the records from lo on, or ask for a probe */
  | { kind: 'idle'; lo: number; chain: bigint }
  | { kind: 'send'; epoch: number; range: Range }
  /** write it, and say when it is durable */
  | { kind: 'writeIntent'; intent: Intent }
  | { kind: 'commit'; epoch: number; intent: Intent }
  | { kind: 'probe'; epoch: number }
  /** any time in between: copiers that failed together do not come back together */
  | { kind: 'wait'; minMs: number; maxMs: number }
  /** renew: the source's stream gets a new incarnation first */
  | { kind: 'alarm'; alarm: Alarm; renew: boolean };

export interface Step {
  state: CoordinatorState;
  /** in order; the last one is what the next event answers, unless it is an alarm */
  effects: Effect[];
}

/** @param cursor, intent as they are durable in the source's log */
export function beginCoordination(cursor: Cursor, intent: Intent | undefined): CoordinatorState {
  return { phase: { name: 'new' }, cursor, intent, failures: 0 };
}

/** @throws AssertionError for an event that answers nothing that was asked */
export function step(state: CoordinatorState, event: Event): Step {
  const { phase } = state;
  if (event.kind === 'failed') return recoverLater(state);
  switch (event.kind) {
    case 'start':
      return expected(phase.name === 'new', event) && recover(state);
    case 'waited':
      return expected(phase.name === 'waiting', event) && recover(state);
    case 'opened':
      return expected(phase.name === 'opening', event) && opened(state, event.outcome, event.end);
    case 'recomputed':
      assert(phase.name === 'recomputing', 'recomputed while recomputing');
      return recomputed(state, phase.opened, event.chain);
    case 'records':
      return expected(phase.name === 'idle', event) && send(state, event.range);
    case 'sent':
      assert(phase.name === 'sending', 'sent while sending');
      return intend(state, { txn: event.txn, range: phase.range });
    case 'intentDurable':
      assert(phase.name === 'intending', 'an intent is durable while intending');
      return commit(state, phase.intent);
    case 'answered':
      assert(phase.name === 'committing', 'answered while committing');
      return answered(state, phase.intent, event.outcome);
    case 'probe':
      return expected(phase.name === 'idle', event) && probe(state);
    case 'probed':
      return expected(phase.name === 'probing', event) && probed(state, event.position);
  }
}

function expected(condition: boolean, event: Event): true {
  assert(condition, `${event.kind} answers nothing that was asked`);
  return true;
}

function recover(state: CoordinatorState): Step {
  const effect = { kind: 'open', intent: state.intent } as const;
  return { state: { ...state, phase: { name: 'opening' } }, effects: [effect] };
}

function opened(state: CoordinatorState, outcome: OpenOutcome, end: number): Step {
  if (outcome.kind === 'MARKER_GONE') return alarm(state, 'MARKER_GONE');
  const { epoch, last, chain } = outcome;
  const { cursor, intent } = state;
  if (last < cursor.acked) return alarm(state, 'TARGET_ROLLED_BACK');
  if (intent && last === intent.range.hi && chain === intent.range.chain) {
    return settle(state, { epoch, acked: last, chain });
  }
  if (last === cursor.acked) {
    if (chain !== cursor.chain) return alarm(state, 'SOURCE_DIVERGED');
    return settle(state, { epoch, acked: last, chain });
  }
  if (last > end) return alarm(state, 'SOURCE_DIVERGED');
  const position = { epoch, last, chain };
  return {
    state: { ...state, phase: { name: 'recomputing', opened: position } },
    effects: [{ kind: 'recompute', lo: cursor.acked + 1, hi: last, chain: cursor.chain }],
  };
}

function recomputed(state: CoordinatorState, position: Position, own: bigint | undefined): Step {
  const { epoch, last, chain } = position;
  if (own !== chain) return alarm(state, 'SOURCE_DIVERGED');
  return settle(state, { epoch, acked: last, chain });
}

/** What the participant has reported is written down; only now may it be built upon. */
function settle(state: CoordinatorState, cursor: Cursor): Step {
  const { effects, state: next } = idle({ ...state, cursor, intent: undefined });
  return { state: next, effects: [{ kind: 'writeCursor', cursor }, ...effects] };
}

function idle(state: CoordinatorState): Step {
  const { acked, chain } = state.cursor;
  return {
    state: { ...state, phase: { name: 'idle' } },
    effects: [{ kind: 'idle', lo: acked + 1, chain }],
  };
}

function send(state: CoordinatorState, range: Range): Step {
  const { epoch, acked, chain } = state.cursor;
  assert(range.lo === acked + 1 && range.hi >= range.lo, 'records follow what is acknowledged');
  assert(range.before === chain, 'records continue the chain');
  return {
    state: { ...state, phase: { name: 'sending', range } },
    effects: [{ kind: 'send', epoch, range }],
  };
}

function intend(state: CoordinatorState, intent: Intent): Step {
  return {
    state: { ...state, intent, phase: { name: 'intending', intent } },
    effects: [{ kind: 'writeIntent', intent }],
  };
}

function commit(state: CoordinatorState, intent: Intent): Step {
  const { epoch } = state.cursor;
  return {
    state: { ...state, phase: { name: 'committing', intent } },
    effects: [{ kind: 'commit', epoch, intent }],
  };
}

function answered(state: CoordinatorState, intent: Intent, outcome: CommitOutcome): Step {
  if (outcome.kind !== 'COMMITTED') return recoverLater(state);
  const { epoch } = state.cursor;
  const { hi, chain } = intent.range;
  return settle({ ...state, failures: 0 }, { epoch, acked: hi, chain });
}

function probe(state: CoordinatorState): Step {
  const { epoch } = state.cursor;
  return {
    state: { ...state, phase: { name: 'probing' } },
    effects: [{ kind: 'probe', epoch }],
  };
}

function probed(state: CoordinatorState, { epoch, last, chain }: Position): Step {
  const { cursor } = state;
  const isSame = epoch === cursor.epoch && last === cursor.acked && chain === cursor.chain;
  return isSame ? idle({ ...state, failures: 0 }) : recoverLater(state);
}

function recoverLater(state: CoordinatorState): Step {
  assert(state.phase.name !== 'alarmed', 'nothing happens behind an alarm');
  const maxMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** state.failures);
  const failures = maxMs < BACKOFF_MAX_MS ? state.failures + 1 : state.failures;
  return {
    state: { ...state, failures, phase: { name: 'waiting' } },
    effects: [{ kind: 'wait', minMs: maxMs / 2, maxMs }],
  };
}

function alarm(state: CoordinatorState, kind: Alarm): Step {
  return {
    state: { ...state, phase: { name: 'alarmed', alarm: kind } },
    effects: [{ kind: 'alarm', alarm: kind, renew: kind === 'SOURCE_DIVERGED' }],
  };
}
