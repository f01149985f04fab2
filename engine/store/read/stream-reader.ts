/**
 * One stream's records in order of their offsets, from any offset on, over chunks and log;
 * resumable when the end has moved.
 *
 *   retired      what a trim has let go of: one gap(retired) per writer
 *   chunks       everything before the sealed end
 *   log          from there up to the reader's end
 *
 * A place in both is an LSN, so a reader whose segment has been sealed and recycled under it goes
 * on in the chunk. Whatever looks like damage in the log is looked at again after asking how far
 * the store is sealed now: only what is still missing then is damage, and comes out as gap(corrupt)
 * with the offsets and seqs it had.
 */
import { errnoCode } from '../../base/errors.ts';
import type { Schema } from '../../batch/schema.ts';
import { ArrayPool } from '../../codecs/codec.ts';
import type { ChunkReader } from '../chunks/chunk-reader.ts';
import { chunkName, type BlockRow, type ChunkRange } from '../chunks/format.ts';
import { Continuity } from '../state/continuity.ts';
import { gapItem, type DataItem } from '../entries/data-item.ts';
import { EntryList } from '../entries/entries.ts';
import { makeLsn, segmentOf, type Lsn } from '../entries/format.ts';
import { behind, readLog, segmentStart, type LogGroup, type LogPosition } from '../log/log.ts';
import { KnownRuns } from '../state/known-runs.ts';
import { knownStream } from '../state/named.ts';
import type { StoreReader } from './reader.ts';
import { overtakenItem, retiredItems } from './retired.ts';
import { heldItems } from '../log/spill-reader.ts';
import {
  decodeItem,
  faultIn,
  faultOf,
  itemFrom,
  type FaultItem,
  type Projection,
  type StreamItem,
} from './stream-item.ts';
import type { RunInfo } from '../state/known-runs.ts';
import { isBehind, isOutside, extentOf, projectionOf, type Extent, type View } from './view.ts';

/** A piece of the stream as it is stored, and the run it is of. */
export interface RawItem {
  kind: 'raw';
  item: DataItem;
  info: RunInfo;
  /** what of it lies before this offset has been given: by a part of it, before it was sealed */
  from: number;
}

export class StreamReader {
  readonly #reader: StoreReader;
  readonly #stream: number;
  readonly #name: string;
  readonly #from: number;
  readonly #view: View;
  readonly #projections = new Map<Schema, Projection | undefined>();
  readonly #known: KnownRuns;
  readonly #pool: ArrayPool | undefined;
  #position: LogPosition | undefined;
  #continuity: Continuity;
  #isDone = false;
  /** a part of the log that no chunk holds, though it is sealed */
  #missing: ChunkRange | undefined;
  /** what is not there before this offset is in a chunk that is damaged, and told of already */
  #damagedEnd = 0;

  /**
   * @param from the first offset wanted; the item that holds it is given whole unless exact
   * @param view items with records in it are given whole; gaps are, wherever they stand
   */
  constructor(reader: StoreReader, stream: number, from: number, view: View = {}) {
    this.#reader = reader;
    this.#stream = stream;
    this.#name = reader.state.streams.get(stream)?.name ?? String(stream);
    this.#known = new KnownRuns(stream);
    this.#from = from;
    this.#continuity = this.#newContinuity(0);
    this.#view = view;
    this.#pool = view.reusesArrays ? new ArrayPool() : undefined;
  }

  /** Nothing that is still to come can lie in the view. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Where it has come to: every record before it has been given, or is not wanted. */
  get nextOffset(): number {
    return this.#continuity.nextOffset;
  }

  /** Everything up to the reader's end; call again after the end has moved. */
  async *items(): AsyncGenerator<StreamItem> {
    const lowWater = this.#reader.state.lowWaterOf(this.#stream);
    for await (const found of this.raw()) {
      if (found.kind === 'fault') yield found;
      else yield* this.#decoded(found, lowWater);
    }
  }

