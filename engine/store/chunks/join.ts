/**
 * Short batches → long ones: what makes a chunk dense. The batches of one rate group are joined
 * flush by flush, as long as nothing stands between them; the columns are then encoded anew, with
 * the codecs that are too slow for the log. No record changes: gaps and failed ranges stay
 * records of their own, at their places.
 */
import { assert } from '../../base/assert.ts';
import { BATCH_MAX_ROWS } from '../../base/constants.ts';
import type { BatchEntry, EncodedColumn, TimesEntry } from '../../batch/format.ts';
import { LATENESS_BUCKETS, addHistogram, filteredIn, histogramOf } from '../../batch/ledger.ts';
import type { Schema } from '../../batch/schema.ts';
import { ColumnParts, joinColumns, type ValueType } from '../../codecs/codec.ts';
import type { DataItem } from '../data.ts';

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
  /** per channel */
  columns: ColumnParts[];
  nextSeq: number;
  nextOffset: number;
  bytes: number;
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
}

/** What the times entries of a lane have in common, and the first of their ticks. */
type Schedule = Omit<TimesEntry, 'ticks' | 'rows' | 'gaps' | 'histogram' | 'time'>;

/** What is joined so far for the streams of a rate group. Columns are copies, still encoded. */
export class Lane {
  readonly members: LaneMember[];
  readonly #schedule: Schedule;
  readonly #time = new ColumnParts();
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
    this.#append(items);
  }

  /** Joins the batches of the next times entry. @returns false if they do not follow on */
  add(items: readonly DataItem[]): boolean {
    if (!this.#continues(items)) return false;
    this.#append(items);
    return true;
  }

  #continues(items: readonly DataItem[]): boolean {
    const { times } = batchOf(items[0]!);
    const own = this.#schedule;
    const rows = this.#rows + this.#filtered + times.rows + filteredIn(times.gaps);
    return (
      items.length === this.members.length &&
      rows <= BATCH_MAX_ROWS &&
      times.firstTick === own.firstTick + this.#ticks &&
      times.t0Nanos === own.t0Nanos &&
      times.periodNanos === own.periodNanos &&
      times.resolutionNanos === own.resolutionNanos &&
      times.utcOffsetNanos === own.utcOffsetNanos &&
      items.every((item, i) => follows(this.members[i]!, item))
    );
  }

  #append(items: readonly DataItem[]): void {
    const { times } = batchOf(items[0]!);
    items.forEach((item, i) => append(this.members[i]!, item, this.#rows));
    this.#time.add(times.time, times.rows);
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
      time: dense('i64', this.#time, this.#rows),
    };
  }

  /** One member's batches as one; `schema` is the one of its run. */
  batch(member: LaneMember, schema: Schema): BatchEntry {
    assert(schema.kind === 'samples', 'a batch is of a stream of samples');
    const { run, firstSeq, firstOffset, ordinal, samples, failed } = member;
    const columns = schema.channels.map(({ type }, i) => dense(type, member.columns[i]!, samples));
    const place = { run, firstSeq, firstOffset, ordinal };
    return { timesDistance: 1, ...place, samples, failed, columns };
  }
}

function dense(type: ValueType, parts: ColumnParts, values: number): EncodedColumn {
  assert(parts.values === values, 'a column has a value for each sample');
  return joinColumns(type, parts);
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
    columns: batch.columns.map(() => new ColumnParts()),
    nextSeq: item.firstSeq,
    nextOffset: item.firstOffset,
    bytes: 0,
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
  batch.columns.forEach((column, i) => member.columns[i]!.add(column, batch.samples));
  member.samples += batch.samples;
  member.nextSeq += item.records;
  member.nextOffset += item.records;
  member.bytes += item.bytes;
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
    member.columns.length === batchOf(item).batch.columns.length
  );
}
