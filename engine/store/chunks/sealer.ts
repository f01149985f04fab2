/**
 * Sealing: old segments of the log → one chunk; and chunks → one chunk, larger, or without what is
 * gone. Both write a file that is whole under its name or not there, and read it back; neither
 * changes the log. What counts is said afterwards by the owner of the log (`changes.ts`, sealUpTo).
 *
 * They run off the owner's thread, at low priority, and pause between steps: recording comes first.
 * Memory: of a new chunk the encoded blocks (`blocks.ts`), of joined ones a block.
 */
import { assert, defined } from '../../base/assert.ts';
import { HelicorderError, isCode } from '../../base/errors.ts';
import type { FileSystem } from '../../files/file-system.ts';
import { Continuity } from '../state/continuity.ts';
import {
  type ChunkHead,
  type RunEntry,
  type SchemaEntry,
  type StreamEntry,
  type StreamSnapshot,
} from '../entries/control-entries.ts';
import { isData } from '../entries/data.ts';
import type { DataItem } from '../entries/data-item.ts';
import { makeLsn, segmentOf } from '../entries/format.ts';
import { readLog, segmentStart, type LogFault, type LogGroup } from '../log/log.ts';
import { KnownRuns } from '../state/known-runs.ts';
import { readSnapshot } from '../state/segment-snapshot.ts';
import { heldItems } from '../log/spill-reader.ts';
import { ControlState } from '../state/state.ts';
import { BlockBuilder, type Block } from './blocks.ts';
import { checkChunk, fail } from './check.ts';
import { Scratch, type Load } from './scratch.ts';
import { ChunkReader } from './chunk-reader.ts';
import { writeChunk, type ChunkStream } from './chunk-writer.ts';
import {
  NO_NANOS,
  CHUNK_HEADER_BYTES,
  chunkName,
  decodeHeader,
  type BlockRow,
  type ChunkHeader,
  type ChunkRange,
  type Place,
  type TableRow,
} from './format.ts';
import { mayChange, type ChunkOwner } from './owner.ts';
import type { ChunkPlace, ChunkSource } from './place.ts';

/** What of each stream still counts: removed streams are absent. */
export type LowWaters = ReadonlyMap<number, number>;

export interface SealContext {
  fs: FileSystem;
  logDir: string;
  spillDir: string;
  place: ChunkPlace;
  owner: ChunkOwner;
  /** UTC ns, for the header */
  createdNanos: bigint;
  lowWaters: LowWaters;
  /** as of now: it knows runs and schemas whose entries are damaged */
  state: ControlState;
  /** is told of each range of the log that cannot be sealed, while its file is still there */
  onDamage?: (fault: LogFault) => void;
  /** called between steps, to let others have the processor */
  pause: () => Promise<void>;
}

/** What a sealing has made; no bytes: nothing was left to keep, and there is no file. */
export interface SealedChunk extends ChunkRange {
  bytes: number;
}

/** Seals the segments from LSN `first` up to `end`, both beginnings of segments. */
export async function sealSegments(
  context: SealContext,
  { first, end }: ChunkRange,
): Promise<SealedChunk> {
  assert(first < end, 'there is something to seal');
  const scratch = new Scratch(context.fs, context.spillDir);
  try {
    return await sealInto(new Collected(context, scratch), context, { first, end });
  } finally {
    scratch.remove();
  }
}

async function sealInto(
  collected: Collected,
  context: SealContext,
  { first, end }: ChunkRange,
): Promise<SealedChunk> {
  const from = { lsn: segmentStart(segmentOf(first)), last: undefined };
  for (const found of readLog(context.fs, context.logDir, from, end)) {
    if (found.kind === 'fault') {
      if (found.lost) context.onDamage?.(found);
    } else await collected.add(found);
  }
  const next = segmentOf(end);
  const state = readSnapshot(context.fs, context.logDir, next, makeLsn(next + 1, 0));
  return finish(context, { first, end }, await collected.streams(state));
}

/** Joins neighbouring chunks of the chain into one, without what is retired or removed. */
export async function joinChunks(
  context: SealContext,
  chunks: readonly ChunkReader[],
): Promise<SealedChunk> {
  const range = { first: chunks[0]!.range.first, end: chunks.at(-1)!.range.end };
  const streams: ChunkStream[] = [];
  const times = new Map<string, Load>();
  for (const { stream: id, nextOffset, latestNanos } of newestRows(chunks)) {
    const lowWater = context.lowWaters.get(id);
    if (lowWater === undefined) continue;
    const joined = await joinedStream(chunks, context.state, { id, lowWater }, times);
    streams.push({ id, nextOffset, latestNanos, ...joined });
    await context.pause();
  }
  return finish(context, range, streams);
}

