/**
 * Encoded columns of one channel, copied one behind the other, until all of them become one.
 * Sealing joins a hundred thousand short ones per second: here each is three numbers and its
 * bytes, and they are joined in one call.
 */
import { ByteWriter } from '../base/bytes.ts';
import { CODEC, type EncodedColumn } from './column.ts';

/** Numbers of a part: codec, bytes, values. */
const PART_NUMBERS = 3;
const FIRST_PARTS = 16;

export class ColumnParts {
  readonly #bytes = new ByteWriter();
  #parts = new Uint32Array(FIRST_PARTS * PART_NUMBERS);
  #used = 0;
  /** of all of them together */
  values = 0;
  /** one of them is of the codec `raw`, which is decoded by the type of its channel */
  hasRaw = false;

  /** @param values how many it stands for; bounded by the caller */
  add({ codec, bytes }: EncodedColumn, values: number): void {
    if (this.#used === this.#parts.length) {
      const larger = new Uint32Array(2 * this.#used);
      larger.set(this.#parts);
      this.#parts = larger;
    }
    this.#bytes.put(bytes);
    this.#parts[this.#used] = codec;
    this.#parts[this.#used + 1] = bytes.length;
    this.#parts[this.#used + 2] = values;
    this.#used += PART_NUMBERS;
    this.values += values;
    this.hasRaw ||= codec === CODEC.raw;
  }

  /** Of each: codec, bytes, values. A view. */
  get parts(): Uint32Array {
    return this.#parts.subarray(0, this.#used);
  }

  /** All of them; none is added after it. */
  bytes(): Uint8Array {
    return this.#bytes.finish();
  }

  *[Symbol.iterator](): Generator<EncodedColumn & { values: number }> {
    const all = this.bytes();
    let start = 0;
    for (let at = 0; at < this.#used; at += PART_NUMBERS) {
      const [codec, length, values] = this.#parts.subarray(at, at + PART_NUMBERS);
      const bytes = all.subarray(start, (start += length!));
      yield { codec: codec!, bytes, values: values! };
    }
  }
}
