/**
 * The four data entries of a group, byte for byte as `docs/format-batch.md` draws them:
 *
 *   times  'T'  what the sources of one rate group have in common at one flush: the ticks that
 *               were scheduled, the gaps among them, how late the rows were, and when they came
 *   batch  'B'  one source's columns over these rows, and the rows at which it could not be read
 *   events 'E'  opaque events of one stream
 *   gap    'G'  a gap that stands alone: between two runs, retired or corrupt records
 *
 * A times entry is written once and referred to by the batches behind it in the group: at 1024
 * sources the headers must not outweigh the data. So a batch is understood only together with its
 * times entry; `recordsOf` is where the two are first held against each other.
 *
 * Encoders take values that the program made and assert what they must be. Decoders take bytes
 * that anybody may have written: whatever is not exactly the format throws DAMAGED. Nothing is
 * allocated by an announced length that the bytes do not bear out; the number of rows and events,
 * which a column of a few bytes may stand for, has a limit of its own. What a decoder returns are
 * views of the payload: it lives as long as the payload's memory is left alone.
 *
 * Numbers that count (ticks, rows, seqs, offsets) are below 2^53 by the formats' own rule
 * (`docs/format-log.md`) and are doubles here; times in ns are BigInt.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, damaged } from '../base/bytes.ts';
import { BATCH_MAX_ROWS, EVENT_MAX_BYTES, GROUP_MAX_BYTES } from '../base/constants.ts';
import type { EncodedColumn } from '../codecs/codec.ts';
import { LATENESS_BUCKETS, REASONS, filteredIn, reasonOf, recordsInGaps } from './ledger.ts';
import type { GroupGap, Histogram, Reason } from './ledger.ts';

export type { EncodedColumn } from '../codecs/codec.ts';
export type { GroupGap, Histogram, Reason } from './ledger.ts';

export const BATCH_VERSION = 1;
export const MAGIC = { times: 0x54, batch: 0x42, events: 0x45, gap: 0x47 } as const;
/** Rows of one times entry: what a forged count can make a reader allocate is bounded by it. */
export const ROWS_MAX = BATCH_MAX_ROWS;
/** Events of one entry. */
export const EVENTS_MAX = 65_536;
/** All events of one entry together. */
export const EVENTS_RAW_MAX_BYTES = EVENT_MAX_BYTES + GROUP_MAX_BYTES;

const FLAG_LZ4 = 1;
const FLAG_TICKS = 1;
const FLAG_BOUNDS = 2;
/** Room for what is short in an entry, before each column, and for each failed range. */
const HEAD_BYTES = 256;
const COLUMN_HEAD_BYTES = 5;
const RANGE_BYTES = 6;

export interface TimesEntry {
  /** monotonic ns of tick 0 */
  t0Nanos: bigint;
  periodNanos: bigint;
  /** unit of the time column, ≥ 1 */
  resolutionNanos: bigint;
  /** UTC = monotonic + this */
  utcOffsetNanos: bigint;
  firstTick: number;
  /** scheduled: rows + ticks of the gaps */
  ticks: number;
  rows: number;
  gaps: GroupGap[];
  histogram: Histogram;
  /** per row ⌊(time − due) / resolution⌋ */
  time: EncodedColumn;
}

/** Rows at which a source could not be read: a gap of reason `device`. */
export interface FailedRange {
  firstRow: number;
  rows: number;
}

export interface BatchEntry {
  /** how many entries back in the group the times entry is, ≥ 1 */
  timesDistance: number;
  run: number;
  firstSeq: number;
  firstOffset: number;
  /** of the first sample within the run, from 0; the first may be one that was left out */
  ordinal: number;
  samples: number;
  failed: FailedRange[];
  columns: EncodedColumn[];
}

export interface EventsEntry {
  run: number;
  firstSeq: number;
  firstOffset: number;
  events: number;
  /** when they were accepted */
  utcNanos: bigint;
  lengths: EncodedColumn;
  /** of all events together, before compression */
  rawBytes: number;
  compressed: boolean;
  bytes: Uint8Array;
}

