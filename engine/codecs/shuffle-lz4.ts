/**
 * Codec 6: all first bytes of the values, then all second bytes …, compressed with lz4: signs and
 * exponents of neighbouring floats are alike, mantissas are not.
 */
import lz4 from 'lz4-napi';
import { damaged } from '../base/bytes.ts';
import { CODEC } from './column.ts';
import type { FloatCodec } from './column.ts';
import { bytesToFloats, floatBytes, floatsToBytes } from './raw.ts';

const LZ4_SIZE_BYTES = 4;

export const shuffleLz4: FloatCodec = {
  id: CODEC.shuffleLz4,
  name: 'shuffle-lz4',

  encode(values, type) {
    return lz4.compressSync(Buffer.from(transpose(floatsToBytes(values, type), floatBytes(type))));
  },

  decode(bytes, values, type) {
    const width = floatBytes(type);
    const shuffled = uncompress(bytes, values.length * width, 'shuffle-lz4 column');
    bytesToFloats(transpose(shuffled, values.length), values, type);
  },
};

/**
 * Undoes one lz4 block with its 4-byte size in front. The size is checked first: the library
 * would allocate whatever a forged one says.
 */
export function uncompress(bytes: Uint8Array, rawBytes: number, what: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LZ4_SIZE_BYTES || view.getUint32(0, true) !== rawBytes) {
    throw damaged(`${what}: compressed from another length than ${rawBytes} bytes`);
  }
  const raw = uncompressBlock(bytes, what);
  if (raw.length !== rawBytes) throw damaged(`${what}: ${raw.length} bytes, not ${rawBytes}`);
  return raw;
}

function uncompressBlock(bytes: Uint8Array, what: string): Uint8Array {
  try {
    return lz4.uncompressSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch {
    throw damaged(`${what}: not lz4`);
  }
}

/** Rows of `columns` bytes, read column by column; with the other dimension it undoes itself. */
function transpose(bytes: Uint8Array, columns: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  let at = 0;
  for (let column = 0; column < columns; column++) {
    for (let from = column; from < bytes.length; from += columns) result[at++] = bytes[from]!;
  }
  return result;
}
