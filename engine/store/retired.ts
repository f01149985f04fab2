/**
 * What is gone of a stream stays accounted for. A trim entry sums up, per writer, the records,
 * samples and ticks that were there; it reads as one gap(retired) per writer that covers exactly
 * its seqs, and all of them together cover exactly the offsets.
 */
import { assert } from '../base/assert.ts';
import { samplesFrom } from '../batch/samples.ts';
import type { BlockRow } from './chunks/format.ts';
import type { RetiredWriter, TrimEntry } from './control.ts';
import type { DataItem } from './data.ts';
import { decodeItem, type RunInfo } from './stream-item.ts';

/** The gaps that stand for what a trim has let go of, and whose they are. */
export function* retiredItems(
  trim: TrimEntry | undefined,
): Generator<{ item: DataItem; writer: string }> {
  let firstOffset = 0;
  for (const { writer, run, records, ticks, lastTick } of trim?.writers ?? []) {
    const first = lastTick === null ? 0 : Math.max(0, lastTick + 1 - ticks);
    const place = { run, firstSeq: 1, firstOffset, records };
    const gap = { ...place, reason: 'retired' as const, ticks: { first, count: ticks } };
    const item: DataItem = {
      ...{ stream: trim!.stream, ...place, samples: 0, bytes: 0, paddingBytes: 0 },
      ...{ firstNanos: undefined, lastNanos: undefined, lastTick: lastTick ?? undefined },
      content: { kind: 'gap', gap: { ...gap, bounds: undefined } },
    };
    yield { item, writer };
    firstOffset += records;
  }
}

/** Adds up what lies between an earlier low-water mark and a later one, in order of offsets. */
export class RetiredSums {
  /** everything before this offset is in the sums */
  reached: number;
  readonly #lowWater: number;
  readonly #writers: Map<string, RetiredWriter>;

  constructor(before: TrimEntry | undefined, lowWater: number) {
    this.reached = before?.lowWater ?? 0;
    this.#lowWater = lowWater;
    const writers = before?.writers ?? [];
    this.#writers = new Map(writers.map((writer) => [writer.writer, { ...writer }]));
  }

  get isComplete(): boolean {
    return this.reached >= this.#lowWater;
  }

  get writers(): RetiredWriter[] {
    return [...this.#writers.values()];
  }

  /** Can the block be summed up by what its directory says of it? */
  takesWhole({ firstOffset, records, run }: BlockRow): boolean {
    return run > 0 && firstOffset >= this.reached && firstOffset + records <= this.#lowWater;
  }

  addRow(row: BlockRow, writer: string): void {
    const { run, samples, ticks, lastTick } = row;
    const end = row.firstOffset + row.records;
    this.#add(writer, end, { run, samples, ticks, lastTick: lastTick < 0 ? null : lastTick });
  }

  /** The part of an item that lies between the marks. */
  addItem(item: DataItem, info: RunInfo): void {
    const from = Math.max(item.firstOffset, this.reached);
    const end = Math.min(item.firstOffset + item.records, this.#lowWater);
    if (end <= from) return;
    const before = this.#upTo(item, info, from - item.firstOffset);
    const part = this.#upTo(item, info, end - item.firstOffset);
    this.#add(info.run.writer, end, {
      run: item.run,
      samples: part.samples - before.samples,
      ticks: part.ticks - before.ticks,
      lastTick: part.lastTick,
    });
  }

  /** Samples and ticks of an item's first `records` records. */
  #upTo(
    item: DataItem,
    info: RunInfo,
    records: number,
  ): Pick<RetiredWriter, 'samples' | 'ticks' | 'lastTick'> {
    const { content } = item;
    if (records === 0) return { samples: 0, ticks: 0, lastTick: null };
    if (content.kind !== 'batch') {
      const ticks = content.kind === 'gap' ? (content.gap.ticks?.count ?? 0) : 0;
      return { samples: 0, ticks, lastTick: item.lastTick ?? null };
    }
    const { times } = content;
    if (records === item.records) {
      return { samples: item.samples, ticks: times.ticks, lastTick: item.lastTick ?? null };
    }
    const decoded = decodeItem(item, info);
    assert(decoded.kind === 'samples', 'a batch holds samples');
    const { batch, ticks } = samplesFrom(decoded.batch, records);
    return { samples: item.samples - batch.samples, ticks, lastTick: times.firstTick + ticks - 1 };
  }

  /** Records that nothing names any more count for whoever wrote the ones behind them. */
  #add(
    writer: string,
    end: number,
    part: Pick<RetiredWriter, 'run' | 'samples' | 'ticks' | 'lastTick'>,
  ): void {
    const sum = this.#writers.get(writer) ?? {
      ...{ writer, run: part.run, records: 0, samples: 0, ticks: 0, lastTick: null },
    };
    this.#writers.set(writer, {
      writer,
      run: part.run,
      records: sum.records + end - this.reached,
      samples: sum.samples + part.samples,
      ticks: sum.ticks + part.ticks,
      lastTick: part.lastTick ?? sum.lastTick,
    });
    this.reached = end;
  }
}
