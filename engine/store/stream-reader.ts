/**
 * One stream's records in order of their offsets, from any offset on, over all segments; resumable
 * when the end has moved. What damage has swallowed comes out as gap(corrupt) with the offsets and
 * seqs it had, so whoever reads never meets a hole.
 */
import { defined } from '../base/assert.ts';
import { HelicorderError } from '../base/errors.ts';
import { unpackEvents } from '../batch/opaque.ts';
import type { Reason } from '../batch/ledger.ts';
import { decodeSamples, type SampleBatch } from '../batch/samples.ts';
import { parseSchema, type Schema } from '../batch/schema.ts';
import { runEntry, schemaEntry, type LostEntry, type RunEntry } from './control.ts';
import { dataItems, type DataItem } from './data.ts';
import { KIND } from './log/format.ts';
import {
  readLog,
  segmentStart,
  type LogFault,
  type LogGroup,
  type LogPosition,
} from './log/log.ts';
import { isCorruptGap, lostTail } from './losses.ts';
import type { StoreReader } from './reader.ts';
import type { ControlState } from './state.ts';

export interface RunInfo {
  run: RunEntry;
  schema: Schema;
}

interface RecordRange {
  info: RunInfo;
  firstSeq: number;
  firstOffset: number;
  records: number;
}

export interface SamplesItem extends RecordRange {
  kind: 'samples';
  batch: SampleBatch;
  /** the account of its ticks: the first and how many were scheduled */
  firstTick: number;
  ticks: number;
}

export interface EventsItem extends RecordRange {
  kind: 'events';
  events: Uint8Array[];
  utcNanos: bigint;
}

/** A gap that stands alone: between two runs, or of lost records. */
export interface GapItem extends RecordRange {
  kind: 'gap';
  reason: Reason;
  ticks: { first: number; count: number } | undefined;
  bounds: { minNanos: bigint; maxNanos: bigint } | undefined;
}

export interface FaultItem {
  kind: 'fault';
  fault: LogFault;
}

export type StreamItem = SamplesItem | EventsItem | GapItem | FaultItem;

export class StreamReader {
  readonly #reader: StoreReader;
  readonly #stream: number;
  readonly #runs = new Map<number, RunInfo>();
  readonly #schemas = new Map<string, Schema>();
  #position: LogPosition;
  readonly #skipTo: number;
  #nextOffset: number;
  #lastTick: number | undefined;

  /** @param from the first offset wanted; the item that holds it is given whole */
  constructor(reader: StoreReader, stream: number, from: number) {
    this.#reader = reader;
    this.#stream = stream;
    const { state, segment } = reader.locate(stream, from);
    this.#learn(state);
    this.#learn(reader.state);
    this.#position = { lsn: segmentStart(segment), last: undefined };
    this.#nextOffset = state.streams.get(stream)?.nextOffset ?? 0;
    this.#skipTo = from;
  }