export interface GapEntry {
  reason: Reason;
  /** the run it belongs to: for a gap between two runs, the later one */
  run: number;
  firstSeq: number;
  firstOffset: number;
  /** seqs and offsets it covers */
  records: number;
  ticks: { first: number; count: number } | undefined;
  /** how long it lasted at least and at most, where ticks are unknown */
  bounds: { minNanos: bigint; maxNanos: bigint } | undefined;
}

/** Consecutive records of one run, whatever they are. */
export type RecordContent =
  | { kind: 'batch'; times: TimesEntry; batch: BatchEntry }
  | { kind: 'events'; events: EventsEntry }
  | { kind: 'gap'; gap: GapEntry };

/** A column of its own: what a reader gives may be a view of memory that moves on. */
export function copiedColumn({ codec, bytes }: EncodedColumn): EncodedColumn {
  return { codec, bytes: bytes.slice() };
}

export function encodeTimes(entry: TimesEntry): Uint8Array {
  const missing = entry.gaps.reduce((sum, gap) => sum + gap.ticks, 0);
  assert(entry.ticks === entry.rows + missing, 'every tick is a row or inside a gap');
  const filtered = filteredIn(entry.gaps);
  assert(entry.rows + filtered <= ROWS_MAX, `a batch has at most ${ROWS_MAX} rows`);
  const writer = begin(MAGIC.times, entry.time.bytes.length);
  writer.varint(entry.t0Nanos);
  writer.varint(entry.periodNanos);
  writer.varint(entry.resolutionNanos);
  writer.svarint(entry.utcOffsetNanos);
  for (const count of [entry.firstTick, entry.ticks, entry.rows]) writer.varint(count);
  writer.varint(entry.gaps.length);
  let rowsBefore = 0;
  for (const gap of entry.gaps) {
    assert(gap.rowsBefore >= rowsBefore, 'gaps are in order');
    writer.varint(gap.rowsBefore - rowsBefore);
    rowsBefore = gap.rowsBefore;
    writer.u8(REASONS[gap.reason]);
    writer.varint(gap.ticks);
    if (gap.reason === 'suspended') writer.varint(gap.nanos);
  }
  writer.varint(entry.histogram.length);
  for (const [bucket, rows] of entry.histogram) {
    writer.u8(bucket);
    writer.varint(rows);
  }
  putColumn(writer, entry.time);
  return writer.finish();
}

export function decodeTimes(payload: Uint8Array): TimesEntry {
  const reader = open(payload, MAGIC.times, 'times entry');
  const t0Nanos = reader.varint();
  const periodNanos = reader.varint();
  const resolutionNanos = reader.varint();
  const utcOffsetNanos = reader.svarint();
  if (resolutionNanos < 1n || resolutionNanos >> 63n) throw reader.fail('resolution');
  const [firstTick, ticks, rows] = [reader.count(), reader.count(), reader.count()];
  if (rows > ROWS_MAX) throw reader.fail(`${rows} rows, at most ${ROWS_MAX} are allowed`);
  if (!Number.isSafeInteger(firstTick + ticks)) throw reader.fail('ticks beyond 2^53');
  const gaps = readGaps(reader, rows);
  const missing = gaps.reduce((sum, gap) => sum + gap.ticks, 0);
  if (ticks !== rows + missing) throw reader.fail('ticks are not rows and gaps together');
  if (rows + filteredIn(gaps) > ROWS_MAX) throw reader.fail(`more than ${ROWS_MAX} rows left out`);
  const histogram = readHistogram(reader, rows);
  const time = readColumn(reader);
  reader.end();
  // name by name: an object put together from parts takes longer than all of the above
  return {
    t0Nanos,
    periodNanos,
    resolutionNanos,
    utcOffsetNanos,
    firstTick,
    ticks,
    rows,
    gaps,
    histogram,
    time,
  };
}

function readGaps(reader: ByteReader, rows: number): GroupGap[] {
  const gaps: GroupGap[] = [];
  let rowsBefore = 0;
  for (let left = reader.countOfItems(3); left > 0; left--) {
    rowsBefore += reader.count();
    if (rowsBefore > rows) throw reader.fail('a gap behind the last row');
    const reason = reasonOf(reader.u8());
    const ticks = reader.count();
    const nanos = reason === 'suspended' ? reader.varint() : 0n;
    if (reason === 'filtered' && ticks < 1) throw reader.fail('a gap(filtered) of no record');
    gaps.push({ rowsBefore, reason, ticks, nanos });
  }
  return gaps;
}

