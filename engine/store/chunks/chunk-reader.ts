/**
 * Reads one chunk: its table, the directory of a stream, and the records of its blocks as the log
 * would have given them. Everything is checked before it is believed; what does not hold is
 * DAMAGED, with the file and the range in the error's details.
 *
 * Three reads find a stream (trailer, table, directory), one or two more give a block.
 */
import { HelicorderError, errnoCode, ioError, isCode } from '../../base/errors.ts';
import { decodeBatch, decodeTimes } from '../../batch/format.ts';
import { chunkHeadEntry, type ChunkHead } from '../entries/control-entries.ts';
import { batchItem, standaloneItem } from '../entries/data.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { ControlState } from '../state/state.ts';
import {
  BLOCK_KIND,
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  NO_NANOS,
  checkPlace,
  chunkName,
  decodeDirectory,
  decodeHeader,
  decodeTable,
  decodeTrailer,
  rangeOfName,
  type BlockRow,
  type ChunkHeader,
  type ChunkRange,
  type ChunkTable,
  type ChunkTrailer,
  type Place,
  type TableRow,
} from './format.ts';
import { mayRead, type ChunkOwner } from './owner.ts';
import { decodePack } from './pack.ts';
import type { ChunkPlace, ChunkSource } from './place.ts';

export interface StreamDirectory extends ChunkHead {
  blocks: BlockRow[];
}

export class ChunkReader {
  readonly path: string;
  readonly header: ChunkHeader;
  readonly trailer: ChunkTrailer;
  readonly table: ChunkTable;
  readonly #source: ChunkSource;
  /** the times block read last: the batches of a rate group follow each other */
  #times: { at: number; bytes: Uint8Array } | undefined;

  private constructor(
    path: string,
    source: ChunkSource,
    header: ChunkHeader,
    trailer: ChunkTrailer,
    table: ChunkTable,
  ) {
    this.path = path;
    this.header = header;
    this.trailer = trailer;
    this.table = table;
    this.#source = source;
  }

  /**
   * @param owner who must be allowed to read it; undefined: that is not known
   * @returns undefined if there is none of this name
   * @throws DAMAGED, FORMAT_VERSION, STORE_IO, or what the place throws
   */
  static async open(
    place: ChunkPlace,
    name: string,
    owner: ChunkOwner | undefined,
  ): Promise<ChunkReader | undefined> {
    const path = `${place.name}/${name}`;
    const source = await place.open(name).catch((error: unknown) => {
      throw errnoCode(error) === undefined ? error : ioError(error, 'cannot open', path);
    });
    if (source === undefined) return undefined;
    try {
      return await ChunkReader.of(source, place.name, name, owner);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** The same over an open source, which stays the caller's if this throws. */
  static async of(
    source: ChunkSource,
    place: string,
    name: string,
    owner: ChunkOwner | undefined,
  ): Promise<ChunkReader> {
    const path = `${place}/${name}`;
    try {
      const header = decodeHeader(await source.read(0, CHUNK_HEADER_BYTES));
      const end = source.bytes - CHUNK_TRAILER_BYTES;
      const trailer = decodeTrailer(await source.read(Math.max(0, end), CHUNK_TRAILER_BYTES));
      const sound = trailer.fileBytes === source.bytes && chunkName(header) === name;
      if (!sound) throw new HelicorderError('DAMAGED', 'a chunk of another name or length');
      if (owner && !mayRead(owner, header, place)) {
        throw new HelicorderError('DAMAGED', 'a chunk of another store');
      }
      const { at, length } = trailer.table;
      const table = checkPlace(await source.read(at, length), trailer.table, 'table of a chunk');
      return new ChunkReader(path, source, header, trailer, decodeTable(table));
    } catch (error) {
      throw inFile(error, path, 0, source.bytes);
    }
  }

  get range(): ChunkRange {
    return this.header;
  }

  get bytes(): number {
    return this.#source.bytes;
  }

  row(stream: number): TableRow | undefined {
    return this.table.of(stream);
  }

  /**
   * @param state what it says the number means: records of another stream that had it, before
   * damage took what the log said of it, are not the stream's
   * @returns undefined if the chunk holds nothing of the stream
   */
  async directory(
    stream: number,
    state?: Pick<ControlState, 'streams'>,
  ): Promise<StreamDirectory | undefined> {
    const row = this.row(stream);
    if (row === undefined || row.directory.length === 0) return undefined;
    const { head, rows } = decodeDirectory(await this.#read(row.directory, 'directory of a chunk'));
    const directory = { ...chunkHeadEntry.decode(head), blocks: rows };
    const { incarnation } = state?.streams.get(stream) ?? directory.stream;
    return incarnation === directory.stream.incarnation ? directory : undefined;
  }

  /** The records of a block, with the numbers the directory gives it. @throws DAMAGED */
  async items(stream: number, row: BlockRow): Promise<DataItem[]> {
    const bytes = await this.#read(row.place, 'block of a chunk');
    try {
      return row.kind === BLOCK_KIND.pack
        ? decodePack(bytes).map(({ kind, payload }) => standaloneItem(kind, stream, payload))
        : [blockItem(stream, row, await this.timesBytes(row.times), bytes)];
    } catch (error) {
      throw inFile(error, this.path, row.place.at, row.place.length);
    }
  }

  /** The encoded bytes of a block, checked: for those who carry it into another chunk. */
  blockBytes(row: BlockRow): Promise<Uint8Array> {
    return this.#read(row.place, 'block of a chunk');
  }

  async timesBytes(place: Place): Promise<Uint8Array> {
    if (this.#times?.at === place.at) return this.#times.bytes;
    const bytes = await this.#read(place, 'times block of a chunk');
    this.#times = { at: place.at, bytes };
    return bytes;
  }

  async #read(place: Place, what: string): Promise<Uint8Array> {
    try {
      return checkPlace(await this.#source.read(place.at, place.length), place, what);
    } catch (error) {
      throw inFile(error, this.path, place.at, place.length);
    }
  }

  close(): void {
    this.#source.close();
  }
}

function blockItem(
  stream: number,
  row: BlockRow,
  timesBytes: Uint8Array,
  bytes: Uint8Array,
): DataItem {
  const item = batchItem(stream, bytes.length, decodeTimes(timesBytes), decodeBatch(bytes));
  item.firstNanos = row.firstNanos === NO_NANOS ? undefined : row.firstNanos;
  item.lastNanos = row.lastNanos === NO_NANOS ? undefined : row.lastNanos;
  return item;
}

/** The chunk files of a place that count, as one chain; where two overlap the longer one does. */
export function chainOf(names: readonly string[], sealedEnd: number): ChunkRange[] {
  const ranges = names
    .map((name) => rangeOfName(name))
    .filter((range) => range !== undefined && range.end <= sealedEnd) as ChunkRange[];
  ranges.sort((a, b) => a.first - b.first || b.end - a.end);
  const chain: ChunkRange[] = [];
  for (const range of ranges) {
    if (range.first >= (chain.at(-1)?.end ?? 0)) chain.push(range);
  }
  return chain;
}

/** Does what it can: what cannot be read is somebody else's to report. */
export async function skipDamaged(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCode(error, 'DAMAGED')) throw error;
  }
}

function inFile(error: unknown, file: string, offset: number, length: number): unknown {
  if (errnoCode(error) !== undefined)
    return ioError(error, 'cannot read', file, { offset, length });
  if (!isCode(error, 'DAMAGED')) return error;
  if (error.details.file !== undefined) return error;
  const details = { file, offset, length };
  return new HelicorderError('DAMAGED', error.message, { cause: error.cause, details });
}
