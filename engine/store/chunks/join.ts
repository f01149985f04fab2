/**
 * Short batches → long ones: what makes a chunk dense. The batches of one rate group are joined
 * flush by flush, as long as nothing stands between them; the columns are then encoded anew, with
 * the codecs that are too slow for the log. No record changes: gaps and failed ranges stay
 * records of their own, at their places.
 */
import { assert } from '../../base/assert.ts';
import { BATCH_MAX_ROWS } from '../../base/constants.ts';
import type { BatchHead } from '../../batch/batch-head.ts';
import type { BatchEntry, TimesEntry } from '../../batch/format.ts';
import { LATENESS_BUCKETS, addHistogram, filteredIn, histogramOf } from '../../batch/ledger.ts';
import type { Schema } from '../../batch/schema.ts';
import { ColumnTable, joinColumns, type FlushColumns } from '../../codecs/codec.ts';
import type { SharedTimes } from '../entries/data.ts';
import type { DataItem } from '../entries/data-item.ts';

/** A stream's batches among those that share their times entries. */
export interface LaneMember {
  stream: number;
  run: number;
  /** of the first of them */
  firstSeq: number;
  firstOffset: number;
  ordinal: number;
  samples: number;
  failed: BatchEntry['failed'];
  channels: number;
  nextSeq: number;
  nextOffset: number;
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
}

/** What the times entries of a lane have in common, and the first of their ticks. */
type Schedule = Omit<TimesEntry, 'ticks' | 'rows' | 'gaps' | 'histogram' | 'time'>;

/** What is joined so far for the streams of a rate group. Columns are copies, still encoded. */
export class Lane {
  readonly members: LaneMember[];
  readonly #schedule: Schedule;
  readonly #time = new ColumnTable([1]);
  /** in the order of the members */
  readonly #columns: ColumnTable;
  readonly #gaps: TimesEntry['gaps'] = [];
  readonly #histogram = new Float64Array(LATENESS_BUCKETS);
  #rows = 0;
  #ticks = 0;
  /** samples that a copy has left out: they count as rows for the most that a batch may have */
  #filtered = 0;

  /** @param items the batches of one times entry */
  constructor(items: readonly DataItem[]) {
    const { times } = batchOf(items[0]!);
    const { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick } = times;
    this.#schedule = { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick };
    this.members = items.map(begun);
    this.#columns = new ColumnTable(this.members.map(({ channels }) => channels));
    this.#append(items);
  }

  /** Joins the batches of the next times entry. @returns false if they do not follow on */
  add(items: readonly DataItem[]): boolean {
    if (!this.#continues(items)) return false;
    this.#append(items);
    return true;
  }

  /** The last tick accounted for. */
  get lastTick(): number {
    return this.#schedule.firstTick + this.#ticks - 1;
  }

  /** Is the batch that is read in `head` what comes next of a member? */
  isDue(index: number, stream: number, head: BatchHead): boolean {
    const member = this.members[index];
    return (
      member !== undefined &&
      member.stream === stream &&
      member.run === head.run &&
      member.nextSeq === head.firstSeq &&
      member.nextOffset === head.firstOffset &&
      member.channels === head.columns
    );
  }

  /** Joins the batches of the next times entry, which are due, and without a failed range. */
  goOn({ times, gapRecords, whole }: SharedTimes, columns: FlushColumns): void {
    const records = times.rows + gapRecords;
    for (const member of this.members) {
      member.samples += times.rows;
      member.nextSeq += records;
      member.nextOffset += records;
      member.firstNanos ??= whole.first;
      member.lastNanos = whole.last;
    }
    this.#columns.addFlush(columns, times.rows);
    this.#appendTimes(times);
  }

  #continues(items: readonly DataItem[]): boolean {
    return (
      items.length === this.members.length &&
      this.isNext(batchOf(items[0]!).times) &&
      items.every((item, i) => follows(this.members[i]!, item))
    );
  }

  /** Do the ticks of a times entry follow on, on the same schedule, and is there room for them? */
  isNext(times: TimesEntry): boolean {
    const own = this.#schedule;
    const rows = this.#rows + this.#filtered + times.rows + filteredIn(times.gaps);
    return (
      rows <= BATCH_MAX_ROWS &&
      times.firstTick === own.firstTick + this.#ticks &&
      times.t0Nanos === own.t0Nanos &&
      times.periodNanos === own.periodNanos &&
      times.resolutionNanos === own.resolutionNanos &&
      times.utcOffsetNanos === own.utcOffsetNanos
    );
  }

  #append(items: readonly DataItem[]): void {
    items.forEach((item, i) => {
      const { batch } = batchOf(item);
      append(this.members[i]!, item, this.#rows);
      this.#columns.add(batch.columns, batch.samples);
    });
    this.#appendTimes(batchOf(items[0]!).times);
  }

  #appendTimes(times: TimesEntry): void {
    this.#time.add([times.time], times.rows);
    for (const gap of times.gaps) {
      this.#gaps.push({ ...gap, rowsBefore: gap.rowsBefore + this.#rows });
    }
    addHistogram(this.#histogram, times.histogram);
    this.#rows += times.rows;
    this.#ticks += times.ticks;
    this.#filtered += filteredIn(times.gaps);
  }

  /** The times entry that stands for all that were joined. */
  times(): TimesEntry {
    return {
      ...this.#schedule,
      ticks: this.#ticks,
      rows: this.#rows,
      gaps: this.#gaps,
      histogram: histogramOf(this.#histogram),
      time: joinColumns('i64', this.#time.of(0, 0), this.#rows),
    };
  }

  /** The batches of the `index`th member as one; `schema` is the one of its run. */
  batch(index: number, schema: Schema): BatchEntry {
    assert(schema.kind === 'samples', 'a batch is of a stream of samples');
    const { run, firstSeq, firstOffset, ordinal, samples, failed } = this.members[index]!;
    const columns = schema.channels.map(({ type }, channel) =>
      joinColumns(type, this.#columns.of(index, channel), samples),
    );
    const place = { run, firstSeq, firstOffset, ordinal };
    return { timesDistance: 1, ...place, samples, failed, columns };
  }
}

function begun(item: DataItem): LaneMember {
  const { batch } = batchOf(item);
  return {
    stream: item.stream,
    run: item.run,
    firstSeq: item.firstSeq,
    firstOffset: item.firstOffset,
    ordinal: batch.ordinal,
    samples: 0,
    failed: [],
    channels: batch.columns.length,
    nextSeq: item.firstSeq,
    nextOffset: item.firstOffset,
    firstNanos: undefined,
    lastNanos: undefined,
  };
}

/** @param rows that the lane has had before */
function append(member: LaneMember, item: DataItem, rows: number): void {
  const { batch } = batchOf(item);
  for (const range of batch.failed) {
    member.failed.push({ ...range, firstRow: range.firstRow + rows });
  }
  member.samples += batch.samples;
  member.nextSeq += item.records;
  member.nextOffset += item.records;
  member.firstNanos ??= item.firstNanos;
  member.lastNanos = item.lastNanos ?? member.lastNanos;
}

function batchOf({ content }: DataItem): { times: TimesEntry; batch: BatchEntry } {
  assert(content.kind === 'batch', 'a lane is made of batches');
  return content;
}

function follows(member: LaneMember, item: DataItem): boolean {
  return (
    member.stream === item.stream &&
    member.run === item.run &&
    member.nextSeq === item.firstSeq &&
    member.nextOffset === item.firstOffset &&
    member.channels === batchOf(item).batch.columns.length
  );
}
