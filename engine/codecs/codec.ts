/**
 * Columns ↔ bytes: the face of this room, and all that the room of batches sees of it.
 *
 * A column is the values of one channel over the samples of one batch. Each is encoded by itself,
 * with the codec that makes it shortest, and carries its codec's id; so a reader needs no state
 * but the column, and a later version may add codecs without touching what is written.
 *
 *   integers   constant · pfor · delta-pfor · delta2-pfor    chosen by a probe of the column
 *   floats     scaled (integers × step) · shuffle-lz4 · raw  chosen by size
 *   dense      rans · delta-rans · delta2-rans               for chunks, where shorter
 *
 * Integers of every width are taken as 64-bit two's complement that wraps: one implementation, and
 * no value that cannot be encoded. Which codec is chosen is part of the format
 * (`docs/format-batch.md`): encoders are deterministic, and the reference here and the addon give
 * the same bytes. The addon is what runs: `encodeIntegersReference` is what tests hold against it.
 *
 * In memory a column of i64 or u64 is a BigInt64Array or BigUint64Array, every other one a
 * Float64Array, which holds all values of these types exactly.
 *
 * Decoders take bytes that anybody may have written. They throw DAMAGED unless the bytes are
 * exactly a column of the given number of values; they never read or write outside, and the
 * caller bounds the number of values (a constant column of two bytes may stand for any number).
 */
import { assert } from '../base/assert.ts';
import { damaged } from '../base/bytes.ts';
import { newArray, type ArrayPool } from './array-pool.ts';
import {
  decodeAllInto,
  decodeInto,
  encodeIntegers,
  encodeIntegersDense,
  joinIntegers,
  type IntegerPlace,
} from './addon.ts';
import { columnsOf, hasRaw, type ChannelColumns } from './column-table.ts';
import { BLOCK_VALUES, CODEC } from './column.ts';
import type { EncodedColumn, FloatType, Integers } from './column.ts';
import { DENSE_CODECS, FLOAT_CODECS, INTEGER_CODECS } from './registry.ts';
import { openScaled } from './scaled.ts';

export { encodeIntegers, encodeIntegersDense } from './addon.ts';
export { ArrayPool, newArray } from './array-pool.ts';
export { COLUMN_BYTES_END, ColumnTable } from './column-table.ts';
export type { ChannelColumns, FlushColumns } from './column-table.ts';
export { encodeDenseReference } from './dense.ts';
export { BLOCK_VALUES, CODEC, integersBoundBytes } from './column.ts';
export type { EncodedColumn } from './column.ts';
export { uncompress } from './shuffle-lz4.ts';

export type Column = BigInt64Array | BigUint64Array | Float64Array;
/** A channel's type, as `batch/schema.ts` names them. */
export type ValueType = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | FloatType;

const PROBE_MAX_VALUES = 512;
const PROBE_RUNS = 4;

type IntegerEncoder = (values: Integers) => EncodedColumn;

export function encodeColumn(type: ValueType, values: Column): EncodedColumn {
  return encodeWith(encodeIntegers, type, values);
}

/**
 * The same in fewer bytes, for what is kept for years and written once: the shorter one of the
 * log's column and a dense one (codecs 8–10, also within `scaled`). About six times the work.
 */
export function encodeColumnDense(type: ValueType, values: Column): EncodedColumn {
  return encodeWith(encodeIntegersDense, type, values);
}

/**
 * Columns of one channel that follow each other as one, which holds all their values: as
 * `encodeColumnDense` gives it. @param count of all values @throws DAMAGED
 */
export function joinColumns(
  type: ValueType,
  columns: ChannelColumns,
  count: number,
): EncodedColumn {
  if (type !== 'f32' && type !== 'f64' && !hasRaw(columns)) return joinIntegers(columns, count);
  const values = newColumn(type, count);
  let at = 0;
  for (const part of columnsOf(columns)) {
    decodeColumnInto(type, part, values.subarray(at, (at += part.values)));
  }
  return encodeColumnDense(type, values);
}

/**
 * @param count of values; bounded by the caller
 * @param pool where it is taken from; it then holds anything, else zeros
 */
export function newColumn(type: ValueType, count: number, pool?: ArrayPool): Column {
  return newArray<Column>(ARRAYS[type], count, pool);
}

/**
 * @param count of values; bounded by the caller
 * @param pool where the values go; default: memory of their own
 */
export function decodeColumn(
  type: ValueType,
  column: EncodedColumn,
  count: number,
  pool?: ArrayPool,
): Column {
  const values = newColumn(type, count, pool);
  decodeColumnInto(type, column, values);
  return values;
}

/** A channel's column, and where its values go. */
export interface ColumnPlace {
  type: ValueType;
  column: EncodedColumn;
  /** receives exactly as many values as it has places; it may be part of a longer column */
  into: Column;
}

/** Fills one place: what `decodeColumn` would give. After an error it holds anything. */
export function decodeColumnInto(type: ValueType, column: EncodedColumn, into: Column): void {
  decodeColumns([{ type, column, into }]);
}

/**
 * Fills all of them: those of chunks in little more than half the time that each by itself takes.
 * @param others integers that are of no channel
 */
