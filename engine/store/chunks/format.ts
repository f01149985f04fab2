/**
 * Bytes of a chunk, version 1: name, header, trailer, table and directories. The drawing is
 * `docs/format-chunk.md`; the writer and the reader of chunks both live from this file.
 */
import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { HelicorderError } from '../../base/errors.ts';
import { BLOCK_VALUES, decodeIntegers, encodeIntegers } from '../../codecs/codec.ts';
import { viewOf, type Lsn } from '../entries/format.ts';

const CHUNK_VERSION = 1;
const HEADER_MAGIC = 0x4b484348; // "HCHK"
const TRAILER_MAGIC = 0x54484348; // "HCHT"
export const CHUNK_HEADER_BYTES = 64;
export const CHUNK_TRAILER_BYTES = 64;
const CRC_AT = 60;

export const BLOCK_KIND = { batch: 1, pack: 2 } as const;
/** Content of a pack block, unless one entry alone is larger. */
export const PACK_CONTENT_BYTES = 256 * 1024;
export const PACKED = { plain: 1, deflate: 2 } as const;

/** Stands for "none" where a column holds times. */
export const NO_NANOS = -(2n ** 63n);
/** Streams of a table, blocks of a directory. */
const ROWS_MAX = 4_000_000;
/**
 * No column is written in less than 2 bytes for each 128 values, unless all of them are equal; the
 * numbers of streams are not, nor the places of blocks. A forged count asks for no more memory.
 */
const ROWS_PER_BYTE_MAX = BLOCK_VALUES / 2;

