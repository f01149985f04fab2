/** Columns of integers by the addon: what runs. The codecs in TypeScript are its reference. */
import { damaged } from '../base/bytes.ts';
import { native } from '../../native/index.ts';
import { CODEC, denseBoundBytes, integersBoundBytes } from './column.ts';
import type { EncodedColumn, Integers } from './column.ts';
import type { ChannelColumns } from './column-table.ts';

const CODEC_UNIT = 2 ** 32;

/** With the one of codecs 1–4 that the format prescribes: the log's choice. */
export function encodeIntegers(values: Integers): EncodedColumn {
  const out = scratchOf(integersBoundBytes(values.length));
  return columnOf(native.encodeIntegers(values, out, 0), out);
}

/**
 * The same in fewer bytes: by the log's choice or with a dense codec, whichever is shorter; by the
 * former where they are equally long.
 */
export function encodeIntegersDense(values: Integers): EncodedColumn {
  const out = scratchOf(denseBoundBytes(values.length));
  return columnOf(native.encodeShorter(values, out, 0), out);
}

/** With the one of codecs 8–10 that needs least: what tests hold against its reference. */
export function encodeDense(values: Integers): EncodedColumn {
  const out = scratchOf(denseBoundBytes(values.length));
  return columnOf(native.encodeDense(values, out, 0), out);
}

/** Fills `into`, as integers or as doubles. @throws HelicorderError DAMAGED */
export function decodeInto({ codec, bytes }: EncodedColumn, into: Integers): void {
  orDamaged('column', () => {
    if (into instanceof Float64Array) native.decodeNumbers(codec, bytes, into);
    else native.decodeIntegers(codec, bytes, into);
  });
}

/** A column, and where its values go: as integers, or as doubles. */
export interface IntegerPlace {
  column: EncodedColumn;
  into: Integers;
}

/** As `decodeInto` of each, but two dense ones take little longer than one. */
export function decodeAllInto(places: readonly IntegerPlace[]): void {
  const dense = places.filter(({ column }) => column.codec >= CODEC.rans);
  const others =
    dense.length < 2 ? places : places.filter(({ column }) => column.codec < CODEC.rans);
  for (const { column, into } of others) decodeInto(column, into);
  if (dense.length < 2) return;
  orDamaged('column', () => {
    native.decodeDense(
      dense.map(({ column }) => column.codec),
      dense.map(({ column }) => column.bytes),
      dense.map(({ into }) => into),
    );
  });
}

/** The addon knows nothing of our codes: what it refuses is damaged. */
function orDamaged<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw damaged(`${what}: ${(error as Error).message}`);
  }
}

/**
 * Columns of integers as one, in one call, as `encodeIntegersDense` gives it.
 * @param values of all of them
 * @throws HelicorderError DAMAGED
 */
export function joinIntegers(columns: ChannelColumns, values: number): EncodedColumn {
  const out = scratchOf(denseBoundBytes(values));
  const { rows, first, stride, channel, memory } = columns;
  return orDamaged('joined columns', () =>
    columnOf(native.joinColumns(rows, first, stride, channel, memory, values, out), out),
  );
}

/** What a column is encoded into before it is copied: its bound is many times its length. */
let scratch = new Uint8Array(0);

function scratchOf(bytes: number): Uint8Array {
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);
  return scratch;
}

function columnOf(codecAndLength: number, bytes: Uint8Array): EncodedColumn {
  return {
    codec: Math.floor(codecAndLength / CODEC_UNIT),
    bytes: bytes.slice(0, codecAndLength % CODEC_UNIT),
  };
}
