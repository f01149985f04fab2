/**
 * A column as an input of the corpus, which `native/test/fuzz_test.cc` reads as well:
 *
 *   u8 codec, u8 kind, u16 LE count, bytes
 *
 * `kind` is an index into FLOATS, 0 for integers; of the count only the lower 12 bits are taken.
 */
import type { EncodedColumn } from '../../engine/codecs/codec.ts';

export const FLOATS = ['f64', 'f32'] as const;
const HEAD_BYTES = 4;
/** Of values: the reference takes its time. */
const COUNT_END = 4096;

export interface ColumnInput extends EncodedColumn {
  kind: number;
  count: number;
}

export function columnInput({ codec, kind, count, bytes }: ColumnInput): Uint8Array {
  return Uint8Array.from([codec, kind, count & 0xff, count >> 8, ...bytes]);
}

/** @returns undefined for an input that is too short to be one */
export function columnOfInput(input: Uint8Array): ColumnInput | undefined {
  if (input.length < HEAD_BYTES) return undefined;
  const [codec, kind, low, high] = input as unknown as [number, number, number, number];
  return {
    codec,
    kind: kind % FLOATS.length,
    count: (low + 256 * high) % COUNT_END,
    bytes: input.slice(4),
  };
}