export function greatestNanos(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The lesser; NO_NANOS only if both are none. */
export function leastNanos(a: bigint, b: bigint): bigint {
  if (a === NO_NANOS || b === NO_NANOS) return greatestNanos(a, b);
  return a < b ? a : b;
}

/** Which part of the log a chunk holds. */
export interface ChunkRange {
  first: Lsn;
  end: Lsn;
}

const NAME = /^(\d{20})-(\d{20})\.chunk$/;

export function chunkName({ first, end }: ChunkRange): string {
  return `${String(first).padStart(20, '0')}-${String(end).padStart(20, '0')}.chunk`;
}

export function rangeOfName(name: string): ChunkRange | undefined {
  const [, first, end] = NAME.exec(name) ?? [];
  return first === undefined ? undefined : { first: Number(first), end: Number(end) };
}

export interface ChunkHeader extends ChunkRange {
  storeId: Uint8Array;
  createdNanos: bigint;
}

export function encodeHeader(header: ChunkHeader): Uint8Array {
  const bytes = new Uint8Array(CHUNK_HEADER_BYTES);
  const view = viewOf(bytes);
  putHead(view, HEADER_MAGIC, CHUNK_HEADER_BYTES);
  view.setBigUint64(8, BigInt(header.first), true);
  view.setBigUint64(16, BigInt(header.end), true);
  bytes.set(header.storeId, 24);
  view.setBigInt64(40, header.createdNanos, true);
  view.setUint32(CRC_AT, crc32c(bytes.subarray(0, CRC_AT)), true);
  return bytes;
}

export function decodeHeader(bytes: Uint8Array): ChunkHeader {
  const view = checkedHead(bytes, HEADER_MAGIC, CHUNK_HEADER_BYTES, 'header');
  return {
    first: Number(view.getBigUint64(8, true)),
    end: Number(view.getBigUint64(16, true)),
    storeId: bytes.slice(24, 40),
    createdNanos: view.getBigInt64(40, true),
  };
}

/** A run of bytes in the file and what they must sum to. */
export interface Place {
  at: number;
  length: number;
  crc: number;
}

export const NO_PLACE: Place = { at: 0, length: 0, crc: 0 };

export interface ChunkTrailer {
  table: Place;
  fileBytes: number;
  firstNanos: bigint;
  lastNanos: bigint;
}

export function encodeTrailer({ table, ...facts }: ChunkTrailer): Uint8Array {
  const bytes = new Uint8Array(CHUNK_TRAILER_BYTES);
  const view = viewOf(bytes);
  putHead(view, TRAILER_MAGIC, CHUNK_TRAILER_BYTES);
  view.setBigUint64(8, BigInt(table.at), true);
  view.setUint32(16, table.length, true);
  view.setUint32(20, table.crc, true);
  view.setBigUint64(24, BigInt(facts.fileBytes), true);
  view.setBigInt64(32, facts.firstNanos, true);
  view.setBigInt64(40, facts.lastNanos, true);
  view.setUint32(CRC_AT, crc32c(bytes.subarray(0, CRC_AT)), true);
  return bytes;
}

export function decodeTrailer(bytes: Uint8Array): ChunkTrailer {
  const view = checkedHead(bytes, TRAILER_MAGIC, CHUNK_TRAILER_BYTES, 'trailer');
  return {
    table: {
      at: Number(view.getBigUint64(8, true)),
      length: view.getUint32(16, true),
      crc: view.getUint32(20, true),
    },
    fileBytes: Number(view.getBigUint64(24, true)),
    firstNanos: view.getBigInt64(32, true),
    lastNanos: view.getBigInt64(40, true),
  };
}

function putHead(view: DataView, magic: number, length: number): void {
  view.setUint32(0, magic, true);
  view.setUint16(4, CHUNK_VERSION, true);
  view.setUint16(6, length, true);
}

function checkedHead(bytes: Uint8Array, magic: number, length: number, what: string): DataView {
  const view = viewOf(bytes);
  const sound =
    bytes.length === length &&
    view.getUint32(0, true) === magic &&
    view.getUint32(CRC_AT, true) === crc32c(bytes.subarray(0, CRC_AT));
  if (!sound) throw new HelicorderError('DAMAGED', `${what} of a chunk`);
  const version = view.getUint16(4, true);
  if (version !== CHUNK_VERSION) {
    throw new HelicorderError('FORMAT_VERSION', `a chunk of version ${version}: unknown here`);
  }
  return view;
}

/** One stream in the table of a chunk. */
export interface TableRow {
  stream: number;
  /** of the stream, at the chunk's end */
  nextOffset: number;
  /** no length: the chunk holds nothing of it */
  directory: Place;
  firstOffset: number;
  bytes: number;
  /** the least and greatest of its records here; NO_NANOS: none of them has a time */
  firstNanos: bigint;
  lastNanos: bigint;
  /** the greatest of the stream up to the chunk's end; NO_NANOS: there was none */
  latestNanos: bigint;
}

/** One block in the directory of a stream. */
export interface BlockRow {
  kind: number;
  place: Place;
  times: Place;
  /** 0: a pack of several runs */
  run: number;
  firstOffset: number;
  records: number;
  samples: number;
  ticks: number;
  /** -1: it accounts for none */
  lastTick: number;
  /** the least and greatest; NO_NANOS: none of its records has a time */
  firstNanos: bigint;
  lastNanos: bigint;
}

/** How rows of a table travel: a column of integers per number in them. */
type Columns<Row> = readonly { get: (row: Row) => number | bigint; set: SetColumn<Row> }[];
type SetColumn<Row> = (row: Row, value: bigint) => void;

const TABLE_COLUMNS: Columns<TableRow> = [
  { get: (row) => row.stream, set: (row, value) => (row.stream = Number(value)) },
  { get: (row) => row.nextOffset, set: (row, value) => (row.nextOffset = Number(value)) },
  ...placeColumns<TableRow>((row) => row.directory),
  { get: (row) => row.firstOffset, set: (row, value) => (row.firstOffset = Number(value)) },
  { get: (row) => row.bytes, set: (row, value) => (row.bytes = Number(value)) },
  ...nanosColumns<TableRow>(),
  { get: (row) => row.latestNanos, set: (row, value) => (row.latestNanos = value) },
];

const BLOCK_COLUMNS: Columns<BlockRow> = [
  { get: (row) => row.kind, set: (row, value) => (row.kind = Number(value)) },
  ...placeColumns<BlockRow>((row) => row.place),
  ...placeColumns<BlockRow>((row) => row.times),
  { get: (row) => row.run, set: (row, value) => (row.run = Number(value)) },
  { get: (row) => row.firstOffset, set: (row, value) => (row.firstOffset = Number(value)) },
  { get: (row) => row.records, set: (row, value) => (row.records = Number(value)) },
  { get: (row) => row.samples, set: (row, value) => (row.samples = Number(value)) },
  { get: (row) => row.ticks, set: (row, value) => (row.ticks = Number(value)) },
  { get: (row) => row.lastTick, set: (row, value) => (row.lastTick = Number(value)) },
  ...nanosColumns<BlockRow>(),
];

function placeColumns<Row>(of: (row: Row) => Place): Columns<Row> {
  return (['at', 'length', 'crc'] as const).map((key) => ({
    get: (row) => of(row)[key],
    set: (row, value) => (of(row)[key] = Number(value)),
  }));
}

function nanosColumns<Row extends { firstNanos: bigint; lastNanos: bigint }>(): Columns<Row> {
  return (['firstNanos', 'lastNanos'] as const).map((key) => ({
    get: (row) => row[key],
    set: (row, value) => (row[key] = value),
  }));
}

// whole literals: put together from parts they take V8's slow path
const emptyTableRow = (): TableRow => ({
  stream: 0,
  nextOffset: 0,
  directory: { ...NO_PLACE },
  firstOffset: 0,
  bytes: 0,
  firstNanos: NO_NANOS,
  lastNanos: NO_NANOS,
  latestNanos: NO_NANOS,
});

const emptyBlockRow = (): BlockRow => ({
  kind: 0,
  place: { ...NO_PLACE },
  times: { ...NO_PLACE },
  run: 0,
  firstOffset: 0,
  records: 0,
  samples: 0,
  ticks: 0,
  lastTick: -1,
  firstNanos: NO_NANOS,
  lastNanos: NO_NANOS,
});

/**
 * The table of a chunk as it travels, in columns: a row is made for whoever asks for it, since who
 * reads one stream of ten thousand needs one.
 */
export class ChunkTable implements Iterable<TableRow> {
  readonly length: number;
  readonly #columns: readonly BigInt64Array[];

  constructor({ count, values }: DecodedColumns) {
    this.length = count;
    this.#columns = values;
  }

  /** The row of a stream, by halves: their numbers ascend. */
  of(stream: number): TableRow | undefined {
    const [streams] = this.#columns as [BigInt64Array];
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Number(streams[middle]) < stream) low = middle + 1;
      else high = middle;
    }
    return low < this.length && Number(streams[low]) === stream ? this.#at(low) : undefined;
  }

  *[Symbol.iterator](): Generator<TableRow> {
    for (let i = 0; i < this.length; i++) yield this.#at(i);
  }

  #at(i: number): TableRow {
    return rowAt(emptyTableRow(), TABLE_COLUMNS, this.#columns, i);
  }
}

