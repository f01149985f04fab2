/**
 * Follows the records of one stream and fills what is missing between them with gap(corrupt): the
 * offsets and seqs that damage has swallowed, so that whoever reads on never meets a hole. Used
 * where records are read, and where they are sealed into chunks.
 */
import { gapItem, type DataItem } from '../entries/data-item.ts';
import { isCorruptGap, type Losses } from './losses.ts';

export class Continuity {
  /** the offset that comes next */
  nextOffset: number;
  readonly #losses: () => Losses | undefined;
  #lastTick: number | undefined;

  /** @param losses what is known already of damage; by default nothing */
  constructor(nextOffset: number, losses: () => Losses | undefined = () => undefined) {
    this.nextOffset = nextOffset;
    this.#losses = losses;
  }

  /**
   * Follows an item that is the one that is due, as nearly all are: it comes as it is.
   * @returns false if it is not, and `follow` has to tell what comes
   */
  takes(item: DataItem): boolean {
    const isDue = item.firstOffset === this.nextOffset && item.records > 0;
    if (!isDue || this.#isPinned(item)) return false;
    this.#pass(item);
    return true;
  }

  /** The item, and before it a gap for what is missing; nothing for what has been seen already. */
  *follow(item: DataItem): Generator<DataItem> {
    const missing = item.firstOffset - this.nextOffset;
    if (item.firstOffset + item.records <= this.nextOffset && item.records > 0) return;
    if (this.#isPinned(item)) return;
    if (missing > 0) yield* this.#lostBefore(item, missing);
    this.#pass(item);
    yield item;
  }

  /** Others have followed its records up to here, each of them due. */
  goOn(nextOffset: number, lastTick: number): void {
    this.nextOffset = nextOffset;
    this.#lastTick = lastTick;
  }

  /** It has been shown as lost before, and stays so. */
  #isPinned(item: DataItem): boolean {
    if (isCorruptGap(item)) return false;
    return this.#losses()?.isPinned(item.stream, item.firstOffset) ?? false;
  }

  #pass(item: DataItem): void {
    this.nextOffset = item.firstOffset + item.records;
    this.#lastTick = item.lastTick ?? this.#lastTick;
  }

  /**
   * What is missing up to `nextOffset`, which is known from elsewhere.
   * @param run the writer's run that stands for it, and its next seq
   */
  *fillUpTo(
    nextOffset: number,
    stream: number,
    run: { id: number; nextSeq: number },
  ): Generator<DataItem> {
    const missing = nextOffset - this.nextOffset;
    if (missing <= 0) return;
    const firstSeq = Math.max(1, run.nextSeq - missing);
    yield this.#corrupt(stream, { run: run.id, firstSeq, records: missing }, undefined);
  }

  /**
   * By writers, where it is known whose the missing records were; else they were those of `next`.
   */
  *#lostBefore(next: DataItem, missing: number): Generator<DataItem> {
    const { stream, firstOffset, firstSeq, run } = next;
    const known = this.#losses()?.between(stream, this.nextOffset, firstOffset) ?? [];
    if (known.length > 1 && known.reduce((sum, { records }) => sum + records, 0) === missing) {
      for (const lost of known) yield this.#corrupt(stream, lost, undefined);
    } else {
      const lost = { run, firstSeq: Math.max(1, firstSeq - missing), records: missing };
      yield this.#corrupt(stream, known[0]?.records === missing ? known[0] : lost, next);
    }
  }

  #corrupt(
    stream: number,
    lost: { run: number; firstSeq: number; records: number },
    next: DataItem | undefined,
  ): DataItem {
    const { run, firstSeq, records } = lost;
    const firstOffset = this.nextOffset;
    this.nextOffset += records;
    const ticks = this.#ticksBefore(next);
    const place = { run, firstSeq, firstOffset, records };
    return gapItem(stream, 0, { reason: 'corrupt', ...place, ticks, bounds: undefined });
  }

  /** The ticks between the last one known and the first of the next item. */
  #ticksBefore(next: DataItem | undefined): { first: number; count: number } | undefined {
    const firstTick = next && firstTickOf(next);
    if (firstTick === undefined || this.#lastTick === undefined) return undefined;
    const first = this.#lastTick + 1;
    return firstTick >= first ? { first, count: firstTick - first } : undefined;
  }
}

function firstTickOf({ content }: DataItem): number | undefined {
  if (content.kind === 'batch') return content.times.firstTick;
  return content.kind === 'gap' ? content.gap.ticks?.first : undefined;
}
