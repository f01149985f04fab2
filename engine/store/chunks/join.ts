/**
 * Short batches → long ones: what makes a chunk dense. The batches of one rate group are joined
 * flush by flush, as long as nothing stands between them; the columns are then encoded anew, with
 * the codecs that are too slow for the log. No record changes: gaps and failed ranges stay
 * records of their own, at their places.
 */
import { assert } from '../../base/assert.ts';
import { BATCH_MAX_ROWS } from '../../base/constants.ts';
import { copiedColumn, type BatchEntry, type TimesEntry } from '../../batch/format.ts';
import { LATENESS_BUCKETS, addHistogram, filteredIn, histogramOf } from '../../batch/ledger.ts';
import type { Schema } from '../../batch/schema.ts';
import {
  decodeColumnInto,
  decodeIntegersInto,
  encodeColumnDense,
  newColumn,
} from '../../codecs/codec.ts';
import type { DataItem } from '../data.ts';

/** A batch of a stream among those that share a times entry. */
export interface LaneMember {
  stream: number;
  run: number;
  batches: BatchEntry[];
  nextSeq: number;
  nextOffset: number;
  bytes: number;
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
}

/** What is joined so far for the streams of one rate group. Payloads are copies. */
export class Lane {
  readonly members: LaneMember[];
  readonly #times: TimesEntry[] = [];
  #rows = 0;
  /** samples that a copy has left out: they count as rows for the most that a batch may have */
  #filtered = 0;

  /** @param items the batches of one times entry */
  constructor(items: readonly DataItem[]) {
    this.members = items.map((item) => ({
      stream: item.stream,
      run: item.run,
      batches: [],
      nextSeq: item.firstSeq,
      nextOffset: item.firstOffset,
      bytes: 0,
      firstNanos: undefined,
      lastNanos: undefined,
    }));
    this.#append(items);
  }

  /** Joins the batches of the next times entry. @returns false if they do not follow on */
  add(items: readonly DataItem[]): boolean {
    if (!this.#continues(items)) return false;
    this.#append(items);
    return true;
  }

  #continues(items: readonly DataItem[]): boolean {
    const last = this.#times.at(-1)!;
    const { times } = batchOf(items[0]!);
    const rows = this.#rows + this.#filtered + times.rows + filteredIn(times.gaps);
    return (
      items.length === this.members.length &&
      rows <= BATCH_MAX_ROWS &&
      times.firstTick === last.firstTick + last.ticks &&
      times.t0Nanos === last.t0Nanos &&
      times.periodNanos === last.periodNanos &&
      times.resolutionNanos === last.resolutionNanos &&
      times.utcOffsetNanos === last.utcOffsetNanos &&
      items.every((item, i) => follows(this.members[i]!, item))
    );
  }

  #append(items: readonly DataItem[]): void {
    const { times } = batchOf(items[0]!);
    this.#times.push({ ...times, time: copiedColumn(times.time) });
    this.#rows += times.rows;
    this.#filtered += filteredIn(times.gaps);
    items.forEach((item, i) => {
      const { batch } = batchOf(item);
      const member = this.members[i]!;
      member.batches.push({ ...batch, columns: batch.columns.map(copiedColumn) });
      member.nextSeq += item.records;
      member.nextOffset += item.records;
      member.bytes += item.bytes;
      member.firstNanos ??= item.firstNanos;
      member.lastNanos = item.lastNanos ?? member.lastNanos;
    });
  }

  /** The times entry that stands for all that were joined. */
  times(): TimesEntry {
    const first = this.#times[0]!;
    const counts = new Float64Array(LATENESS_BUCKETS);
    const values = new BigInt64Array(this.#rows);
    const gaps: TimesEntry['gaps'] = [];
    let [rows, ticks] = [0, 0];
    for (const times of this.#times) {
      decodeIntegersInto(times.time, values.subarray(rows, rows + times.rows));
      for (const gap of times.gaps) gaps.push({ ...gap, rowsBefore: gap.rowsBefore + rows });
      addHistogram(counts, times.histogram);
      rows += times.rows;
      ticks += times.ticks;
    }
    const time = encodeColumnDense('i64', values);
    return { ...first, ticks, rows, gaps, histogram: histogramOf(counts), time };
  }

  /** One member's batches as one; `schema` is the one of its run. */
  batch({ batches }: LaneMember, schema: Schema): BatchEntry {
    assert(schema.kind === 'samples', 'a batch is of a stream of samples');
    const failed: BatchEntry['failed'] = [];
    let [rows, samples] = [0, 0];
    batches.forEach((batch, i) => {
      for (const range of batch.failed) failed.push({ ...range, firstRow: range.firstRow + rows });
      rows += this.#times[i]!.rows;
      samples += batch.samples;
    });
    const columns = schema.channels.map(({ type }, channel) => {
      const column = newColumn(type, samples);
      let at = 0;
      for (const batch of batches) {
        const part = column.subarray(at, at + batch.samples);
        decodeColumnInto(type, batch.columns[channel]!, part);
        at += batch.samples;
      }
      return encodeColumnDense(type, column);
    });
    return { ...batches[0]!, timesDistance: 1, samples, failed, columns };
  }
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
    member.nextOffset === item.firstOffset
  );
}
