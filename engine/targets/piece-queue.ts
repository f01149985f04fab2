/**
 * Pieces between a reader and transactions: read, and not given yet. What does not fit is kept, and
 * what is too large is cut, so the reader goes on where it is instead of looking for its place
 * again.
 */
import { recordsIn, type Origin, type Piece } from '../txn/piece.ts';
import type { ReadLimits } from '../txn/source.ts';
import { cutPiece } from './pieces.ts';

export class PieceQueue {
  /** the seq that comes next */
  next = 0;
  #ahead: Piece[] = [];
  readonly #pull: () => Promise<Piece | undefined>;

  /** @param pull the next piece from the reader, from `next` on; undefined: there is none now */
  constructor(pull: () => Promise<Piece | undefined>) {
    this.#pull = pull;
  }

  /** Forgets what is here: what comes next is pulled. */
  seek(lo: number): void {
    this.next = lo;
    this.#ahead = [];
  }

  /** As `CopySource.read`, from `next` on; one run of each writer at most. */
  async take(limits: ReadLimits): Promise<Piece[]> {
    const pieces: Piece[] = [];
    const writers = new Map<string, Origin>();
    let [records, bytes] = [0, 0];
    for (;;) {
      const piece = await this.#one(limits);
      if (piece === undefined) break;
      const { origin } = piece;
      const isFull = records + recordsIn(piece) > limits.maxRecords;
      const isOther = (writers.get(origin.writer) ?? origin) !== origin;
      if (pieces.length > 0 && (isFull || bytes + piece.bytes > limits.maxBytes || isOther)) {
        this.#ahead.unshift(piece);
        break;
      }
      writers.set(origin.writer, origin);
      pieces.push(piece);
      records += recordsIn(piece);
      bytes += piece.bytes;
      this.next = piece.lo + piece.seqs;
      if (this.next > (limits.hi ?? Infinity)) break;
    }
    return pieces;
  }

  async #one({ hi = Infinity, maxBytes, maxRecords }: ReadLimits): Promise<Piece | undefined> {
    const piece = this.#ahead.shift() ?? (await this.#pull());
    if (piece === undefined) return undefined;
    const limit = Math.min(maxRecords, Math.floor((piece.seqs * maxBytes) / piece.bytes / 2) || 1);
    const isLarge = piece.seqs > 1 && (piece.bytes > maxBytes || recordsIn(piece) > maxRecords);
    const seqs = Math.min(piece.seqs, hi - piece.lo + 1, isLarge ? limit : Infinity);
    if (seqs < 1) {
      this.#ahead.unshift(piece);
      return undefined;
    }
    if (seqs === piece.seqs) return piece;
    this.#ahead.unshift(cutPiece(piece, seqs, piece.seqs));
    return cutPiece(piece, 0, seqs);
  }
}
