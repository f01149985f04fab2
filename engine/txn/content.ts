/**
 * Is what has arrived of a transaction what its sender meant? Both sides keep this over the same
 * bytes: the sender says with the flush how many records it has sent and their checksum, and the
 * intent says the chain.
 *
 * The checksum goes over bytes, so it costs next to nothing whatever they hold. The chain goes over
 * what they mean: columns have to be decoded, which takes a hundred times as long, and memory by
 * the number of values instead of bytes. A receiver recomputes it as far as `maxWords`, and of
 * what is more believes the sender's (`docs/decisions/0024-…`).
 */
import { crc32c } from '../base/crc32c.ts';
import { isCode } from '../base/errors.ts';
import { Chain } from './chain.ts';
import { Refused } from './participant.ts';
import type { Piece } from './piece.ts';

/** What was sent of a transaction, as its sender has counted it. */
export interface Prepared {
  /** records, as a range counts them */
  count: number;
  /** CRC-32C of the bytes in which the pieces travelled, in their order */
  crc: number;
}

/** Words of a chain that take about as long as one event, or one gap. */
const EVENT_WORDS = 200;
/** A sample has these beside its columns, and its place in the times entry. */
const SAMPLE_WORDS = 8;

export class Content {
  readonly #maxWords: number;
  #words = 0;
  #chain: Chain | undefined;
  #crc = 0;

  /**
   * @param before chain of the records before
   * @param maxWords how much of a chain is recomputed; 0: nothing
   */
  constructor(before: bigint, maxWords: number) {
    this.#chain = new Chain(before);
    this.#maxWords = maxWords;
  }

  get crc(): number {
    return this.#crc;
  }

  /** What has travelled: the pieces' bytes, however they were parted. */
  addBytes(bytes: Uint8Array): void {
    this.#crc = crc32c(bytes, this.#crc);
  }

  /** @throws Refused REJECTED for a piece that does not decode; the transaction is of no use */
  addPiece(piece: Piece): void {
    if (this.#chain === undefined) return;
    this.#words += wordsOf(piece);
    if (this.#words > this.#maxWords) {
      this.#chain = undefined;
      return;
    }
    try {
      this.#chain.add(piece);
    } catch (error) {
      if (!isCode(error, 'DAMAGED')) throw error;
      throw new Refused({ kind: 'REJECTED', reason: 'CONTENT' });
    }
  }

  /** Is it the chain up to the last piece, as far as that is known? */
  mayHave(chain: bigint): boolean {
    return this.#chain === undefined || this.#chain.value === chain;
  }
}

/** What the chain over a piece costs, known before anything is decoded. */
function wordsOf({ content, seqs, origin }: Piece): number {
  switch (content.kind) {
    case 'batch': {
      const columns = origin.schema.kind === 'samples' ? origin.schema.channels.length : 0;
      const { times, batch } = content;
      const gaps = times.gaps.length + batch.failed.length;
      return Math.max(times.rows, seqs) * (SAMPLE_WORDS + columns) + gaps * EVENT_WORDS;
    }
    case 'events':
      return content.events.events * EVENT_WORDS + content.events.rawBytes / 8;
    case 'gap':
      return EVENT_WORDS + (content.gap.reason === 'filtered' ? seqs * SAMPLE_WORDS : 0);
  }
}
