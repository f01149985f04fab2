/** Codec 2: the values themselves, in blocks. For what jumps about within narrow bounds. */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { decodeBlocks, encodeBlocks } from './block.ts';
import { CODEC } from './column.ts';
import type { IntegerCodec } from './column.ts';

export const pfor: IntegerCodec = {
  id: CODEC.pfor,
  name: 'pfor',

  encode(values) {
    const writer = new ByteWriter();
    encodeBlocks(writer, values);
    return writer.finish();
  },

  decode(bytes, values) {
    const reader = new ByteReader(bytes, 'pfor column');
    decodeBlocks(reader, values);
    reader.end();
  },
};
