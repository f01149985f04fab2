/** Columns of integers by the addon: what runs. The codecs in TypeScript are its reference. */
import { damaged } from '../base/bytes.ts';
import { native } from '../../native/index.ts';
import { denseBoundBytes, integersBoundBytes } from './column.ts';
import type { EncodedColumn, Integers } from './column.ts';

const CODEC_UNIT = 2 ** 32;

/** With the one of codecs 1–4 that the format prescribes: the log's choice. */
export function encodeIntegers(values: Integers): EncodedColumn {
  const bytes = new Uint8Array(integersBoundBytes(values.length));
  return columnOf(native.encodeIntegers(values, bytes, 0), bytes);
}

/** With the one of codecs 8–10 that needs least. */
export function encodeDense(values: Integers): EncodedColumn {
  const bytes = new Uint8Array(denseBoundBytes(values.length));
  return columnOf(native.encodeDense(values, bytes, 0), bytes);
}

/** Fills `into`, as integers or as doubles. @throws HelicorderError DAMAGED */
export function decodeInto({ codec, bytes }: EncodedColumn, into: Integers): void {
  try {
    if (into instanceof Float64Array) native.decodeNumbers(codec, bytes, into);
    else native.decodeIntegers(codec, bytes, into);
  } catch (error) {
    // the addon knows nothing of our codes: what it refuses is a damaged column
    throw damaged(`column: ${(error as Error).message}`);
  }
}

/**
 * Fills `into` from columns that lie one after the other in `bytes`, in one call.
 * @param parts of each its codec, bytes and values
 * @throws HelicorderError DAMAGED
 */
export function decodePartsInto(parts: Uint32Array, bytes: Uint8Array, into: Integers): void {
  try {
    native.decodeParts(parts, bytes, into);
  } catch (error) {
    throw damaged(`joined columns: ${(error as Error).message}`);
  }
}

function columnOf(codecAndLength: number, bytes: Uint8Array): EncodedColumn {
  return {
    codec: Math.floor(codecAndLength / CODEC_UNIT),
    bytes: bytes.slice(0, codecAndLength % CODEC_UNIT),
  };
}
