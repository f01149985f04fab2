/** What the world of the model knows of a target; `store-target.ts` and `two-phase-target.ts`. */
import type { CommitOutcome, Intent, Position, Range } from '../../../engine/txn/participant.ts';

/** Contents of a record are small numbers; this one is a gap in place of what was damaged. */
export const DAMAGED = 9;
const CONTENTS = 16n;

/** The model's chain: it forgets nothing, so two histories never have the same one. */
export function modelChain(before: bigint, contents: readonly number[]): bigint {
  return contents.reduce((chain, content) => chain * CONTENTS + BigInt(content), before);
}

export type Request =
  | { kind: 'open'; intent: Intent | undefined }
  | { kind: 'send'; epoch: number; range: Range; contents: number[] }
  | { kind: 'commit'; epoch: number; intent: Intent; contents: number[] }
  | { kind: 'probe'; epoch: number };

export type Reply =
  | { kind: 'opened'; position: Position }
  | { kind: 'markerGone' }
  | { kind: 'sent'; txn: string }
  | { kind: 'answered'; outcome: CommitOutcome }
  | { kind: 'probed'; position: Position }
  | { kind: 'refused' };

/** A record at the target: seq and content, in the order in which they became visible. */
export type Delivered = [seq: number, content: number];

export interface Change<T> {
  label: string;
  target: T;
}

export interface TargetModel<T> {
  initial: T;
  /** does the commit carry the data, or does it go ahead with `send`? */
  isTwoPhase: boolean;
  /**
   * What a request does. The reply is missing while the target still has to do something: then
   * the request stays where it is, to be delivered again.
   * @param nonce differs at each open
   */
  deliver(target: T, request: Request, nonce: number): { target: T; reply: Reply | undefined };
  delivered(target: T): readonly Delivered[];
  position(target: T): Position;
  /** what it does by itself */
  steps(target: T): Change<T>[];
  /** what may befall it, beyond being rolled back */
  faults(target: T): Change<T>[];
  /** epochs and other numbers it holds, for the key */
  epochs(target: T): number[];
  key(target: T, epochName: (epoch: number) => string): string;
}
