/**
 * Memory for arrays of 64-bit values, taken again for each batch: who reads batch after batch and
 * keeps none of them has no array made, zeroed and collected for each, and works in memory that the
 * processor still has in its cache.
 */
export class ArrayPool {
  readonly #buffers: ArrayBuffer[] = [];
  #taken = 0;

  /** Every array that was taken may be overwritten from now on. */
  reuse(): void {
    this.#taken = 0;
  }

  /** At least `bytes` of memory that holds anything. */
  take(bytes: number): ArrayBuffer {
    const index = this.#taken++;
    const known = this.#buffers[index];
    if (known && known.byteLength >= bytes) return known;
    return (this.#buffers[index] = new ArrayBuffer(bytes));
  }
}

interface Array64<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): T;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

/** @param pool where it is taken from; it then holds anything, else zeros */
export function newArray<T>(TypedArray: Array64<T>, length: number, pool?: ArrayPool): T {
  if (pool === undefined) return new TypedArray(length);
  return new TypedArray(pool.take(length * TypedArray.BYTES_PER_ELEMENT), 0, length);
}
