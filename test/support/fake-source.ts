/** A copy's source in memory: what was durable survives its copier, what was not, does not. */
import { assert } from '../../engine/base/assert.ts';
import type { Cursor } from '../../engine/txn/coordinator.ts';
import type { Intent } from '../../engine/txn/participant.ts';
import type { Origin, Piece } from '../../engine/txn/piece.ts';
import type { CopySource, CopyState, ReadLimits } from '../../engine/txn/source.ts';
import { piecesOf, recordTexts, samplesIn, seqsOf, type Meant } from './pieces.ts';
import type { SeededRandom } from './random.ts';

export interface Run {
  origin: Origin;
  records: Meant[];
}

/** A record with all that its place in the stream says. */
interface Placed {
  record: Meant;
  origin: Origin;
  originSeq: number;
  ordinal: number;
  lo: number;
}

interface Durable {
  cursor: Cursor;
  intent: Intent | undefined;
}

export class FakeSource implements CopySource {
  readonly #random: SeededRandom;
  readonly #records: Placed[];
  /** records so far; more of them with `record` */
  #count: number;
  #durable: Durable = { cursor: { epoch: 0, acked: 0, chain: 0n }, intent: undefined };
  /** each durable cursor, in order */
  readonly cursors: Cursor[] = [];
  incarnation = 'first';
  /** asked before an entry becomes durable: false if its copier is gone by then */
  survives: () => Promise<boolean> = () => Promise.resolve(true);

  /** @param count of records that are there from the beginning */
  constructor(runs: readonly Run[], random: SeededRandom, count = Infinity) {
    this.#records = placed(runs);
    this.#random = random;
    this.#count = Math.min(count, this.#records.length);
  }

  get lastSeq(): number {
    return endSeq(this.#records);
  }

  /** More records become durable. */
  record(count: number): void {
    this.#count = Math.min(this.#records.length, this.#count + count);
  }

  /** A record cannot be read any more: from now on a gap(corrupt) stands in its place. */
  damage(index: number): void {
    const { record } = this.#records[index]!;
    const gap = { type: 'lost', reason: 'corrupt', records: seqsOf(record) } as const;
    this.#records[index]!.record = { ...gap, samples: samplesIn(record) };
  }

  /** Each record as a reader sees it now. */
  texts(): string[] {
    return pieces(this.#records, () => false).flatMap(recordTexts);
  }

  open(): Promise<CopyState> {
    const writer = { store: 'source', incarnation: this.incarnation, base: 0 };
    return Promise.resolve({ writer, ...this.#durable });
  }

  read(lo: number, { hi = Infinity, maxRecords }: ReadLimits): Promise<Piece[]> {
    const first = this.#records.findIndex((one) => one.lo === lo);
    if (first < 0) return Promise.resolve([]);
    const wanted = this.#records
      .slice(first, Math.min(this.#count, first + maxRecords))
      .filter((one) => one.lo + seqsOf(one.record) - 1 <= hi);
    return Promise.resolve(pieces(wanted, () => this.#random.below(5) === 0));
  }

  end(): Promise<number> {
    return Promise.resolve(endSeq(this.#records.slice(0, this.#count)));
  }

  wait(): Promise<void> {
    return Promise.resolve();
  }

  async writeCursor(cursor: Cursor): Promise<void> {
    if (!(await this.survives())) return;
    assert(cursor.acked >= this.#durable.cursor.acked, 'a cursor does not go back');
    this.#durable = { cursor, intent: undefined };
    this.cursors.push(cursor);
  }

  async writeIntent(intent: Intent): Promise<void> {
    if (!(await this.survives())) throw new Error('the source has crashed');
    this.#durable = { ...this.#durable, intent };
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }

  renew(): Promise<void> {
    this.incarnation = 'second';
    return Promise.resolve();
  }

  /** @returns puts back what is durable now, and how many records there are */
  backup(): () => void {
    const [durable, count] = [this.#durable, this.#count];
    return () => {
      this.#durable = durable;
      this.#count = count;
    };
  }
}

function endSeq(records: readonly Placed[]): number {
  const last = records.at(-1);
  return last ? last.lo + seqsOf(last.record) - 1 : 0;
}

function placed(runs: readonly Run[]): Placed[] {
  const all: Placed[] = [];
  let lo = 1;
  for (const { origin, records } of runs) {
    let [originSeq, ordinal] = [1, 0];
    for (const record of records) {
      all.push({ record, origin, originSeq, ordinal, lo });
      originSeq += seqsOf(record);
      ordinal += samplesIn(record);
      lo += seqsOf(record);
    }
  }
  return all;
}

/** Pieces of one run each, cut further where `isCut` says. */
function pieces(records: readonly Placed[], isCut: () => boolean): Piece[] {
  const made: Piece[] = [];
  for (let from = 0; from < records.length;) {
    const first = records[from]!;
    let to = from + 1;
    while (records[to]?.origin === first.origin) to++;
    const meant = records.slice(from, to).map(({ record }) => record);
    made.push(...piecesOf(meant, first.origin, isCut, first));
    from = to;
  }
  return made;
}