/**
 * By stream: one that was idle is in no table of a chunk that was made without a readable snapshot.
 */
function newestRows(chunks: readonly ChunkReader[]): TableRow[] {
  const rows = new Map<number, TableRow>();
  for (const chunk of chunks) for (const row of chunk.table) rows.set(row.stream, row);
  return [...rows.values()].sort((a, b) => a.stream - b.stream);
}

/**
 * Everything the log says between two LSNs, as blocks: what a reader of the log would find, with
 * what the store knows now for where the entries that say it are damaged.
 */
class Collected {
  readonly #context: SealContext;
  readonly #known = new KnownRuns();
  readonly #continuity = new Map<number, Continuity>();
  readonly #blocks: BlockBuilder;
  /** as the last snapshot says it */
  #snapshot: ControlState | undefined;
  #segment = 0;

  constructor(context: SealContext, scratch: Scratch) {
    this.#context = context;
    this.#known.learnState(context.state);
    const schemaOf = (run: number) => defined(this.#known.of(run), `run ${run}`).schema;
    this.#blocks = new BlockBuilder(schemaOf, scratch);
  }

  async add(group: LogGroup): Promise<void> {
    this.#segment = group.segment;
    const { fs, spillDir, onDamage, pause, state } = this.#context;
    // of a record that is lost for good nothing comes, whatever its bytes may say
    if (state.losses.pinned.size === 0 && this.#blocks.goOn(group.entries)) return pause();
    this.#catchUp();
    if (group.isSnapshot) {
      const snapshot = ControlState.fromIntact(group.entries.all());
      if (snapshot) this.#enterSegment(snapshot);
      return;
    }
    for (const view = group.entries.view(); view.next();) {
      if (isData(view.kind) || !view.isIntact()) continue;
      this.#known.learnEntry(view.kind, view.entry().payload);
    }
    for (const found of heldItems(fs, spillDir, group)) {
      if (found.kind === 'fault') {
        onDamage?.(found);
        continue;
      }
      const kept: DataItem[] = [];
      for (const item of found.items) this.#keep(item, kept);
      this.#blocks.add(kept);
      if (found.items.length > 0) await pause();
    }
  }

  /** With groups that were added whole. */
  #catchUp(): void {
    for (const { stream, nextOffset, lastTick } of this.#blocks.goneOn()) {
      this.#continuityOf(stream, nextOffset).goOn(nextOffset, lastTick);
    }
  }

  /** The snapshot knows how far each stream has come: what no group held by then is lost. */
  #enterSegment(snapshot: ControlState): void {
    this.#snapshot = snapshot;
    this.#known.learnState(snapshot);
    for (const { id, nextOffset } of snapshot.streams.values()) {
      const run = snapshot.writersOf(id).at(-1);
      const continuity = this.#continuityOf(id, nextOffset);
      const lowWater = this.#context.lowWaters.get(id) ?? Infinity;
      if (run === undefined || !this.#known.of(run.id)) continue;
      const lost = [...continuity.fillUpTo(nextOffset, id, run)];
      if (nextOffset > lowWater) this.#blocks.add(lost);
    }
  }

  /** Adds to `kept` what of an item still counts, and gaps for what is missing before it. */
  #keep(item: DataItem, kept: DataItem[]): void {
    const lowWater = this.#context.lowWaters.get(item.stream);
    if (lowWater === undefined) return;
    const { fs, logDir } = this.#context;
    if (!this.#known.ofAhead(item.run, fs, logDir, this.#segment)) return;
    const continuity = this.#continuityOf(item.stream, item.firstOffset);
    const followed = continuity.takes(item) ? [item] : continuity.follow(item);
    for (const found of followed) {
      if (found.firstOffset + found.records > lowWater) kept.push(found);
    }
  }

  /** @param nextOffset where it begins, if this is the first that is heard of the stream */
  #continuityOf(stream: number, nextOffset: number): Continuity {
    const known = this.#continuity.get(stream);
    if (known) return known;
    const begun = new Continuity(nextOffset, () => this.#context.state.losses);
    this.#continuity.set(stream, begun);
    return begun;
  }

  /** @param end the state behind the last segment, if it can be had: it knows what is lost */
  async streams(end: ControlState | undefined): Promise<ChunkStream[]> {
    this.#catchUp();
    if (end) this.#enterSegment(end);
    await this.#blocks.finish(this.#context.pause);
    return [...this.#knownStreams().values()]
      .filter(({ id }) => this.#context.lowWaters.has(id))
      .sort((a, b) => a.id - b.id)
      .map((stream) => {
        const { id, nextOffset, totals } = stream;
        const place = { id, nextOffset, latestNanos: totals.lastNanos ?? NO_NANOS };
        const blocks = this.#blocks.blocks.get(id);
        if (blocks === undefined) return { ...place, blocks: [] };
        return { ...place, blocks, head: this.#headOf(stream, blocks) };
      });
  }

  /** Those there were at the end, as far as their records or the last snapshot tell. */
  #knownStreams(): Map<number, StreamSnapshot> {
    const streams = new Map(this.#snapshot?.streams);
    for (const [id, { nextOffset }] of this.#continuity) {
      const stream = streams.get(id) ?? this.#context.state.streams.get(id);
      if (stream) streams.set(id, { ...stream, nextOffset });
    }
    return streams;
  }

  #headOf(stream: StreamSnapshot, blocks: readonly Block[]): ChunkHead {
    const numbers = new Set(blocks.map(({ row }) => row.run));
    // a pack may hold those of several
    const runs = numbers.has(0)
      ? [...this.#known.runs].filter((run) => numbers.has(run.id) || run.stream === stream.id)
      : [...numbers].map((id) => defined(this.#known.of(id), `run ${id}`).run);
    const ids = [...new Set(runs.map(({ schemaId }) => schemaId))];
    return {
      stream,
      runs,
      schemas: ids.map((id) => ({ id, schema: defined(this.#known.schemaText(id), id) })),
    };
  }
}

/** A stream's blocks of several chunks, carried over as they are. */
async function joinedStream(
  chunks: readonly ChunkReader[],
  state: SealContext['state'],
  { id, lowWater }: { id: number; lowWater: number },
  times: Map<string, Load>,
): Promise<Pick<ChunkStream, 'blocks' | 'head'>> {
  const blocks: Block[] = [];
  const runs = new Map<number, RunEntry>();
  const schemas = new Map<string, SchemaEntry>();
  let stream: StreamEntry | undefined;
  for (const chunk of chunks) {
    const directory = await chunk.directory(id, state);
    if (directory === undefined) continue;
    stream = directory.stream;
    for (const run of directory.runs) runs.set(run.id, run);
    for (const schema of directory.schemas) schemas.set(schema.id, schema);
    const kept = directory.blocks.filter((row) => row.firstOffset + row.records > lowWater);
    for (const row of kept) blocks.push(carried(chunk, row, times));
  }
  if (stream === undefined) return { blocks };
  return { blocks, head: { stream, runs: [...runs.values()], schemas: [...schemas.values()] } };
}

function carried(chunk: ChunkReader, row: BlockRow, times: Map<string, Load>): Block {
  const shared = row.times.length > 0 ? sharedTimes(chunk, row.times, times) : undefined;
  return { row: { ...row }, load: () => chunk.blockBytes(row), times: shared };
}

function sharedTimes(chunk: ChunkReader, place: Place, known: Map<string, Load>): Load {
  const key = `${chunk.path} ${place.at}`;
  const shared = known.get(key) ?? (() => chunk.timesBytes(place));
  known.set(key, shared);
  return shared;
}

async function finish(
  context: SealContext,
  range: ChunkRange,
  streams: readonly ChunkStream[],
): Promise<SealedChunk> {
  if (streams.every(({ blocks }) => blocks.length === 0)) return { ...range, bytes: 0 };
  const { owner, createdNanos, place, pause } = context;
  const header: ChunkHeader = { ...range, storeId: owner.storeId, createdNanos };
  await checkIsOurs(context, range);
  const check = (source: ChunkSource) => readBack(context, header, source);
  const bytes = await writeChunk(place, header, streams, check, pause);
  return { ...range, bytes };
}

/** A directory that two stores were given: neither replaces what the other has there. */
export async function checkIsOurs({ place, owner }: SealContext, range: ChunkRange): Promise<void> {
  const header = await headerAt(place, range);
  if (header === undefined || mayChange(owner, header, place.name)) return;
  throw new HelicorderError(
    'USAGE',
    `${place.name} holds the chunks of another store: give each store a chunks.dir of its own`,
  );
}

/** @returns undefined if there is none, or a damaged one: whatever it was, it is nobody else's */
export async function headerAt(
  place: ChunkPlace,
  range: ChunkRange,
): Promise<ChunkHeader | undefined> {
  const source = await place.open(chunkName(range));
  if (source === undefined) return undefined;
  try {
    return decodeHeader(await source.read(0, CHUNK_HEADER_BYTES));
  } catch (error) {
    if (isCode(error, 'DAMAGED')) return undefined;
    throw error;
  } finally {
    source.close();
  }
}

/** Reads every byte that a reader would, and checks it. @throws DAMAGED */
async function readBack(
  { place, owner, pause }: SealContext,
  range: ChunkRange,
  source: ChunkSource,
): Promise<void> {
  const name = chunkName(range);
  const chunk = await ChunkReader.of(source, place.name, name, owner);
  await checkChunk(chunk, fail, pause);
}
