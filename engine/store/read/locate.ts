/**
 * Finding a place of a stream: by binary search over the ends of the chunks, and behind them over
 * the beginnings of the segments, both of which say how far the stream had come. The question must
 * be one whose answer, once yes, stays yes: an offset reached, or a greatest time.
 */
import { errnoCode, isCode } from '../../base/errors.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { ChunkSet } from '../chunks/chunk-set.ts';
import type { ChunkRange, TableRow } from '../chunks/format.ts';
import type { StreamSnapshot } from '../entries/control-entries.ts';
import { makeLsn, segmentOf, type Lsn } from '../entries/format.ts';
import { listSegments } from '../log/segment.ts';
import type { StorePaths } from '../log/files.ts';
import { streamAtBeginning, type Stated } from '../state/segment-snapshot.ts';
import type { ControlState } from '../state/state.ts';

/** What is searched, as a reader has it: its state and end may move on meanwhile. */
export interface Searched {
  readonly fs: FileSystem;
  readonly paths: StorePaths;
  readonly chunks: ChunkSet;
  readonly state: ControlState;
  readonly end: Lsn;
}

/** The beginning of a chunk or segment, and the stream's next offset there. */
export interface StreamPlace {
  lsn: Lsn;
  nextOffset: number;
}

/** Has the stream come beyond what is looked for? It had none of it where it is undefined. */
export interface Goal {
  /** by the end of a chunk */
  inChunk: (row: TableRow | undefined) => boolean;
  /** by the beginning of a segment */
  inSegment: (snapshot: StreamSnapshot | undefined) => boolean;
}

/** The last place before what is looked for; its chunk or segment holds it, if anything does. */
export async function locatePlace(
  store: Searched,
  stream: number,
  goal: Goal,
): Promise<StreamPlace> {
  for (;;) {
    const chain = await store.chunks.chain(store.state.sealedEnd);
    const sealed = await locateInChunks(store, chain, stream, goal);
    if (sealed === undefined) continue;
    const place = sealed.isIn ? sealed : locateInLog(store, stream, goal);
    const found = place ?? (await lastBefore(store, chain, stream, goal));
    if (found !== undefined) return found;
  }
}

/**
 * The place is where the chunk before the one that is looked for ends: what is missing between them
 * may hold it. What chunks say of a number in a store that is partial may be of another stream that
 * had it, and lies before all that is the stream's: the place holds, the offset says nothing.
 * @returns `isIn`: a chunk says that it is in chunks; undefined if a chunk has gone meanwhile
 */
async function locateInChunks(
  { chunks, state }: Searched,
  chain: readonly ChunkRange[],
  stream: number,
  { inChunk }: Goal,
): Promise<(StreamPlace & { isIn: boolean }) | undefined> {
  let [low, high] = [0, chain.length];
  let nextOffset = 0;
  let isIn = false;
  while (low < high) {
    const middle = (low + high) >> 1;
    // chunks that cannot be read may hold anything: unless the next one, or the log, says that what
    // is looked for comes later, the search goes to them, and finds the damage
    let at = middle;
    let row = await rowOf(chunks, chain[at]!, stream);
    while (row === 'damaged' && ++at < high) row = await rowOf(chunks, chain[at]!, stream);
    if (row === 'gone') return undefined;
    const isReached = row !== 'damaged' && inChunk(row);
    isIn ||= isReached;
    if (row === 'damaged' || isReached) high = middle;
    else [low, nextOffset] = [at + 1, row?.nextOffset ?? 0];
  }
  const lsn = chain[low - 1]?.end ?? makeLsn(1, 0);
  return { lsn, nextOffset: state.isPartial ? 0 : nextOffset, isIn };
}

/**
 * Where neither chunks nor log say that it is theirs: chunks that do not know the stream, since
 * they were made of damaged snapshots, have misled the search. What is looked for comes behind the
 * last one that says it has not come so far. @returns undefined if a chunk has gone meanwhile
 */
async function lastBefore(
  { chunks, state }: Searched,
  chain: readonly ChunkRange[],
  stream: number,
  { inChunk }: Goal,
): Promise<StreamPlace | undefined> {
  for (const range of chain.toReversed()) {
    const row = await rowOf(chunks, range, stream);
    if (row === 'gone') return undefined;
    if (row === undefined || row === 'damaged' || inChunk(row)) continue;
    return { lsn: range.end, nextOffset: state.isPartial ? 0 : row.nextOffset };
  }
  return { lsn: makeLsn(1, 0), nextOffset: 0 };
}

async function rowOf(
  chunks: ChunkSet,
  range: ChunkRange,
  stream: number,
): Promise<TableRow | undefined | 'damaged' | 'gone'> {
  try {
    const found = await chunks.use(range, (chunk) => ({ row: chunk.row(stream) }));
    return found === undefined ? 'gone' : found.row;
  } catch (error) {
    if (isUnreadable(error)) return 'damaged';
    throw error;
  }
}

/** @returns undefined if none is known to begin before it: what did has been sealed, or is lost */
function locateInLog(
  store: Searched,
  stream: number,
  { inSegment }: Goal,
): StreamPlace | undefined {
  const { fs, paths, state, end } = store;
  const [first, last] = [segmentOf(state.sealedEnd), segmentOf(end)];
  const numbers = listSegments(fs, paths.log).filter((number) => number >= first && number <= last);
  let best: StreamPlace | undefined;
  let low = 0;
  let high = numbers.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = streamAtOrBefore(store, numbers, middle, stream);
    if (found === undefined || !inSegment(found.value)) {
      const nextOffset = found?.value?.nextOffset ?? 0;
      if (found) best = { lsn: makeLsn(found.segment, 0), nextOffset };
      low = middle + 1;
    } else {
      high = middle - 1;
    }
  }
  return best;
}

/** Where a snapshot cannot be read, the one before it counts. */
function streamAtOrBefore(
  store: Searched,
  numbers: readonly number[],
  index: number,
  stream: number,
): (Stated<StreamSnapshot> & { segment: number }) | undefined {
  for (let i = index; i >= 0; i--) {
    const segment = numbers[i]!;
    const stated = streamIfThere(store, segment, stream);
    if (stated) return { ...stated, segment };
  }
  return undefined;
}

/** What has gone since it was listed is sealed, and those before it are; or it cannot be read. */
function streamIfThere(
  { fs, paths, end }: Searched,
  segment: number,
  stream: number,
): Stated<StreamSnapshot> | undefined {
  try {
    return streamAtBeginning(fs, paths.log, segment, stream, end);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || isUnreadable(error)) return undefined;
    throw error;
  }
}

function isUnreadable(error: unknown): boolean {
  return isCode(error, 'DAMAGED') || isCode(error, 'STORE_IO');
}
