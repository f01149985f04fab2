/** Codec 7: little-endian values in the channel's own width: what nothing else makes shorter. */
import { damaged } from '../base/bytes.ts';
import { CODEC } from './column.ts';
import type { FloatCodec, FloatType } from './column.ts';

export const raw: FloatCodec = {
  id: CODEC.raw,
  name: 'raw',
  encode: floatsToBytes,

  decode(bytes, values, type) {
    if (bytes.length !== values.length * floatBytes(type)) {
      throw damaged(`raw column: ${bytes.length} bytes for ${values.length} values of ${type}`);
    }
    bytesToFloats(bytes, values, type);
  },
};

export function floatBytes(type: FloatType): number {
  return type === 'f32' ? 4 : 8;
}

export function floatsToBytes(values: Float64Array, type: FloatType): Uint8Array {
  const typed = type === 'f32' ? Float32Array.from(values) : Float64Array.from(values);
  return new Uint8Array(typed.buffer);
}

/** @param bytes exactly as many as `values` needs; they need not be aligned */
export function bytesToFloats(bytes: Uint8Array, values: Float64Array, type: FloatType): void {
  const aligned = bytes.slice().buffer;
  values.set(type === 'f32' ? new Float32Array(aligned) : new Float64Array(aligned));
}