function readHistogram(reader: ByteReader, rows: number): Histogram {
  const histogram: Histogram = [];
  let [previous, sum] = [-1, 0];
  for (let left = reader.countOfItems(2); left > 0; left--) {
    const bucket = reader.u8();
    const count = reader.count();
    if (bucket <= previous || bucket >= LATENESS_BUCKETS) throw reader.fail('a wrong bucket');
    histogram.push([bucket, count]);
    previous = bucket;
    sum += count;
  }
  if (sum !== rows) throw reader.fail('the histogram does not count every row');
  return histogram;
}

export function encodeBatch(entry: BatchEntry): Uint8Array {
  const heads = COLUMN_HEAD_BYTES * entry.columns.length + RANGE_BYTES * entry.failed.length;
  const bytes = entry.columns.reduce((sum, column) => sum + column.bytes.length, heads);
  const writer = begin(MAGIC.batch, bytes);
  const { timesDistance, run, firstSeq, firstOffset, ordinal, samples } = entry;
  for (const count of [timesDistance, run, firstSeq, firstOffset, ordinal, samples]) {
    writer.varint(count);
  }
  writer.varint(entry.failed.length);
  let row = 0;
  for (const range of entry.failed) {
    assert(range.firstRow >= row && range.rows >= 1, 'failed ranges are in order and not empty');
    writer.varint(range.firstRow - row);
    writer.varint(range.rows);
    row = range.firstRow + range.rows;
  }
  writer.varint(entry.columns.length);
  for (const column of entry.columns) {
    writer.u8(column.codec);
    writer.varint(column.bytes.length);
  }
  for (const column of entry.columns) writer.put(column.bytes);
  return writer.finish();
}

export function decodeBatch(payload: Uint8Array): BatchEntry {
  const reader = open(payload, MAGIC.batch, 'batch entry');
  const timesDistance = reader.count();
  if (timesDistance < 1) throw reader.fail('times entry 0 entries back');
  const [run, firstSeq, firstOffset] = [reader.count(), reader.count(), reader.count()];
  const [ordinal, samples] = [reader.count(), reader.count()];
  if (samples > ROWS_MAX) throw reader.fail(`${samples} samples, at most ${ROWS_MAX} are allowed`);
  const failed: FailedRange[] = [];
  let row = 0;
  for (let left = reader.countOfItems(2); left > 0; left--) {
    const firstRow = row + reader.count();
    const rows = reader.count();
    row = firstRow + rows;
    if (rows < 1 || row > ROWS_MAX) throw reader.fail('a failed range that cannot be');
    failed.push({ firstRow, rows });
  }
  const heads: { codec: number; length: number }[] = [];
  for (let left = reader.countOfItems(2); left > 0; left--) {
    heads.push({ codec: reader.u8(), length: reader.count() });
  }
  const columns = heads.map(({ codec, length }) => ({ codec, bytes: reader.take(length) }));
  reader.end();
  return { timesDistance, run, firstSeq, firstOffset, ordinal, samples, failed, columns };
}

/**
 * Records of a batch: its samples, the gaps of its times entry and its failed ranges. A gap of
 * samples left out covers as many records as ticks.
 * Throws DAMAGED if the two do not belong together.
 */
export function recordsOf(times: TimesEntry, batch: BatchEntry): number {
  const failedRows = batch.failed.reduce((sum, range) => sum + range.rows, 0);
  const last = batch.failed.at(-1);
  const failedEnd = last ? last.firstRow + last.rows : 0;
  if (batch.samples + failedRows !== times.rows || failedEnd > times.rows) {
    throw damaged('batch entry: its rows are not those of its times entry');
  }
  return batch.samples + recordsInGaps(times.gaps) + batch.failed.length;
}

