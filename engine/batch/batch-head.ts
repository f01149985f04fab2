/**
 * The fixed part of a batch entry, read in place: one object for all batches of a group (a
 * flyweight, in Aeron's word), where a thousand of them come at each flush.
 */
import { COLUMN_BYTES_END } from '../codecs/codec.ts';
import { BATCH_VERSION, MAGIC, ROWS_MAX } from './format.ts';

const NONE = -1;
/** What is added up in whole numbers of 32 bits. */
const SMALL_BITS = 28;
const FIRST_COLUMNS = 16;

export class BatchHead {
  timesDistance = 0;
  run = 0;
  firstSeq = 0;
  firstOffset = 0;
  ordinal = 0;
  samples = 0;
  columns = 0;
  /** of each column: codec × 2^24 + bytes */
  columnHeads = new Uint32Array(FIRST_COLUMNS);
  /** where the bytes of the first column begin; the others' follow */
  columnsStart = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /**
   * Reads the entry whose payload is `length` bytes from `start` on.
   * @returns false if `decodeBatch` has to say what it is: it is damaged, or has failed ranges
   */
  read(bytes: Uint8Array, start: number, length: number): boolean {
    if (!this.#begin(bytes, start, length)) return false;
    this.timesDistance = this.#count();
    this.run = this.#count();
    this.firstSeq = this.#count();
    this.firstOffset = this.#count();
    this.ordinal = this.#count();
    this.samples = this.#count();
    const failed = this.#count();
    // what cannot be read leaves NONE in all behind it
    return failed === 0 && this.timesDistance > 0 && this.samples <= ROWS_MAX && this.#isWhole();
  }

  #begin(bytes: Uint8Array, start: number, length: number): boolean {
    this.#bytes = bytes;
    this.#at = start + 2;
    this.#end = start + length;
    return length >= 2 && bytes[start] === MAGIC.batch && bytes[start + 1] === BATCH_VERSION;
  }

  /** The run alone. @returns undefined if it is damaged */
  readRun(bytes: Uint8Array, start: number, length: number): number | undefined {
    if (!this.#begin(bytes, start, length)) return undefined;
    this.#count();
    const run = this.#count();
    return run === NONE ? undefined : run;
  }

  /** Do the columns end where the entry does? */
  #isWhole(): boolean {
    let columnBytes = 0;
    this.columns = this.#count();
    if (this.columns === NONE || this.columns > (this.#end - this.#at) / 2) return false;
    const heads = this.#headsOf(this.columns);
    for (let i = 0; i < this.columns; i++) {
      const codec = this.#bytes[this.#at++]!;
      const bytes = this.#count();
      if (bytes === NONE || bytes >= COLUMN_BYTES_END) return false;
      heads[i] = codec * COLUMN_BYTES_END + bytes;
      columnBytes += bytes;
    }
    this.columnsStart = this.#at;
    return this.#at + columnBytes === this.#end;
  }

  #headsOf(columns: number): Uint32Array {
    if (this.columnHeads.length < columns) this.columnHeads = new Uint32Array(2 * columns);
    return this.columnHeads;
  }

  /** A number below 2^53, or NONE. */
  #count(): number {
    let value = 0;
    for (let shift = 0; shift < SMALL_BITS && this.#at < this.#end; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return this.#restOf(value);
  }

  /** Of a number that 32 bits may not hold: what follows on its first bytes. */
  #restOf(first: number): number {
    let value = first;
    for (let unit = 2 ** SMALL_BITS; this.#at < this.#end; unit *= 128) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
    }
    this.#at = this.#end;
    return NONE;
  }
}
