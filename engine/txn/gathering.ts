/**
 * The records of one transaction, as a copier reads them from its source: first to know what they
 * are (their range, their chain), then to send them.
 *
 * Memory: the pieces of one transaction, if they are at most `keptBytes` and one piece. Those of a
 * larger one are read a second time to be sent, and are sent for nothing if they are not what they
 * were: the chain says so before anything is committed.
 */
import { COPY_BATCH_RECORDS } from '../base/constants.ts';
import { edge } from '../base/failpoint.ts';
import { Chain } from './chain.ts';
import type { Range } from './participant.ts';
import { endOf, type Origin, type Piece } from './piece.ts';
import type { CopySource, ReadLimits } from './source.ts';
import { Tally, type TallyLimits } from './tally.ts';

export interface GatherLimits extends TallyLimits {
  /** the last seq wanted, if not all there is: pieces end exactly there */
  hi: number | undefined;
  /** the last seq there is: what comes later is left for the next transaction */
  end: number;
}

/** Read a second time they are not what they were: damaged, or made by an impure transform. */
export class RecordsChanged extends Error {
  constructor() {
    super('records have changed since they were read');
  }
}

export class Gathering {
  readonly #source: CopySource;
  readonly #keptBytes: number;
  readonly #chain = new Chain();
  /** by writer */
  readonly #origins = new Map<string, Origin>();
  /** undefined: too many to be kept */
  #pieces: Piece[] | undefined;
  /** of what was gathered last */
  bytes = 0;

  constructor(source: CopySource, keptBytes: number) {
    this.#source = source;
    this.#keptBytes = keptBytes;
  }

  /** @returns undefined if there is nothing from seq `lo` on. @throws what the source throws */
  async gather(lo: number, before: bigint, limits: GatherLimits): Promise<Range | undefined> {
    const tally = new Tally(lo, limits);
    this.#chain.reset(before);
    this.#pieces = [];
    this.#origins.clear();
    while (await this.#gatherSome(tally, limits));
    this.bytes = tally.bytes;
    return tally.next === lo ? undefined : tally.range(before, this.#chain.value);
  }

  /** @returns whether there is room for more, and there may be some */
  async #gatherSome(tally: Tally, { hi, end, ...most }: GatherLimits): Promise<boolean> {
    const pieces = await this.#read(tally.next, hi, most);
    for (const piece of pieces) {
      // what does not fit is read again
      if (!tally.hasRoomFor(piece) || this.#isOtherRun(piece)) return false;
      tally.add(piece);
      this.#chain.add(piece);
      this.#pieces?.push(piece);
      if (tally.bytes > this.#keptBytes) this.#pieces = undefined;
    }
    const isLarge = most.maxBytes > this.#keptBytes || most.maxRecords > COPY_BATCH_RECORDS;
    return isLarge && pieces.length > 0 && tally.next <= end;
  }

  /** A transaction holds one run of each writer. */
  #isOtherRun({ origin }: Piece): boolean {
    const known = this.#origins.get(origin.writer) ?? origin;
    this.#origins.set(origin.writer, known);
    return known !== origin;
  }

  /**
   * Those of the range that was gathered last.
   * @throws RecordsChanged: then nothing of them may be committed
   */
  async *pieces(range: Range): AsyncGenerator<Piece> {
    if (this.#pieces) return yield* this.#pieces;
    const { lo, hi, before, chain } = range;
    for await (const piece of this.#all(lo, hi, before)) yield piece;
    if (this.#chain.value !== chain) throw new RecordsChanged();
  }

  /** The chain over what the source holds now; undefined if it does not hold exactly that range. */
  async chainOver(lo: number, hi: number, before: bigint): Promise<bigint | undefined> {
    let next = lo;
    for await (const piece of this.#all(lo, hi, before)) next = endOf(piece);
    return next === hi + 1 ? this.#chain.value : undefined;
  }

  forget(): void {
    this.#pieces = undefined;
  }

  async *#all(lo: number, hi: number, before: bigint): AsyncGenerator<Piece> {
    this.#chain.reset(before);
    for (let next = lo; next <= hi;) {
      const pieces = await this.#read(next, hi, { maxRecords: Infinity, maxBytes: Infinity });
      if (pieces.length === 0) return;
      for (const piece of pieces) {
        this.#chain.add(piece);
        next = endOf(piece);
        yield piece;
      }
    }
  }

  #read(lo: number, hi: number | undefined, most: TallyLimits): Promise<Piece[]> {
    const limits: ReadLimits = {
      maxRecords: Math.min(most.maxRecords, COPY_BATCH_RECORDS),
      maxBytes: Math.min(most.maxBytes, this.#keptBytes),
    };
    const wanted = hi === undefined ? limits : { ...limits, hi };
    return edge('copy-read', () => this.#source.read(lo, wanted));
  }
}