  /** Everything up to the reader's end; call again after the end has moved. */
  *items(): Generator<StreamItem> {
    const { fs, paths, end } = this.#reader;
    if (this.#position.lsn >= end) return;
    const log = readLog(fs, paths.log, this.#position, end);
    let step = log.next();
    for (; !step.done; step = log.next()) {
      if (step.value.kind === 'group') yield* this.#fromGroup(step.value);
      else if (step.value.lost) yield { kind: 'fault', fault: step.value };
    }
    this.#position = step.value;
    yield* this.#lostTail();
    yield* this.#owedTail();
  }

  /** Records that the control state counts, but no group up to the end holds any more. */
  *#lostTail(): Generator<GapItem> {
    const stream = this.#reader.state.streams.get(this.#stream);
    const run = this.#reader.state.writersOf(this.#stream).at(-1);
    if (stream === undefined || run === undefined) return;
    const records = stream.nextOffset - this.#nextOffset;
    if (records <= 0) return;
    const info = defined(this.#runs.get(run.id), `run ${run.id}`);
    const range = { firstSeq: Math.max(1, run.nextSeq - records), records };
    const firstOffset = this.#nextOffset;
    this.#nextOffset = stream.nextOffset;
    const unknown = { ticks: undefined, bounds: undefined };
    yield { kind: 'gap', reason: 'corrupt', info, ...range, firstOffset, ...unknown };
  }

  /** Records that are known to have been behind all that is left, as the next owner will say it. */
  *#owedTail(): Generator<GapItem> {
    const { state } = this.#reader;
    const stream = state.streams.get(this.#stream);
    if (stream === undefined) return;
    for (const { run, ...gap } of lostTail(state, stream)) {
      const info = this.#runs.get(run);
      if (info === undefined || gap.firstOffset !== this.#nextOffset) continue;
      this.#nextOffset += gap.records;
      yield { kind: 'gap', info, ...gap };
    }
  }

  *#fromGroup(group: LogGroup): Generator<StreamItem> {
    for (const entry of group.entries)
      if (entry.intact) this.#learnEntry(entry.kind, entry.payload);
    const wanted = group.entries.some((entry) => entry.stream === this.#stream);
    if (!wanted) return;
    for (const item of dataItems(group.entries, group.size, () => undefined)) {
      if (item.stream !== this.#stream) continue;
      const info = this.#runs.get(item.run);
      if (info === undefined) continue;
      // given as a gap before: what has been seen as lost stays so
      if (item.firstOffset < this.#nextOffset || this.#isPinned(item)) continue;
      if (item.firstOffset > this.#nextOffset) yield* this.#corrupt(item, info);
      this.#nextOffset = item.firstOffset + item.records;
      this.#lastTick = item.lastTick ?? this.#lastTick;
      if (this.#nextOffset > this.#skipTo) yield decoded(item, info);
    }
  }

  #isPinned(item: DataItem): boolean {
    const { losses } = this.#reader.state;
    return !isCorruptGap(item) && losses.isPinned(this.#stream, item.firstOffset);
  }

  /** The records between what was read last and `next`, which nothing readable holds. */
  *#corrupt(next: DataItem, info: RunInfo): Generator<GapItem> {
    const lost = this.#lostBefore(next);
    for (const { run, firstSeq, firstOffset, records } of lost) {
      const range = { info: this.#runs.get(run) ?? info, firstSeq, firstOffset, records };
      const ticks = lost.length === 1 ? this.#ticksBefore(next) : undefined;
      yield { kind: 'gap', reason: 'corrupt', ...range, ticks, bounds: undefined };
    }
  }

  /** Whose records they were, if the control state knows it; else the next record's writer's. */
  #lostBefore(next: DataItem): LostEntry[] {
    const [stream, firstOffset, end] = [this.#stream, this.#nextOffset, next.firstOffset];
    const records = end - firstOffset;
    const known = this.#reader.state.losses.between(stream, firstOffset, end);
    if (known.reduce((sum, lost) => sum + lost.records, 0) === records) return known;
    const firstSeq = Math.max(1, next.firstSeq - records);
    return [{ stream, run: next.run, firstSeq, firstOffset, records }];
  }

  #ticksBefore(next: DataItem): GapItem['ticks'] {
    const firstTick = firstTickOf(next);
    const first = this.#lastTick === undefined ? undefined : this.#lastTick + 1;
    if (first === undefined || firstTick === undefined || firstTick < first) return undefined;
    return { first, count: firstTick - first };
  }

  #learn(state: ControlState): void {
    for (const [id, schema] of state.schemas) this.#schemas.set(id, parseSchema(schema));
    for (const run of state.writersOf(this.#stream)) this.#addRun(run);
  }

  #learnEntry(kind: number, payload: Uint8Array): void {
    if (kind === KIND.schema) {
      const { id, schema } = schemaEntry.decode(payload);
      this.#schemas.set(id, parseSchema(schema));
    } else if (kind === KIND.run) {
      const run = runEntry.decode(payload);
      if (run.stream === this.#stream) this.#addRun(run);
    }
  }

  #addRun(run: RunEntry): void {
    const schema = this.#schemas.get(run.schemaId);
    if (schema === undefined) {
      throw new HelicorderError('DAMAGED', `schema ${run.schemaId} of run ${run.id} is missing`);
    }
    this.#runs.set(run.id, { run, schema });
  }
}

function firstTickOf({ content }: DataItem): number | undefined {
  if (content.kind === 'batch') return content.times.firstTick;
  return content.kind === 'gap' ? content.gap.ticks?.first : undefined;
}

function decoded(item: DataItem, info: RunInfo): StreamItem {
  const { firstSeq, firstOffset, records, content } = item;
  const range = { info, firstSeq, firstOffset, records };
  switch (content.kind) {
    case 'batch': {
      const { times, batch } = content;
      const { firstTick, ticks } = times;
      const samples = decodeSamples(times, batch, info.schema);
      return { ...range, kind: 'samples', batch: samples, firstTick, ticks };
    }
    case 'events': {
      const { events } = content;
      return { ...range, kind: 'events', events: unpackEvents(events), utcNanos: events.utcNanos };
    }
    case 'gap': {
      const { reason, ticks, bounds } = content.gap;
      return { ...range, kind: 'gap', reason, ticks, bounds };
    }
  }
}
