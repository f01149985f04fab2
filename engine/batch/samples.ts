/**
 * Rows ↔ times entry and batch entries, in TypeScript: the decoder for everybody, and the encoder
 * that the addon's `RowEncoder` is held against, and golden files are made with.
 */
import { assert } from '../base/assert.ts';
import { damaged } from '../base/bytes.ts';
import { encodeColumn, encodeIntegers, newArray, newColumn } from '../codecs/codec.ts';
import type { ArrayPool, Column } from '../codecs/codec.ts';
import { encodeBatch, encodeTimes, recordsOf } from './format.ts';
import type { BatchEntry, FailedRange, TimesEntry } from './format.ts';
import { LATENESS_BUCKETS, gapRecords, histogramOf, latenessBucket } from './ledger.ts';
import type { GroupGap, Reason, SampleGap } from './ledger.ts';
import { gapsBetween, placeOf } from './record-place.ts';
import { fillLateness, fillTicks, fillTimes, stretchesOf } from './sample-times.ts';
import type { Channel, Schema } from './schema.ts';
import { decodeWithTimes } from './time-column.ts';

export type { Column } from '../codecs/codec.ts';

/** Where a source's next record goes; `encodeSamples` moves it on. */
export interface Cursor {
  run: number;
  nextSeq: number;
  nextOffset: number;
  /** of the next sample within the run */
  ordinal: number;
}

export interface SourceRows {
  channels: readonly Channel[];
  /** one value per row; what stands in rows that are not valid is not looked at */
  columns: readonly Column[];
  /** per row: could this source be read? Absent: always */
  valid?: readonly boolean[];
  cursor: Cursor;
}

/** What was drained from a ring in one flush. */
export interface Rows {
  t0Nanos: bigint;
  periodNanos: bigint;
  resolutionNanos: bigint;
  utcOffsetNanos: bigint;
  /** of the first row or gap */
  firstTick: number;
  /** monotonic ns, one per row */
  timesNanos: BigInt64Array;
  gaps: GroupGap[];
  sources: readonly SourceRows[];
}

/**
 * The reference: floats may also become codec 6, which the addon leaves out.
 * @returns payloads in the order of the group: the times entry, then one batch entry per source
 */
export function encodeSamples(rows: Rows): Uint8Array[] {
  const times = timesEntry(rows);
  const batches = rows.sources.map((source, index) => sourceBatch(source, times, index + 1));
  return [encodeTimes(times), ...batches.map(encodeBatch)];
}

function timesEntry(rows: Rows): TimesEntry {
  const { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick, gaps } = rows;
  const count = rows.timesNanos.length;
  const residuals = new BigInt64Array(count);
  const counts = new Float64Array(LATENESS_BUCKETS);
  const ticks = ticksOf(firstTick, count, gaps);
  for (let i = 0; i < count; i++) {
    const lateness = rows.timesNanos[i]! - (t0Nanos + BigInt(ticks[i]!) * periodNanos);
    residuals[i] = floorDivide(lateness, resolutionNanos);
    counts[latenessBucket(Number(lateness))]!++;
  }
  const missing = gaps.reduce((sum, gap) => sum + gap.ticks, 0);
  return {
    ...{ t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick, gaps },
    ticks: count + missing,
    rows: count,
    histogram: histogramOf(counts),
    time: encodeIntegers(residuals),
  };
}

function sourceBatch(source: SourceRows, times: TimesEntry, timesDistance: number): BatchEntry {
  const failed = failedRanges(source.valid, times);
  const failedRows = failed.reduce((sum, range) => sum + range.rows, 0);
  const { cursor, valid } = source;
  const entry = {
    timesDistance,
    run: cursor.run,
    firstSeq: cursor.nextSeq,
    firstOffset: cursor.nextOffset,
    ordinal: cursor.ordinal,
    samples: times.rows - failedRows,
    failed,
    columns: source.columns.map((column, index) => {
      assert(column.length === times.rows, 'a column has one value per row');
      const kept = failedRows === 0 ? column : keep(column, valid!);
      return encodeColumn(source.channels[index]!.type, kept);
    }),
  };
  const records = recordsOf(times, entry);
  cursor.nextSeq += records;
  cursor.nextOffset += records;
  cursor.ordinal += entry.samples;
  return entry;
}

