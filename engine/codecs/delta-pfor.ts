/**
 * Codec 3: differences in blocks, for counters and slow signals. Codec 4: differences of the
 * differences, for what grows steadily. Differences wrap modulo 2^64, so every value is possible.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { decodeBlocks, encodeBlocks } from './block.ts';
import { CODEC } from './column.ts';
import type { IntegerCodec } from './column.ts';

export const deltaPfor: IntegerCodec = {
  id: CODEC.deltaPfor,
  name: 'delta-pfor',
  encode: (values) => encodeDifferences(values, 1),
  decode: (bytes, values) => decodeDifferences(bytes, values, 1),
};

export const delta2Pfor: IntegerCodec = {
  id: CODEC.delta2Pfor,
  name: 'delta2-pfor',
  encode: (values) => encodeDifferences(values, 2),
  decode: (bytes, values) => decodeDifferences(bytes, values, 2),
};

/** Each order of differences writes its own first value and leaves one value fewer. */
function encodeDifferences(values: BigInt64Array, order: number): Uint8Array | undefined {
  if (values.length < order) return undefined;
  const writer = new ByteWriter();
  let rest = values;
  for (let i = 0; i < order; i++) {
    writer.svarint(rest[0]!);
    rest = differencesOf(rest);
  }
  encodeBlocks(writer, rest);
  return writer.finish();
}

export function differencesOf(values: BigInt64Array): BigInt64Array {
  const result = new BigInt64Array(values.length - 1);
  for (let i = 0; i < result.length; i++) result[i] = values[i + 1]! - values[i]!;
  return result;
}

function decodeDifferences(bytes: Uint8Array, values: BigInt64Array, order: number): void {
  const reader = new ByteReader(bytes, 'delta column');
  if (values.length < order) throw reader.fail(`a delta column of ${values.length} values`);
  for (let i = 0; i < order; i++) values[i] = reader.svarint();
  decodeBlocks(reader, values.subarray(order));
  reader.end();
  sumUp(values, order);
}

/** Undoes `order` rounds of differences; values[i], i < order, is the first value of round i. */
export function sumUp(values: BigInt64Array, order: number): void {
  for (let first = order - 1; first >= 0; first--) {
    for (let i = first + 1; i < values.length; i++) values[i] = values[i]! + values[i - 1]!;
  }
}
