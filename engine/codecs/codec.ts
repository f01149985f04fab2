/**
 * Columns ↔ bytes: the face of this room, and all that the room of batches sees of it.
 *
 * A column is the values of one channel over the samples of one batch. Each is encoded by itself,
 * with the codec that makes it shortest, and carries its codec's id; so a reader needs no state
 * but the column, and a later version may add codecs without touching what is written.
 *
 *   integers   constant · pfor · delta-pfor · delta2-pfor    chosen by a probe of the column
 *   floats     scaled (integers × step) · shuffle-lz4 · raw  chosen by size
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
import { native } from '../../native/index.ts';
import { BLOCK_VALUES, CODEC, integersBoundBytes } from './column.ts';
import type { EncodedColumn, FloatType } from './column.ts';
import { FLOAT_CODECS, INTEGER_CODECS } from './registry.ts';

export { BLOCK_VALUES, CODEC, integersBoundBytes } from './column.ts';
export type { EncodedColumn } from './column.ts';
export { uncompress } from './shuffle-lz4.ts';

export type Column = BigInt64Array | BigUint64Array | Float64Array;
/** A channel's type, as `batch/schema.ts` names them. */
export type ValueType = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | FloatType;

const PROBE_MAX_VALUES = 512;
const PROBE_RUNS = 4;
const CODEC_UNIT = 2 ** 32;

export function encodeColumn(type: ValueType, values: Column): EncodedColumn {
  if (type === 'f32' || type === 'f64') {
    assert(values instanceof Float64Array, `a column of ${type} is a Float64Array`);
    return encodeFloats(type, values);
  }
  return encodeIntegers(integersOf(values));
}

/** @param count of values; bounded by the caller */
export function decodeColumn(type: ValueType, column: EncodedColumn, count: number): Column {
  if (type === 'f32' || type === 'f64') return decodeFloats(type, column, count);
  if (column.codec === CODEC.raw) return decodeRawIntegers(type, column.bytes, count);
  if (type === 'i64' || type === 'u64') {
    const values = decodeIntegers(column, count);
    return type === 'i64' ? values : new BigUint64Array(values.buffer);
  }
  const values = new Float64Array(count);
  decoding(() => native.decodeNumbers(column.codec, column.bytes, values));
  return values;
}

/** Integers with the codec that is shortest, by the addon. */
export function encodeIntegers(values: BigInt64Array): EncodedColumn {
  const bytes = new Uint8Array(integersBoundBytes(values.length));
  const codecAndLength = native.encodeIntegers(values, bytes, 0);
  return {
    codec: Math.floor(codecAndLength / CODEC_UNIT),
    bytes: bytes.slice(0, codecAndLength % CODEC_UNIT),
  };
}

/** @param count of values; bounded by the caller */
export function decodeIntegers(column: EncodedColumn, count: number): BigInt64Array {
  const values = new BigInt64Array(count);
  decoding(() => native.decodeIntegers(column.codec, column.bytes, values));
  return values;
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
  const codec = INTEGER_CODECS.find(({ id }) => id === column.codec);
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

function encodeFloats(type: FloatType, values: Float64Array): EncodedColumn {
  let best: EncodedColumn | undefined;
  for (const codec of FLOAT_CODECS) {
    const bytes = codec.encode(values, type);
    if (bytes === undefined) continue;
    if (best === undefined || bytes.length < best.bytes.length) best = { codec: codec.id, bytes };
  }
  assert(best !== undefined, 'raw takes every column');
  return best;
}

function decodeFloats(type: FloatType, column: EncodedColumn, count: number): Float64Array {
  const codec = FLOAT_CODECS.find(({ id }) => id === column.codec);
  if (codec === undefined) throw damaged(`column: codec ${column.codec} is not one for floats`);
  const values = new Float64Array(count);
  codec.decode(column.bytes, values, type);
  return values;
}

function integersOf(values: Column): BigInt64Array {
  if (values instanceof BigInt64Array) return values;
  if (values instanceof BigUint64Array) {
    return new BigInt64Array(values.buffer, values.byteOffset, values.length);
  }
  return BigInt64Array.from(values as unknown as bigint[], (value) => BigInt(value));
}

function decodeRawIntegers(
  type: Exclude<ValueType, FloatType>,
  bytes: Uint8Array,
  count: number,
): Column {
  const TypedArray = RAW_ARRAYS[type];
  if (bytes.length !== count * TypedArray.BYTES_PER_ELEMENT) {
    throw damaged(`raw column: ${bytes.length} bytes for ${count} values of ${type}`);
  }
  const values = new TypedArray(bytes.slice().buffer);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return values;
  return Float64Array.from(values as ArrayLike<number>);
}

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

/** The addon knows nothing of our codes: what it refuses is a damaged column. */
function decoding(decode: () => void): void {
  try {
    decode();
  } catch (error) {
    throw damaged(`column: ${(error as Error).message}`);
  }
}
