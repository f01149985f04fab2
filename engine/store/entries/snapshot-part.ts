/** The state as entries, with which each segment begins (`ControlState.snapshot`). */
import type { Entry } from './entries.ts';
import { ENTRY_FLAG, KIND } from './format.ts';

/** A piece of the snapshot stays below this, so that it fits in any group. */
const SNAPSHOT_PIECE_ITEMS = 256;

/** An entry of a segment's snapshot. */
export type SnapshotPart = Pick<Entry, 'kind' | 'flags' | 'payload'>;

export function part(kind: number, payload: Uint8Array): SnapshotPart {
  return { kind, flags: 0, payload };
}

/** What the state does not know may be there all the same. */
export function partialPart(): SnapshotPart {
  return { kind: KIND.partial, flags: ENTRY_FLAG.ignorable, payload: new Uint8Array() };
}

export function* piecesOf<T>(all: ReadonlyMap<number, T>): Generator<T[]> {
  const values = [...all.values()];
  for (let i = 0; i < values.length; i += SNAPSHOT_PIECE_ITEMS) {
    yield values.slice(i, i + SNAPSHOT_PIECE_ITEMS);
  }
}