export function decodeColumns(
  places: readonly ColumnPlace[],
  others: readonly IntegerPlace[] = [],
): void {
  const integers = [...others];
  const scaledUp: (() => void)[] = [];
  for (const { type, column, into } of places) {
    assert(into.constructor === ARRAYS[type], `a column of ${type} is a ${ARRAYS[type].name}`);
    if (type !== 'f32' && type !== 'f64') {
      const place = { column, into: into instanceof BigUint64Array ? signedView(into) : into };
      if (column.codec !== CODEC.raw) integers.push(place);
      else decodeRawIntegers(type, column.bytes, into);
      continue;
    }
    const floats = into as Float64Array;
    if (column.codec !== CODEC.scaled) {
      decodeFloats(type, column, floats);
      continue;
    }
    const { inner, scaleUp } = openScaled(column.bytes, type);
    integers.push({ column: inner, into: floats });
    scaledUp.push(() => scaleUp(floats));
  }
  decodeAllInto(integers);
  for (const scaleUp of scaledUp) scaleUp();
}

/** @param count of values; bounded by the caller */
export function decodeIntegers(column: EncodedColumn, count: number): BigInt64Array {
  const values = new BigInt64Array(count);
  decodeInto(column, values);
  return values;
}

/** As `decodeColumnInto`. */
export function decodeIntegersInto(column: EncodedColumn, into: BigInt64Array): void {
  decodeInto(column, into);
}

/** The choice of codec and its bytes as the format defines them, in TypeScript. */
export function encodeIntegersReference(values: BigInt64Array): EncodedColumn {
  if (values.length === 0) return { codec: CODEC.pfor, bytes: new Uint8Array() };
  const [constant, ...others] = INTEGER_CODECS;
  const same = constant.encode(values);
  if (same !== undefined) return { codec: constant.id, bytes: same };
  const probes = probesOf(values);
  const sizes = others.map((codec) =>
    probes.reduce((sum, probe) => sum + (codec.encode(probe)?.length ?? Infinity), 0),
  );
  const codec = others[sizes.indexOf(Math.min(...sizes))]!;
  return { codec: codec.id, bytes: codec.encode(values)! };
}

export function decodeIntegersReference(column: EncodedColumn, count: number): BigInt64Array {
  const codec = [...INTEGER_CODECS, ...DENSE_CODECS].find(({ id }) => id === column.codec);
  if (codec === undefined) throw damaged(`column: codec ${column.codec} is not one for integers`);
  const values = new BigInt64Array(count);
  codec.decode(column.bytes, values);
  return values;
}

function probesOf(values: BigInt64Array): BigInt64Array[] {
  if (values.length <= PROBE_MAX_VALUES) return [values];
  return Array.from({ length: PROBE_RUNS }, (_, run) => {
    const from = Math.floor((run * values.length) / PROBE_RUNS);
    return values.subarray(from, from + BLOCK_VALUES);
  });
}

function encodeWith(encode: IntegerEncoder, type: ValueType, values: Column): EncodedColumn {
  if (type !== 'f32' && type !== 'f64') {
    return encode(values instanceof BigUint64Array ? signedView(values) : values);
  }
  assert(values instanceof Float64Array, `a column of ${type} is a Float64Array`);
  let best: EncodedColumn | undefined;
  for (const codec of FLOAT_CODECS) {
    const bytes = codec.encode(values, type, encode);
    if (bytes === undefined) continue;
    if (best === undefined || bytes.length < best.bytes.length) best = { codec: codec.id, bytes };
  }
  assert(best !== undefined, 'raw takes every column');
  return best;
}

function decodeFloats(type: FloatType, column: EncodedColumn, into: Float64Array): void {
  const codec = FLOAT_CODECS.find(({ id }) => id === column.codec);
  if (codec === undefined || !('decode' in codec)) {
    throw damaged(`column: codec ${column.codec} is not one for floats`);
  }
  codec.decode(column.bytes, into, type);
}

/** The same memory, read as signed. */
function signedView(values: BigUint64Array): BigInt64Array {
  return new BigInt64Array(values.buffer, values.byteOffset, values.length);
}

function decodeRawIntegers(
  type: Exclude<ValueType, FloatType>,
  bytes: Uint8Array,
  into: Column,
): void {
  const TypedArray = RAW_ARRAYS[type];
  if (bytes.length !== into.length * TypedArray.BYTES_PER_ELEMENT) {
    throw damaged(`raw column: ${bytes.length} bytes for ${into.length} values of ${type}`);
  }
  // both have bigints, or both numbers
  into.set(new TypedArray(bytes.slice().buffer) as never);
}

/** What a channel's values are on disk. */
const RAW_ARRAYS = {
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
} as const;

/** What a column is in memory. */
const ARRAYS = {
  ...{ i8: Float64Array, u8: Float64Array, i16: Float64Array, u16: Float64Array },
  ...{ i32: Float64Array, u32: Float64Array, f32: Float64Array, f64: Float64Array },
  ...{ i64: BigInt64Array, u64: BigUint64Array },
} as const;
