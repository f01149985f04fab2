/**
 * What travels from a stream to a participant: pieces, each a few consecutive records of one run.
 *
 * A piece holds an entry of the log as its reader finds it: the header is read, the columns and
 * bytes are still encoded. Whoever stores records (a store, a server) passes the columns on as they
 * are and writes headers of its own; whoever needs values (text, CSV, a broker) decodes them with
 * `decodeSamples` and `unpackEvents`. Decoding for everybody would cost a copy between two stores
 * more than all the rest of it; `docs/decisions/0004-pieces-travel-encoded.md` has the numbers.
 *
 * Numbers in an entry that mean something only in the log it came from (run, first offset, distance
 * of the times entry) are not for a receiver: a piece says for itself what it is. Its origin is the
 * run in which the records were first written, and stays the same over any number of copies.
 *
 * A gap record is never cut: a gap of lost records that is only partly wanted is, cut, another
 * record. Samples and events may be cut into pieces anywhere, and so may those that a derived copy
 * has left out (gap(filtered)), which are records one by one.
 */
import type { RecordContent } from '../batch/format.ts';
import type { RunFacts } from '../batch/run-facts.ts';
import type { Schema } from '../batch/schema.ts';

/** A run as its first recorder described it. */
export interface Origin extends RunFacts {
  /** its number in the store of its first recorder; not in the chain */
  run: number;
  schema: Schema;
}

/** Name of the attribute of an origin that says how its records were derived from the source's. */
export const DERIVED = 'derived';

/** Immutable. Its bytes belong to its reader and stay valid until the transaction has ended. */
export interface Piece {
  /** one object per run: receivers may keep what they made of it in a WeakMap */
  origin: Origin;
  /** seq of the first record in its origin */
  originSeq: number;
  /** seq of the first record of the copy: offset − base + 1 */
  lo: number;
  /** seqs that it covers: more than its records only for a gap of lost or filtered ones */
  seqs: number;
  /** of the encoded entries */
  bytes: number;
  content: RecordContent;
}

/** The seq behind a piece's last one. */
export function endOf(piece: Piece): number {
  return piece.lo + piece.seqs;
}

/** Records in a piece: a gap of whatever length is one. */
export function recordsIn({ content, seqs }: Piece): number {
  return content.kind === 'gap' ? 1 : seqs;
}
