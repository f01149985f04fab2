/** What a copier makes of an error: does it end the copy, and would a smaller transaction help? */
import { TXN_OPEN_MS } from '../base/constants.ts';
import { HelicorderError, isCode } from '../base/errors.ts';
import type { Alarm } from './coordinator.ts';
import { RecordsChanged } from './gathering.ts';
import { Refused, type CommitOutcome } from './participant.ts';

export const ALARM_WORDS: Readonly<Record<Alarm, string>> = {
  TARGET_ROLLED_BACK: 'the target has lost records that it had reported as committed',
  SOURCE_DIVERGED:
    'the target holds other records than the source under the same numbers, or some that the ' +
    'source has let go of since',
  MARKER_GONE: 'the target holds records of this copy, but not how far they go',
};

/** Did the copy end with one? Nothing is sent then before somebody has looked. */
export function isAlarm(error: unknown): boolean {
  return error instanceof HelicorderError && Object.hasOwn(ALARM_WORDS, error.code);
}

/** Did it end for another reason that was told? Then nobody has to look at what it was at. */
export function isRefusal(error: unknown): boolean {
  return error instanceof HelicorderError && !isAlarm(error);
}

/** What no other attempt can change: a wrong target, a disk that fails, a bug. */
export function isFinal(error: unknown): boolean {
  return error instanceof HelicorderError && !error.retryable;
}

/** How a commit has ended, as what is told of a failure. */
export function notCommitted(outcome: Exclude<CommitOutcome, { kind: 'COMMITTED' }>): Error {
  if (outcome.kind !== 'UNKNOWN') return new Refused(outcome);
  return new Error('UNKNOWN: whether it was committed');
}

/** Would a smaller transaction not have met it? One may have been ended for its age. */
export function isTooMuch(error: unknown, openMs: number): boolean {
  if (isCode(error, 'NO_SPACE') || error instanceof RecordsChanged) return true;
  if (!(error instanceof Refused)) return false;
  const { outcome } = error;
  if (outcome.kind === 'REJECTED') return outcome.reason === 'LIMIT';
  return outcome.kind === 'ABORTED' && openMs > TXN_OPEN_MS / 2;
}