/** A range ends where a gap stands between its rows: the gap is a record of its own. */
function failedRanges(valid: SourceRows['valid'], times: TimesEntry): FailedRange[] {
  if (valid === undefined) return [];
  const starts = new Set(times.gaps.map((gap) => gap.rowsBefore));
  const failed: FailedRange[] = [];
  for (let row = 0; row < times.rows; row++) {
    if (valid[row]!) continue;
    const last = failed.at(-1);
    const joins = last !== undefined && last.firstRow + last.rows === row && !starts.has(row);
    if (joins) last.rows++;
    else failed.push({ firstRow: row, rows: 1 });
  }
  return failed;
}

function keep(column: Column, valid: readonly boolean[]): Column {
  const chosen = (_: unknown, row: number): boolean => valid[row]!;
  if (column instanceof Float64Array) return column.filter(chosen);
  return column instanceof BigInt64Array ? column.filter(chosen) : column.filter(chosen);
}

/**
 * One source's records of one batch, decoded. What is read with a pool is overwritten when the pool
 * is used again; else all arrays belong to the receiver. Ticks and lateness may be getters: a copy
 * of the object names them.
 */
export interface SampleBatch {
  run: number;
  firstSeq: number;
  firstOffset: number;
  /** of the first sample within the run, kept or filtered */
  ordinal: number;
  records: number;
  samples: number;
  /** per sample; worked out when it is first asked for */
  readonly ticks: Float64Array;
  /** per sample, UTC ns, floored to the resolution */
  timeNanos: BigInt64Array;
  /**
   * per sample: how long after its tick was due it was taken, ns, floored to the resolution; worked
   * out when it is first asked for
   */
  readonly latenessNanos: Float64Array;
  /** raw values per channel; i64 and u64 as BigInt arrays, all others as doubles */
  columns: Column[];
  /** in order of records */
  gaps: SampleGap[];
}

/** One source's records of one batch, with its samples' times not yet worked out. */
export interface RawSamples {
  records: number;
  samples: number;
  /** per sample: the value of the time column */
  residuals: BigInt64Array;
  /** as in `SampleBatch` */
  columns: Column[];
  /** in order of records; between two of them samples have consecutive ticks and seqs */
  gaps: SampleGap[];
}

/**
 * Throws DAMAGED unless the two entries and the schema belong together.
 * @param wanted the channels to decode, by their places in the schema; all others are left out
 * @param pool where the columns are decoded to; default: memory of their own
 */
export function decodeRaw(
  times: TimesEntry,
  batch: BatchEntry,
  schema: Schema,
  wanted?: readonly number[],
  pool?: ArrayPool,
): RawSamples {
  if (schema.kind !== 'samples') throw damaged('batch entry: in a stream of opaque events');
  const { samples } = batch;
  if (batch.columns.length !== schema.channels.length) {
    throw damaged(`batch entry: ${batch.columns.length} columns for other channels`);
  }
  const records = recordsOf(times, batch);
  const { channels } = schema;
  const places = (wanted ?? [...channels.keys()]).map((index) => {
    const { type } = channels[index]!;
    return { type, column: batch.columns[index]!, into: newColumn(type, samples, pool) };
  });
  const all = decodeWithTimes(places, times, pool);
  const columns = places.map(({ into }) => into);
  const rows = keptRows(times, batch);
  const residuals = rows === undefined ? all : BigInt64Array.from(rows, (row) => all[row]!);
  return { records, samples, residuals, columns, gaps: gapsOf(times, batch) };
}

/** As `decodeRaw`. The next call with the same pool takes the memory of this one. */
export function decodeSamples(
  times: TimesEntry,
  batch: BatchEntry,
  schema: Schema,
  wanted?: readonly number[],
  pool?: ArrayPool,
): SampleBatch {
  pool?.reuse();
  return new DecodedSamples(times, batch, decodeRaw(times, batch, schema, wanted, pool), pool);
}

/** A class, since an object with getters of its own has a shape of its own, and none is fast. */
class DecodedSamples implements SampleBatch {
  readonly run: number;
  readonly firstSeq: number;
  readonly firstOffset: number;
  readonly ordinal: number;
  readonly records: number;
  readonly samples: number;
  readonly timeNanos: BigInt64Array;
  readonly columns: Column[];
  readonly gaps: SampleGap[];
  readonly #times: TimesEntry;
  readonly #stretches: Float64Array;
  readonly #residuals: BigInt64Array;
  readonly #pool: ArrayPool | undefined;
  #ticks: Float64Array | undefined;
  #lateness: Float64Array | undefined;

