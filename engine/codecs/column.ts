/** What all codecs share: ids, limits, and the two shapes of a codec. See `codec.ts`. */

/** Ids are part of the format and never reused. */
export const CODEC = {
  constant: 1,
  pfor: 2,
  deltaPfor: 3,
  delta2Pfor: 4,
  scaled: 5,
  shuffleLz4: 6,
  raw: 7,
  rans: 8,
  deltaRans: 9,
  delta2Rans: 10,
} as const;

/** Values of one block: the widths of its packing adapt to the signal this often. */
export const BLOCK_VALUES = 128;

export interface EncodedColumn {
  codec: number;
  bytes: Uint8Array;
}

/** Integers as they lie in memory: those of at most 53 bits also as doubles. */
export type Integers = BigInt64Array | Float64Array;

/** 64-bit two's complement integers ↔ bytes. */
export interface IntegerCodec {
  readonly id: number;
  readonly name: string;
  /** The column's bytes, or undefined if these values are not for this codec. */
  encode(values: BigInt64Array): Uint8Array | undefined;
  /** Fills `values`. Throws DAMAGED unless the bytes are exactly a column of that many values. */
  decode(bytes: Uint8Array, values: BigInt64Array): void;
}

export type FloatType = 'f32' | 'f64';

/** Doubles (of type f32: doubles that are floats) → bytes. */
export interface FloatEncoder {
  readonly id: number;
  readonly name: string;
  /** @param encodeInner for the integers of `scaled`; the log's choice if left out */
  encode(
    values: Float64Array,
    type: FloatType,
    encodeInner?: (integers: Integers) => EncodedColumn,
  ): Uint8Array | undefined;
}

/** And back, bit for bit. */
export interface FloatCodec extends FloatEncoder {
  decode(bytes: Uint8Array, values: Float64Array, type: FloatType): void;
}

/** The most bytes codecs 1–4 may touch for `count` values: first values, whole blocks, slack. */
export function integersBoundBytes(count: number): number {
  return 20 + Math.ceil(count / BLOCK_VALUES) * (11 + 8 * BLOCK_VALUES) + 8;
}

/** The most bytes codecs 8–10 may touch: tables, a word and 60 raw bits for each value. */
export function denseBoundBytes(count: number): number {
  return 40 + 16 + 8 * 992 + count * 10;
}