export function encodeTable(rows: readonly TableRow[]): Uint8Array {
  const writer = new ByteWriter();
  putRows(writer, rows, TABLE_COLUMNS);
  return writer.finish();
}

/** @throws DAMAGED */
export function decodeTable(bytes: Uint8Array): ChunkTable {
  const reader = new ByteReader(bytes, 'table of a chunk');
  const columns = readColumns(reader, TABLE_COLUMNS.length);
  reader.end();
  const [streams] = columns.values as [BigInt64Array];
  for (let i = 1; i < columns.count; i++) {
    if (streams[i]! <= streams[i - 1]!) throw reader.fail('streams out of order');
  }
  return new ChunkTable(columns);
}

export function encodeDirectory(head: Uint8Array, rows: readonly BlockRow[]): Uint8Array {
  const writer = new ByteWriter();
  const length = new Uint8Array(4);
  viewOf(length).setUint32(0, head.length, true);
  writer.put(length);
  writer.put(head);
  putRows(writer, rows, BLOCK_COLUMNS);
  return writer.finish();
}

export function decodeDirectory(bytes: Uint8Array): { head: Uint8Array; rows: BlockRow[] } {
  const reader = new ByteReader(bytes, 'directory of a chunk');
  const length = viewOf(reader.take(4)).getUint32(0, true);
  const head = reader.take(length);
  const rows = readRows(reader, emptyBlockRow, BLOCK_COLUMNS);
  reader.end();
  return { head, rows };
}

function putRows<Row>(writer: ByteWriter, rows: readonly Row[], columns: Columns<Row>): void {
  assert(rows.length <= ROWS_MAX, 'the rows of a table have a limit');
  writer.varint(rows.length);
  const values = new BigInt64Array(rows.length);
  for (const { get } of columns) {
    rows.forEach((row, i) => (values[i] = BigInt(get(row))));
    const { codec, bytes } = encodeIntegers(values);
    writer.u8(codec);
    writer.varint(bytes.length);
    writer.put(bytes);
  }
}

function readRows<Row>(reader: ByteReader, empty: () => Row, columns: Columns<Row>): Row[] {
  const { count, values } = readColumns(reader, columns.length);
  return Array.from({ length: count }, (_, i) => rowAt(empty(), columns, values, i));
}

interface DecodedColumns {
  count: number;
  values: BigInt64Array[];
}

function readColumns(reader: ByteReader, columns: number): DecodedColumns {
  const count = reader.count();
  const most = Math.min(ROWS_MAX, reader.left * ROWS_PER_BYTE_MAX);
  if (count > most) throw reader.fail(`${count} rows, at most ${most} are possible`);
  const values = Array.from({ length: columns }, () => {
    const codec = reader.u8();
    return decodeIntegers({ codec, bytes: reader.take(reader.count()) }, count);
  });
  return { count, values };
}

function rowAt<Row>(
  row: Row,
  columns: Columns<Row>,
  values: readonly BigInt64Array[],
  i: number,
): Row {
  columns.forEach(({ set }, column) => set(row, values[column]![i]!));
  return row;
}

/** Checks what was read from a place of a chunk. */
export function checkPlace(bytes: Uint8Array, { length, crc }: Place, what: string): Uint8Array {
  if (bytes.length === length && crc32c(bytes) === crc) return bytes;
  throw new HelicorderError('DAMAGED', `${what}: checksum`);
}
