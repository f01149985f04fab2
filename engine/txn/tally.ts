/** What one transaction has taken in: sender and receiver count alike, piece by piece. */
import { assert } from '../base/assert.ts';
import { Refused, beyondLimit, type Range } from './participant.ts';
import { endOf, recordsIn, type Piece } from './piece.ts';

export interface TallyLimits {
  maxRecords: number;
  maxBytes: number;
}

export class Tally {
  readonly #limits: TallyLimits;
  readonly lo: number;
  #next: number;
  #records = 0;
  #bytes = 0;

  /** @param lo the first seq that is taken */
  constructor(lo: number, limits: TallyLimits) {
    this.lo = lo;
    this.#next = lo;
    this.#limits = limits;
  }

  /** The seq behind the last one. */
  get next(): number {
    return this.#next;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Would the piece still be taken? The first one always is, so that nothing is stuck for ever. */
  hasRoomFor(piece: Piece): boolean {
    if (this.#next === this.lo) return true;
    const { maxRecords, maxBytes } = this.#limits;
    return this.#records + recordsIn(piece) <= maxRecords && this.#bytes + piece.bytes <= maxBytes;
  }

  /** @throws Refused REJECTED for a piece that does not follow, or is beyond the limits */
  add(piece: Piece): void {
    if (piece.lo !== this.#next || piece.seqs < 1) {
      throw new Refused({ kind: 'REJECTED', reason: 'CONTENT' });
    }
    if (!this.hasRoomFor(piece)) throw beyondLimit(this.#limitOf(piece));
    this.#next = endOf(piece);
    this.#records += recordsIn(piece);
    this.#bytes += piece.bytes;
  }

  #limitOf(piece: Piece): string {
    const { maxRecords, maxBytes } = this.#limits;
    const isRecords = this.#records + recordsIn(piece) > maxRecords;
    const limit = isRecords ? `${maxRecords} records` : `${maxBytes} bytes`;
    return `a transaction holds at most ${limit}`;
  }

  /** Is it what was taken in? Asked by a participant before it commits. */
  isRange({ lo, hi, count }: Range): boolean {
    return lo === this.lo && hi === this.#next - 1 && count === this.#records;
  }

  /** @param before, chain up to lo − 1 and up to the last seq */
  range(before: bigint, chain: bigint): Range {
    assert(this.#next > this.lo, 'a range holds records');
    return { lo: this.lo, hi: this.#next - 1, count: this.#records, before, chain };
  }
}
