/** Codec 1: all values are equal; the column is one svarint. */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CODEC } from './column.ts';
import type { IntegerCodec } from './column.ts';

export const constant: IntegerCodec = {
  id: CODEC.constant,
  name: 'constant',

  encode(values) {
    const value = values[0];
    if (value === undefined || values.some((other) => other !== value)) return undefined;
    const writer = new ByteWriter();
    writer.svarint(value);
    return writer.finish();
  },

  decode(bytes, values) {
    const reader = new ByteReader(bytes, 'constant column');
    if (values.length > 0) values.fill(reader.svarint());
    reader.end();
  },
};
