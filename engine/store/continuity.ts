/**
 * Follows the records of one stream and fills what is missing between them with gap(corrupt): the
 * offsets and seqs that damage has swallowed, so that whoever reads on never meets a hole. Used
 * where records are read, and where they are sealed into chunks.
 */
import type { DataItem } from './data.ts';

export class Continuity {
  /** the offset that comes next */
  nextOffset: number;
  #lastTick: number | undefined;

  constructor(nextOffset: number) {
    this.nextOffset = nextOffset;
  }

  /** The item, and before it a gap for what is missing; nothing for what has been seen already. */
  *follow(item: DataItem): Generator<DataItem> {
    const missing = item.firstOffset - this.nextOffset;
    if (item.firstOffset + item.records <= this.nextOffset && item.records > 0) return;
    if (missing > 0) yield this.#corrupt(item.run, item.stream, item.firstSeq, missing, item);
    this.nextOffset = item.firstOffset + item.records;
    this.#lastTick = item.lastTick ?? this.#lastTick;
    yield item;
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
    yield this.#corrupt(run.id, stream, run.nextSeq, missing, undefined);
    this.nextOffset = nextOffset;
  }

  #corrupt(
    run: number,
    stream: number,
    nextSeq: number,
    records: number,
    next: DataItem | undefined,
  ): DataItem {
    const firstSeq = Math.max(1, nextSeq - records);
    const firstOffset = this.nextOffset;
    const ticks = this.#ticksBefore(next);
    const gap = { reason: 'corrupt' as const, run, firstSeq, firstOffset, records, ticks };
    return {
      ...{ stream, run, firstSeq, firstOffset, records, samples: 0 },
      ...{ firstNanos: undefined, lastNanos: undefined },
      lastTick: ticks && ticks.first + ticks.count - 1,
      ...{ bytes: 0, paddingBytes: 0 },
      content: { kind: 'gap', gap: { ...gap, bounds: undefined } },
    };
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