export function encodeEvents(entry: EventsEntry): Uint8Array {
  assert(entry.events <= EVENTS_MAX, `an entry has at most ${EVENTS_MAX} events`);
  assert(entry.rawBytes <= EVENTS_RAW_MAX_BYTES, 'events of one entry fit in a run of groups');
  const writer = begin(MAGIC.events, entry.lengths.bytes.length + entry.bytes.length);
  writer.u8(entry.compressed ? FLAG_LZ4 : 0);
  for (const count of [entry.run, entry.firstSeq, entry.firstOffset, entry.events]) {
    writer.varint(count);
  }
  writer.svarint(entry.utcNanos);
  putColumn(writer, entry.lengths);
  writer.varint(entry.rawBytes);
  writer.put(entry.bytes);
  return writer.finish();
}

export function decodeEvents(payload: Uint8Array): EventsEntry {
  const reader = open(payload, MAGIC.events, 'events entry');
  const flags = reader.u8();
  if (flags > FLAG_LZ4) throw reader.fail(`flags ${flags}`);
  const [run, firstSeq, firstOffset] = [reader.count(), reader.count(), reader.count()];
  const events = reader.count();
  if (events > EVENTS_MAX) throw reader.fail(`${events} events, at most ${EVENTS_MAX} are allowed`);
  const utcNanos = reader.svarint();
  const lengths = readColumn(reader);
  const rawBytes = reader.count();
  if (rawBytes > EVENTS_RAW_MAX_BYTES) throw reader.fail(`${rawBytes} bytes of events`);
  const compressed = flags === FLAG_LZ4;
  const bytes = reader.rest();
  if (!compressed && bytes.length !== rawBytes) throw reader.fail('a wrong raw length');
  const identity = { run, firstSeq, firstOffset, events, utcNanos };
  return { ...identity, lengths, rawBytes, compressed, bytes };
}

export function encodeGap(entry: GapEntry): Uint8Array {
  const writer = begin(MAGIC.gap);
  writer.u8(REASONS[entry.reason]);
  writer.u8((entry.ticks ? FLAG_TICKS : 0) | (entry.bounds ? FLAG_BOUNDS : 0));
  for (const count of [entry.run, entry.firstSeq, entry.firstOffset, entry.records]) {
    writer.varint(count);
  }
  if (entry.ticks) {
    writer.varint(entry.ticks.first);
    writer.varint(entry.ticks.count);
  }
  if (entry.bounds) {
    writer.varint(entry.bounds.minNanos);
    writer.varint(entry.bounds.maxNanos);
  }
  return writer.finish();
}

export function decodeGap(payload: Uint8Array): GapEntry {
  const reader = open(payload, MAGIC.gap, 'gap entry');
  const reason = reasonOf(reader.u8());
  const flags = reader.u8();
  if (flags > (FLAG_TICKS | FLAG_BOUNDS)) throw reader.fail(`flags ${flags}`);
  const [run, firstSeq, firstOffset] = [reader.count(), reader.count(), reader.count()];
  const records = reader.count();
  if (reason === 'filtered' && (records < 1 || records > EVENTS_MAX)) {
    throw reader.fail(`a gap(filtered) of ${records} records`);
  }
  const ticks = flags & FLAG_TICKS ? { first: reader.count(), count: reader.count() } : undefined;
  const bounds =
    flags & FLAG_BOUNDS ? { minNanos: reader.varint(), maxNanos: reader.varint() } : undefined;
  reader.end();
  return { reason, run, firstSeq, firstOffset, records, ticks, bounds };
}

/** @param bytes of what is long in it: then the memory is of its size */
function begin(magic: number, bytes = 0): ByteWriter {
  const writer = new ByteWriter(bytes + HEAD_BYTES);
  writer.u8(magic);
  writer.u8(BATCH_VERSION);
  return writer;
}

function open(payload: Uint8Array, magic: number, what: string): ByteReader {
  const reader = new ByteReader(payload, what);
  if (reader.u8() !== magic) throw reader.fail('a wrong first byte');
  const version = reader.u8();
  if (version !== BATCH_VERSION) throw reader.fail(`version ${version} is unknown`);
  return reader;
}

function putColumn(writer: ByteWriter, column: EncodedColumn): void {
  writer.u8(column.codec);
  writer.varint(column.bytes.length);
  writer.put(column.bytes);
}

function readColumn(reader: ByteReader): EncodedColumn {
  const codec = reader.u8();
  return { codec, bytes: reader.take(reader.count()) };
}
