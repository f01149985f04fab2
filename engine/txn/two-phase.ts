/**
 * The rules of a participant whose transactions live apart from their position (Pravega and its
 * like), as pure functions: what open() does with a transaction of an older epoch, and how far the
 * writer has come once that has ended. No target of this kind is in the house yet: its driver will
 * decide by these functions, as the fake of the contract suite and the model's target do now.
 *
 *  - An open transaction is aborted, never committed: a commit that nobody asked for at the source
 *    would deliver what the source may send again.
 *  - COMMITTING is irrevocable and not yet visible: whoever looks at the tail now misses it. It is
 *    waited for.
 *  - A transaction that the participant has forgotten has ended; the tail says how.
 */
import type { Intent, Position } from './participant.ts';

export type TransactionStatus = 'OPEN' | 'COMMITTING' | 'COMMITTED' | 'ABORTED' | 'UNKNOWN';
export type EndedStatus = Exclude<TransactionStatus, 'OPEN' | 'COMMITTING'>;

/** What the last record of this writer at the target says of itself. */
export type Tail =
  | { kind: 'record'; last: number; chain: bigint }
  /** nothing was ever written */
  | { kind: 'empty' }
  /** retention has deleted all of it */
  | { kind: 'trimmed' };

/** What to do with a transaction before anything is read. */
export function driveToEnd(status: TransactionStatus): 'abort' | 'wait' | 'ended' {
  if (status === 'OPEN') return 'abort';
  return status === 'COMMITTING' ? 'wait' : 'ended';
}

export interface TransactionControl {
  status(): Promise<TransactionStatus>;
  abort(): Promise<void>;
  /** Resolves when it may have ended, or after a while. */
  wait(): Promise<void>;
}

/**
 * Brings a transaction to an end, whichever it is. An abort may lose against a commit that is under
 * way, so what counts is the status that is read after it.
 */
export async function endTransaction(control: TransactionControl): Promise<EndedStatus> {
  for (;;) {
    const status = await control.status();
    const todo = driveToEnd(status);
    if (todo === 'abort') await control.abort();
    else if (todo === 'wait') await control.wait();
    else return status as EndedStatus;
  }
}

/**
 * @param intent of the source, whose transaction has ended with `status`
 * @param tail read after that end
 * @returns undefined: MARKER_GONE
 */
export function positionAfter(
  intent: Intent | undefined,
  status: EndedStatus,
  tail: Tail,
): Omit<Position, 'epoch'> | undefined {
  if (tail.kind === 'record') return { last: tail.last, chain: tail.chain };
  if (tail.kind === 'empty') return status === 'COMMITTED' ? undefined : { last: 0, chain: 0n };
  if (intent === undefined || status === 'UNKNOWN') return undefined;
  const { lo, hi, before, chain } = intent.range;
  // the intent was written when everything before lo was known to be there
  return status === 'COMMITTED' ? { last: hi, chain } : { last: lo - 1, chain: before };
}
