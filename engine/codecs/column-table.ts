/**
 * Encoded columns of several streams' batches, flush by flush, until those of one channel become
 * one. Sealing joins hundreds of thousands of short ones per second: here a batch is a few numbers
 * and its bytes, both behind those of the batch before, whatever stream that is of. Columns are
 * joined in one call, which goes from flush to flush.
 *
 *   flush   row of the first stream · row of the second …, always in the same order
 *   row     first byte · values · of each column: codec × 2^24 + bytes
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import { CODEC, type EncodedColumn } from './column.ts';

/** A column of one flush is shorter than this. */
export const COLUMN_BYTES_END = 2 ** 24;
const FIRST_FLUSHES = 4;
/** First byte and values. */
const ROW_HEAD = 2;

/** The columns of a flush where they lie: those of a batch one behind the other. */
export interface FlushColumns {
  payloads: Uint8Array;
  /** of each batch: the first byte of its columns */
  starts: Uint32Array;
  /** of each column of each batch: codec × 2^24 + bytes */
  heads: Uint32Array;
}

/** All columns of one channel. */
export interface ChannelColumns {
  /** the table */
  rows: Uint32Array;
  /** the stream's first row, and how far it is from each to the next */
  first: number;
  stride: number;
  channel: number;
  /** of all columns */
  memory: Uint8Array;
}

export class ColumnTable {
  /** of each stream its channels, and where its row is among those of a flush */
  readonly #streams: readonly { channels: number; first: number }[];
  readonly #stride: number;
  #rows: Uint32Array;
  #used = 0;
  readonly #memory = new ByteWriter();

  /** @param channels of each stream */
  constructor(channels: readonly number[]) {
    let stride = 0;
    this.#streams = channels.map((count) => {
      const first = stride;
      stride += ROW_HEAD + count;
      return { channels: count, first };
    });
    this.#stride = stride;
    this.#rows = new Uint32Array(FIRST_FLUSHES * stride);
  }

  /**
   * The batch of the next stream; behind the last stream comes the first one's next.
   * @param values of each column; bounded by the caller
   */
  add(columns: readonly EncodedColumn[], values: number): void {
    this.#reserve();
    this.#rows[this.#used++] = this.#memory.length;
    this.#rows[this.#used++] = values;
    for (const { codec, bytes } of columns) {
      assert(bytes.length < COLUMN_BYTES_END, 'a column fits in a group of the log');
      this.#rows[this.#used++] = codec * COLUMN_BYTES_END + bytes.length;
      this.#memory.put(bytes);
    }
  }

  /** The next batch of all streams, each of `values` rows. */
  addFlush({ payloads, starts, heads }: FlushColumns, values: number): void {
    this.#reserve();
    const rows = this.#rows;
    let column = 0;
    for (let i = 0; i < this.#streams.length; i++) {
      const start = starts[i]!;
      let end = start;
      rows[this.#used++] = this.#memory.length;
      rows[this.#used++] = values;
      for (let left = this.#streams[i]!.channels; left > 0; left--) {
        const head = heads[column++]!;
        rows[this.#used++] = head;
        end += head % COLUMN_BYTES_END;
      }
      this.#memory.putPart(payloads, start, end);
    }
  }

  /** @param stream by its place; nothing is added after it */
  of(stream: number, channel: number): ChannelColumns {
    const { first } = this.#streams[stream]!;
    const rows = this.#rows.subarray(0, this.#used);
    return { rows, first, stride: this.#stride, channel, memory: this.#memory.finish() };
  }

  /** Room for a flush. */
  #reserve(): void {
    if (this.#used + this.#stride <= this.#rows.length) return;
    const larger = new Uint32Array(2 * this.#rows.length + this.#stride);
    larger.set(this.#rows);
    this.#rows = larger;
  }
}

/** One after the other, with how many values each has. */
export function* columnsOf({
  rows,
  first,
  stride,
  channel,
  memory,
}: ChannelColumns): Generator<EncodedColumn & { values: number }> {
  for (let row = first; row < rows.length; row += stride) {
    let start = rows[row]!;
    const heads = row + ROW_HEAD;
    for (let i = 0; i < channel; i++) start += rows[heads + i]! % COLUMN_BYTES_END;
    const head = rows[heads + channel]!;
    const bytes = memory.subarray(start, start + (head % COLUMN_BYTES_END));
    yield { codec: Math.floor(head / COLUMN_BYTES_END), bytes, values: rows[row + 1]! };
  }
}

/** Is one of them of the codec `raw`, which is decoded by the type of its channel? */
export function hasRaw({ rows, first, stride, channel }: ChannelColumns): boolean {
  const head = ROW_HEAD + channel;
  for (let row = first; row < rows.length; row += stride) {
    if (Math.floor(rows[row + head]! / COLUMN_BYTES_END) === CODEC.raw) return true;
  }
  return false;
}
