/**
 * Writes one chunk: blocks stream by stream, their directories, the table, the trailer. Blocks are
 * loaded one by one from wherever they are; the file is written from front to back, once.
 */
import { crc32c } from '../../base/crc32c.ts';
import { chunkHeadEntry, type ChunkHead } from '../entries/control-entries.ts';
import type { Block } from './blocks.ts';
import {
  CHUNK_TRAILER_BYTES,
  NO_NANOS,
  NO_PLACE,
  chunkName,
  encodeDirectory,
  encodeHeader,
  encodeTable,
  encodeTrailer,
  greatestNanos,
  leastNanos,
  type ChunkHeader,
  type Place,
  type TableRow,
} from './format.ts';
import type { Load } from './scratch.ts';
import { commitChecked, type ChunkPlace, type ChunkSink, type ChunkSource } from './place.ts';

/** A stream as it is at the end of the chunk, and what the chunk holds of it. */
export interface ChunkStream {
  id: number;
  nextOffset: number;
  /** as in the table */
  latestNanos: bigint;
  blocks: readonly Block[];
  /** what its blocks need to be understood; absent where there are none */
  head?: ChunkHead;
}

/**
 * @param pause called before each block
 * @returns the size of the file, which is whole and durable under its name
 */
export async function writeChunk(
  place: ChunkPlace,
  header: ChunkHeader,
  streams: readonly ChunkStream[],
  check: (source: ChunkSource) => Promise<void>,
  pause: () => Promise<void>,
): Promise<number> {
  const name = chunkName(header);
  const sink = await place.put(name);
  try {
    await new ChunkWriter(sink, pause).write(header, streams);
    const { bytes } = sink;
    await commitChecked(place, name, sink, check);
    return bytes;
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

class ChunkWriter {
  readonly #sink: ChunkSink;
  readonly #pause: () => Promise<void>;
  /** times blocks that are in the file already */
  readonly #times = new Map<Load, Place>();

  constructor(sink: ChunkSink, pause: () => Promise<void>) {
    this.#sink = sink;
    this.#pause = pause;
  }

  async write(header: ChunkHeader, streams: readonly ChunkStream[]): Promise<void> {
    await this.#sink.write(encodeHeader(header));
    const rows: TableRow[] = [];
    for (const stream of streams) rows.push(await this.#blocks(stream));
    for (const [i, row] of rows.entries()) await this.#directory(streams[i]!, row);
    const bytes = encodeTable(rows);
    const table = await this.#put(bytes);
    const trailer = encodeTrailer({
      table,
      fileBytes: this.#sink.bytes + CHUNK_TRAILER_BYTES,
      firstNanos: rows.reduce((least, row) => leastNanos(least, row.firstNanos), NO_NANOS),
      lastNanos: rows.reduce((most, row) => greatestNanos(most, row.lastNanos), NO_NANOS),
    });
    await this.#sink.write(trailer);
  }

  async #blocks({ id, nextOffset, latestNanos, blocks }: ChunkStream): Promise<TableRow> {
    const from = this.#sink.bytes;
    for (const { row, load, times } of blocks) {
      await this.#pause();
      row.times = times ? await this.#timesPlace(times) : NO_PLACE;
      row.place = await this.#put(await load());
    }
    return {
      stream: id,
      nextOffset,
      directory: { ...NO_PLACE },
      firstOffset: blocks[0]?.row.firstOffset ?? nextOffset,
      bytes: this.#sink.bytes - from,
      firstNanos: blocks.reduce((least, { row }) => leastNanos(least, row.firstNanos), NO_NANOS),
      lastNanos: blocks.reduce((most, { row }) => greatestNanos(most, row.lastNanos), NO_NANOS),
      latestNanos,
    };
  }

  async #timesPlace(times: Load): Promise<Place> {
    const known = this.#times.get(times);
    if (known) return known;
    const place = await this.#put(await times());
    this.#times.set(times, place);
    return place;
  }

  async #directory({ blocks, head }: ChunkStream, row: TableRow): Promise<void> {
    if (blocks.length === 0 || head === undefined) return;
    const rows = blocks.map((block) => block.row);
    const directory = encodeDirectory(chunkHeadEntry.encode(head), rows);
    row.directory = await this.#put(directory);
    row.bytes += directory.length;
  }

  async #put(bytes: Uint8Array): Promise<Place> {
    const place = { at: this.#sink.bytes, length: bytes.length, crc: crc32c(bytes) };
    await this.#sink.write(bytes);
    return place;
  }
}
