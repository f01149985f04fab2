/**
 * What is gone of a stream stays accounted for. A trim entry sums up, per writer, the records,
 * samples and ticks that were there; it reads as one gap(retired) per writer that covers exactly
 * its seqs, and all of them together cover exactly the offsets.
 */
import { assert } from '../../base/assert.ts';
import { samplesFrom } from '../../batch/samples.ts';
import type { BlockRow } from '../chunks/format.ts';
import type { RetiredWriter, TrimEntry } from '../entries/control-entries.ts';
import { gapItem, type DataItem } from '../entries/data-item.ts';
import { decodeItem } from './stream-item.ts';
import type { RunInfo } from '../state/known-runs.ts';

/** The gaps that stand for what a trim has let go of, and whose they are. */
export function* retiredItems(
  trim: TrimEntry | undefined,
): Generator<{ item: DataItem; writer: string }> {
  let firstOffset = 0;
  for (const { writer, run, records, ticks, lastTick } of trim?.writers ?? []) {
    const first = lastTick === null ? 0 : Math.max(0, lastTick + 1 - ticks);
    const place = { run, firstSeq: 1, firstOffset, records };
    const gap = { ...place, reason: 'retired' as const, ticks: { first, count: ticks } };
    const item = gapItem(trim!.stream, 0, { ...gap, bounds: undefined });
    yield { item: { ...item, lastTick: lastTick ?? undefined }, writer };
    firstOffset += records;
  }
}

/** What a reader is overtaken by: records from `firstOffset` on; their seqs are a guess. */
export function overtakenItem(
  stream: number,
  last: Pick<RetiredWriter, 'run' | 'records'>,
  firstOffset: number,
  records: number,
): DataItem {
  const firstSeq = Math.max(1, last.records - records + 1);
  const gap = { run: last.run, firstSeq, firstOffset, records, reason: 'retired' as const };
  return gapItem(stream, 0, { ...gap, ticks: undefined, bounds: undefined });
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
    if (records === 0) return { samples: 0, ticks: 0, lastTick: null };
    const { samples, ticks, lastTick = null } = item;
    if (item.kind !== 'batch' || records === item.records) return { samples, ticks, lastTick };
    const decoded = decodeItem(item, info);
    assert(decoded.kind === 'samples', 'a batch holds samples');
    const rest = samplesFrom(decoded.batch, records);
    return {
      samples: samples - rest.batch.samples,
      ticks: rest.ticks,
      lastTick: decoded.firstTick + rest.ticks - 1,
    };
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