  /** What a trim has let go of, but is still stored with its neighbours, is not shown. */
  *#decoded({ item, info, from }: RawItem, lowWater: number): Generator<StreamItem> {
    const isRetired = item.content.kind === 'gap' && item.content.gap.reason === 'retired';
    const end = item.firstOffset + item.records;
    const wanted = this.#view.isExact ? Math.max(from, this.#from) : from;
    const first = isRetired ? wanted : Math.max(wanted, lowWater);
    if (end <= first && item.records > 0) return;
    const projection = this.#projectionOf(info.schema);
    yield itemFrom(decodeItem(item, info, projection, this.#pool), first);
  }

  #projectionOf(schema: Schema): Projection | undefined {
    if (this.#view.columns === undefined) return undefined;
    const known = this.#projections.get(schema) ?? projectionOf(this.#view, schema);
    this.#projections.set(schema, known);
    return known;
  }

  /** @returns whether the extent is to be passed over; one behind the view ends the reading */
  #passes(extent: Extent): boolean {
    const { unorderedEnd } = this.#reader.state.streams.get(this.#stream)?.totals ?? {};
    if (isBehind(this.#view, extent, unorderedEnd)) this.#isDone = true;
    return isOutside(this.#view, extent);
  }

  /** The same before decoding. @throws NO_SUCH_STREAM once it is known to have been removed */
  async *raw(): AsyncGenerator<RawItem | FaultItem> {
    if (this.#position === undefined) yield* this.#begin();
    while (!this.#isDone) {
      this.#checkIsThere();
      yield* this.#overtaken();
      const { state, end } = this.#reader;
      const { lsn } = this.#position!;
      if (lsn < state.sealedEnd) {
        yield* this.#fromChunks(state.sealedEnd);
      } else if (lsn < end) {
        yield* this.#fromLog(end);
      } else break;
    }
    if (!this.#isDone) yield* this.#lostTail();
  }

  #checkIsThere(): void {
    knownStream(this.#reader.state, this.#stream, this.#name);
  }

  /** What is retired, and then the place where the rest begins. */
  async *#begin(): AsyncGenerator<RawItem> {
    const { state } = this.#reader;
    this.#known.learnState(state);
    const lowWater = state.lowWaterOf(this.#stream);
    const found = await this.#reader.locate(this.#stream, Math.max(this.#from, lowWater));
    this.#enter(found.lsn);
    this.#continuity = this.#newContinuity(Math.max(found.nextOffset, lowWater));
    yield* this.#retired();
  }

  /** What is gone from the stream's beginning on, by writers, as it was summed up. */
  *#retired(): Generator<RawItem> {
    const { state } = this.#reader;
    for (const { item, writer } of retiredItems(state.trims.get(this.#stream))) {
      const latest = state.latestRun(this.#stream, writer);
      const info = this.#known.of(item.run) ?? this.#known.of(latest?.id ?? 0);
      if (info && item.firstOffset + item.records > this.#from) {
        yield { kind: 'raw', item, info, from: 0 };
      }
    }
  }

  /** What was let go of while this reader was on its way: one gap, its seqs are a guess. */
  *#overtaken(): Generator<RawItem> {
    const { state } = this.#reader;
    const from = this.#continuity.nextOffset;
    const records = state.lowWaterOf(this.#stream) - from;
    if (records <= 0) return;
    // its last writer may have begun only since
    this.#known.learnState(state);
    if (from === 0) {
      this.#continuity.nextOffset = records;
      yield* this.#retired();
      return;
    }
    const last = state.trims.get(this.#stream)?.writers.at(-1);
    const run = last && state.latestRun(this.#stream, last.writer);
    const info = last && (this.#known.of(last.run) ?? this.#known.of(run?.id ?? 0));
    if (last === undefined || info === undefined) return;
    const item = overtakenItem(this.#stream, { ...last, run: info.run.id }, from, records);
    this.#continuity.nextOffset += records;
    yield { kind: 'raw', item, info, from };
  }

  #newContinuity(nextOffset: number): Continuity {
    return new Continuity(nextOffset, () => this.#reader.state.losses);
  }

  /** Goes to the beginning of a chunk or a segment. */
  #enter(lsn: Lsn): void {
    this.#position = { lsn: Math.max(lsn, segmentStart(segmentOf(lsn))), last: undefined };
  }

  async *#fromChunks(sealedEnd: number): AsyncGenerator<RawItem | FaultItem> {
    const { chunks } = this.#reader;
    let chain = await chunks.chain(sealedEnd);
    for (;;) {
      const range = chain.find(({ end }) => end > this.#position!.lsn);
      const expected = makeLsn(segmentOf(this.#position!.lsn), 0);
      if ((range?.first ?? sealedEnd) > expected && this.#reader.hasNewPlace()) {
        chain = await chunks.chain(sealedEnd);
        continue;
      }
      if (range === undefined) break;
      const missing = range.first > expected ? { first: expected, end: range.first } : undefined;
      const isThere = yield* this.#fromChunk(range, missing);
      if (this.#isDone) return;
      if (isThere) this.#enter(range.end);
      else chain = await chunks.chain(sealedEnd);
    }
    const lsn = makeLsn(segmentOf(this.#position!.lsn), 0);
    if (lsn < sealedEnd) this.#missing = { first: lsn, end: sealedEnd };
    this.#enter(sealedEnd);
  }

  /** @returns false if it has gone since it was listed: another one holds its records, or none */
  async *#fromChunk(
    range: ChunkRange,
    missing: ChunkRange | undefined,
  ): AsyncGenerator<RawItem | FaultItem, boolean> {
    const { chunks } = this.#reader;
    let chunk: ChunkReader | undefined;
    try {
      chunk = await chunks.open(range);
      if (chunk === undefined) return false;
      this.#missing = missing ?? this.#missing;
      const directory = await chunk.directory(this.#stream, this.#reader.state);
      if (directory === undefined) return true;
      this.#known.learn(directory.runs, directory.schemas);
      for (const row of directory.blocks) {
        const end = row.firstOffset + row.records;
        if (end <= this.#from) this.#skipTo(end);
        if (end <= this.#continuity.nextOffset) continue;
        const isNext = row.firstOffset <= this.#continuity.nextOffset;
        if (isNext && this.#passes(extentOf(row))) this.#continuity.nextOffset = end;
        else yield* this.#fromBlock(chunk, row);
        if (this.#isDone) return true;
      }
    } catch (error) {
      yield faultOf(error);
      this.#damagedEnd = chunk?.row(this.#stream)?.nextOffset ?? Infinity;
    } finally {
      if (chunk) chunks.release(chunk);
    }
    return true;
  }

  /** What was given before the segment was sealed is not given again. */
  #skipTo(offset: number): void {
    this.#continuity.nextOffset = Math.max(this.#continuity.nextOffset, offset);
  }

  async *#fromBlock(chunk: ChunkReader, row: BlockRow): AsyncGenerator<RawItem | FaultItem> {
    let items: DataItem[];
    try {
      items = await chunk.items(this.#stream, row);
    } catch (error) {
      yield faultOf(error);
      this.#damagedEnd = row.firstOffset + row.records;
      return;
    }
    for (const item of items) yield* this.#follow(item);
  }

  /** Up to `end`, or to where the segment has gone: then its records are in a chunk. */
  async *#fromLog(end: Lsn): AsyncGenerator<RawItem | FaultItem> {
    const { fs, paths, kept } = this.#reader;
    const log = readLog(fs, paths.log, this.#position!, end, kept);
    try {
      let step = log.next();
      for (; !step.done; step = log.next()) {
        const found = step.value;
        if (found.kind === 'group') {
          const isThere = yield* this.#fromGroup(found);
          if (this.#isDone || !isThere) return;
          this.#position = behind(found);
        } else {
          // where a segment has gone, what is found may look torn just as well
          if (this.#isSealedNow()) return;
          if (found.lost) yield faultIn(found);
        }
      }
      // a file that was taken for a new segment may look as if it simply ended
      if (step.value.lsn < end && this.#isSealedNow()) return;
      this.#position = { ...step.value, lsn: end };
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' && this.#isSealedNow()) return;
      throw error;
    } finally {
      log.return(this.#position!);
    }
  }

  /** Has the segment that is being read been sealed since the reader's end was last moved? */
  #isSealedNow(): boolean {
    this.#reader.renew();
    return this.#position!.lsn < this.#reader.state.sealedEnd;
  }

  /** @returns false where it has been sealed: what is left of it is in a chunk */
  *#fromGroup(group: LogGroup): Generator<RawItem | FaultItem, boolean> {
    if (group.isSnapshot) return true;
    const entries = group.entries.of(this.#stream);
    for (const { kind, payload, intact } of entries) {
      if (intact) this.#known.learnEntry(kind, payload);
    }
    if (!entries.some(({ stream }) => stream === this.#stream)) return true;
    const { fs, paths } = this.#reader;
    const own = { ...group, entries: new EntryList(entries) };
    for (const found of heldItems(fs, paths.spills, own)) {
      if (found.kind === 'fault') {
        if (this.#isSealedNow()) return false;
        yield faultIn(found);
        continue;
      }
      for (const item of found.items) {
        this.#known.learnIn(item.run, fs, paths.log, group.segment);
        yield* this.#follow(item);
      }
    }
    return true;
  }

  *#follow(next: DataItem): Generator<RawItem | FaultItem> {
    const { fs, paths } = this.#reader;
    const info = this.#known.ofAhead(next.run, fs, paths.log, segmentOf(this.#position!.lsn));
    if (info === undefined) return;
    if (this.#isHole(next.firstOffset)) yield* this.#hole(next.firstOffset);
    else this.#missing = undefined;
    this.#damagedEnd = 0;
    const from = this.#continuity.nextOffset;
    for (const item of this.#continuity.follow(next)) {
      if (this.#passes(item)) continue;
      const own = this.#known.of(item.run) ?? info;
      if (item.firstOffset + item.records > this.#from)
        yield { kind: 'raw', item, info: own, from };
    }
  }

  /** Are there records before `offset` that nothing has told of? */
  #isHole(offset: number): boolean {
    return offset > Math.max(this.#continuity.nextOffset, this.#from, this.#damagedEnd);
  }

  /**
   * It is no damage if the stream was removed, or let go of up to there, since the reader's end was
   * last moved; a hole in the chain of chunks is one only to streams whose records it has taken.
   */
  *#hole(end: number): Generator<RawItem | FaultItem> {
    if (this.#missing && this.#reader.chunks.away) return this.#passOver(end);
    this.#reader.renew();
    this.#checkIsThere();
    yield* this.#overtaken();
    if (!this.#isHole(end) || this.#missing === undefined) return;
    const file = `${this.#reader.paths.chunks}/${chunkName(this.#missing)}`;
    this.#missing = undefined;
    yield { kind: 'fault', fault: { file, offset: 0, length: 0, what: 'missing chunk' } };
  }

  /** What is away is not lost: it is no gap, and no damage. */
  #passOver(end: number): void {
    const { onAway } = this.#view;
    if (onAway === undefined) throw this.#reader.chunks.away!;
    onAway(end - this.#continuity.nextOffset);
    this.#missing = undefined;
    this.#continuity = this.#newContinuity(end);
  }

  /** Records that the control state counts, but nothing up to the end holds any more. */
  *#lostTail(): Generator<RawItem | FaultItem> {
    const stream = this.#reader.state.streams.get(this.#stream);
    const run = this.#reader.state.writersOf(this.#stream).at(-1);
    const info = run && this.#known.of(run.id);
    if (stream === undefined || info === undefined) return;
    if (this.#isHole(stream.nextOffset)) yield* this.#hole(stream.nextOffset);
    for (const item of this.#continuity.fillUpTo(stream.nextOffset, this.#stream, run!)) {
      if (item.firstOffset + item.records > this.#from) {
        yield { kind: 'raw', item, info, from: 0 };
      }
    }
    // records known to have been behind all that is left, as the next owner will write it
    for (const gap of this.#reader.state.losses.lostTail(this.#reader.state, stream)) {
      const own = this.#known.of(gap.run) ?? info;
      const owed = gapItem(this.#stream, 0, gap);
      for (const item of this.#continuity.follow(owed))
        yield { kind: 'raw', item, info: own, from: 0 };
    }
  }
}
