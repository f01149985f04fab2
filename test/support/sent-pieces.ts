/** What a fake participant has sent of its transactions, as it says with a flush. */
import { Content, type Prepared } from '../../engine/txn/content.ts';
import { encodePieces } from '../../engine/txn/piece-format.ts';
import { recordsIn, type Piece } from '../../engine/txn/piece.ts';

export class SentPieces {
  readonly #sent = new Map<string, { count: number; content: Content }>();

  add(txn: string, piece: Piece): void {
    const sent = this.#of(txn);
    sent.count += recordsIn(piece);
    sent.content.addBytes(encodePieces([piece]));
  }

  prepared(txn: string): Prepared {
    const { count, content } = this.#of(txn);
    return { count, crc: content.crc };
  }

  #of(txn: string): { count: number; content: Content } {
    const known = this.#sent.get(txn) ?? { count: 0, content: new Content(0n, 0) };
    this.#sent.set(txn, known);
    return known;
  }
}