  constructor(times: TimesEntry, batch: BatchEntry, raw: RawSamples, pool?: ArrayPool) {
    this.run = batch.run;
    this.firstSeq = batch.firstSeq;
    this.firstOffset = batch.firstOffset;
    this.ordinal = batch.ordinal;
    this.records = raw.records;
    this.samples = raw.samples;
    this.columns = raw.columns;
    this.gaps = raw.gaps;
    this.#times = times;
    this.#stretches = stretchesOf(times.firstTick, raw.gaps);
    this.#residuals = raw.residuals;
    this.#pool = pool;
    const into = newArray(BigInt64Array, raw.samples, pool);
    this.timeNanos = fillTimes(times, this.#stretches, raw.residuals, into);
  }

  get ticks(): Float64Array {
    return (this.#ticks ??= fillTicks(this.#stretches, this.#newDoubles()));
  }

  get latenessNanos(): Float64Array {
    return (this.#lateness ??= fillLateness(this.#times, this.#residuals, this.#newDoubles()));
  }

  #newDoubles(): Float64Array {
    return newArray(Float64Array, this.samples, this.#pool);
  }
}

/**
 * The batch without its first `records` records; arrays are views of the batch's.
 * @returns also how many ticks these records had accounted for
 */
export function samplesFrom(
  batch: SampleBatch,
  records: number,
): { batch: SampleBatch; ticks: number } {
  const from = placeOf(batch.gaps, records);
  const { samples } = from;
  const gaps = gapsBetween(batch.gaps, from, placeOf(batch.gaps, batch.records));
  const rest: SampleBatch = {
    run: batch.run,
    firstSeq: batch.firstSeq + records,
    firstOffset: batch.firstOffset + records,
    ordinal: batch.ordinal + samples + from.filtered,
    records: batch.records - records,
    samples: batch.samples - samples,
    ticks: batch.ticks.subarray(samples),
    timeNanos: batch.timeNanos.subarray(samples),
    latenessNanos: batch.latenessNanos.subarray(samples),
    columns: batch.columns.map((column) => column.subarray(samples)),
    gaps,
  };
  return { batch: rest, ticks: from.ticks };
}

/** Tick of each row. */
export function ticksOf(firstTick: number, rows: number, gaps: readonly GroupGap[]): Float64Array {
  const ticks = new Float64Array(rows);
  let [row, before] = [0, firstTick];
  for (const gap of gaps) {
    for (; row < gap.rowsBefore; row++) ticks[row] = before + row;
    before += gap.ticks;
  }
  for (; row < rows; row++) ticks[row] = before + row;
  return ticks;
}

/** Rows that this source could be read at; undefined: all of them. */
export function keptRows(times: TimesEntry, batch: BatchEntry): Uint32Array | undefined {
  if (batch.failed.length === 0) return undefined;
  const rows = new Uint32Array(batch.samples);
  let [row, at] = [0, 0];
  for (const range of batch.failed) {
    for (; row < range.firstRow; row++) rows[at++] = row;
    row += range.rows;
  }
  for (; row < times.rows; row++) rows[at++] = row;
  return rows;
}

/** The group's gaps and this source's failed ranges, merged; at one row the group's come first. */
function gapsOf(times: TimesEntry, batch: BatchEntry): SampleGap[] {
  const gaps: SampleGap[] = [];
  let [failedRows, next, tick, row, inGaps] = [0, 0, times.firstTick, 0, 0];
  const add = (atRow: number, reason: Reason, firstTick: number, ticks: number, nanos: bigint) => {
    const samplesBefore = atRow - failedRows;
    const recordIndex = samplesBefore + inGaps;
    gaps.push({ recordIndex, samplesBefore, reason, firstTick, ticks, nanos });
    inGaps += gapRecords({ reason, ticks });
  };
  const addFailedBefore = (end: number): void => {
    for (; next < batch.failed.length && batch.failed[next]!.firstRow < end; next++) {
      const range = batch.failed[next]!;
      const ticks = range.rows;
      if (range.firstRow + ticks > end) throw damaged('batch entry: a failed range over a gap');
      add(range.firstRow, 'device', tick + range.firstRow - row, ticks, 0n);
      failedRows += ticks;
    }
  };
  for (const gap of times.gaps) {
    addFailedBefore(gap.rowsBefore);
    tick += gap.rowsBefore - row;
    row = gap.rowsBefore;
    add(row, gap.reason, tick, gap.ticks, gap.nanos);
    tick += gap.ticks;
  }
  addFailedBefore(times.rows);
  return gaps;
}

function floorDivide(value: bigint, unit: bigint): bigint {
  const quotient = value / unit;
  return value % unit < 0n ? quotient - 1n : quotient;
}
