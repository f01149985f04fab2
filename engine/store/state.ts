/**
 * The control state of a store: everything about it that is not a record. It is a function of the
 * log: `apply` takes group after group, the same code at commit, at recovery and in every reader,
 * and asserts on the way that seqs and offsets have no hole. A snapshot of it begins each segment.
 *
 * A writer (stream, writer id) is known by its latest run; earlier runs are in the log only.
 */
import { assert } from '../base/assert.ts';
import { HelicorderError } from '../base/errors.ts';
import {
  runEndEntry,
  runEntry,
  schemaEntry,
  shutdownEntry,
  snapshotEntry,
  startEntry,
  streamEntry,
  type RunEntry,
  type RunSnapshot,
  type SnapshotEntry,
  type StartEntry,
  type StreamEntry,
  type StreamSnapshot,
} from './control.ts';
import { dataItems, type DataItem, type GroupSize } from './data.ts';
import { ENTRY_FLAG, KIND, isKnownKind } from './log/format.ts';
import type { Entry } from './log/group.ts';

/** A piece of the snapshot stays below this, so that it fits in any group. */
const SNAPSHOT_PIECE_STREAMS = 256;

export class ControlState {
  generation = 0;
  /** the last owner closed the store cleanly, and nothing was written since */
  clean = true;
  lastStart: StartEntry | undefined;
  nextStream = 1;
  nextRun = 1;
  readonly streams = new Map<number, StreamSnapshot>();
  readonly schemas = new Map<string, string>();
  /** the latest run of each writer, by run number */
  readonly runs = new Map<number, RunSnapshot>();
  readonly #streamByName = new Map<string, StreamSnapshot>();
  readonly #runByWriter = new Map<string, RunSnapshot>();

  streamNamed(name: string): StreamSnapshot | undefined {
    return this.#streamByName.get(name);
  }

  /** The latest run of a writer, whether it has ended or not. */
  latestRun(stream: number, writer: string): RunSnapshot | undefined {
    return this.#runByWriter.get(writerKey(stream, writer));
  }

  writersOf(stream: number): RunSnapshot[] {
    return [...this.runs.values()].filter((run) => run.stream === stream);
  }

  /**
   * Applies one committed group, or one run of groups.
   * @param lenient after damage: offsets and seqs may jump forward, over what was lost
   * @returns the records it holds
   * @throws HelicorderError DAMAGED if intact entries contradict the state
   */
  apply(entries: readonly Entry[], size: GroupSize, lenient = false): DataItem[] {
    for (const entry of entries) {
      if (entry.intact) this.#applyControl(entry);
    }
    const items = dataItems(entries, size, (_, error) => {
      if (!lenient) throw error;
    });
    for (const item of items) this.#applyData(item, lenient);
    return items;
  }

  #applyControl(entry: Entry): void {
    switch (entry.kind) {
      case KIND.stream:
        return this.#addStream(emptyStream(streamEntry.decode(entry.payload)));
      case KIND.schema: {
        const { id, schema } = schemaEntry.decode(entry.payload);
        this.schemas.set(id, schema);
        return;
      }
      case KIND.run:
        return this.#beginRun(runEntry.decode(entry.payload));
      case KIND.runEnd: {
        const { run, lastTick, reason } = runEndEntry.decode(entry.payload);
        const state = this.runs.get(run);
        if (state)
          Object.assign(state, { lastTick: lastTick ?? state.lastTick, endReason: reason });
        return;
      }
      case KIND.start:
        this.lastStart = startEntry.decode(entry.payload);
        this.generation = this.lastStart.generation;
        this.clean = false;
        return;
      case KIND.shutdown:
        shutdownEntry.decode(entry.payload);
        this.clean = true;
        return;
      default:
        if (isKnownKind(entry.kind) || entry.flags & ENTRY_FLAG.ignorable) return;
        throw new HelicorderError(
          'FORMAT_VERSION',
          `the log holds entries of kind ${entry.kind}, which this version does not know`,
        );
    }
  }

  #addStream(stream: StreamSnapshot): void {
    this.streams.set(stream.id, stream);
    this.#streamByName.set(stream.name, stream);
    this.nextStream = Math.max(this.nextStream, stream.id + 1);
  }

  /** A new run takes over what its writer has reached; ticks only within one boot and schedule. */
  #beginRun(entry: RunEntry): void {
    const before = this.latestRun(entry.stream, entry.writer);
    const sameSchedule =
      before !== undefined &&
      before.bootId === entry.bootId &&
      before.t0Nanos === entry.t0Nanos &&
      before.periodNanos === entry.periodNanos;
    const stream = this.streams.get(entry.stream);
    if (stream) stream.schemaId = entry.schemaId;
    this.#addRun({
      ...entry,
      nextSeq: entry.firstSeq,
      ordinal: 0,
      lastTick: sameSchedule ? before.lastTick : null,
      lastNanos: before?.lastNanos ?? null,
      endReason: null,
    });
  }

  #addRun(run: RunSnapshot): void {
    const before = this.latestRun(run.stream, run.writer);
    if (before) this.runs.delete(before.id);
    this.runs.set(run.id, run);
    this.#runByWriter.set(writerKey(run.stream, run.writer), run);
    this.nextRun = Math.max(this.nextRun, run.id + 1);
  }

  #applyData(item: DataItem, lenient: boolean): void {
    const stream = this.streams.get(item.stream);
    const run = this.runs.get(item.run);
    if (stream === undefined || run === undefined) {
      if (lenient) return this.#passOver(item, stream);
      throw new HelicorderError(
        'DAMAGED',
        `records of unknown stream ${item.stream} or run ${item.run}`,
      );
    }
    const offsetStep = item.firstOffset - stream.nextOffset;
    const seqStep = item.firstSeq - run.nextSeq;
    if (offsetStep !== 0 || seqStep !== 0) {
      if (!lenient || offsetStep < 0 || seqStep < 0) {
        throw new HelicorderError(
          'DAMAGED',
          `${stream.name}: expected offset ${stream.nextOffset} and seq ${run.nextSeq}, ` +
            `found ${item.firstOffset} and ${item.firstSeq}`,
        );
      }
      stream.totals.records += offsetStep;
    }
    stream.nextOffset = item.firstOffset + item.records;
    run.nextSeq = item.firstSeq + item.records;
    if (item.content.kind === 'batch') run.ordinal = item.content.batch.ordinal + item.samples;
    if (item.lastTick !== undefined) run.lastTick = item.lastTick;
    this.#addTotals(stream, run, item);
  }

  /** Records whose stream or run was lost: none of their numbers is ever issued again. */
  #passOver(item: DataItem, stream: StreamSnapshot | undefined): void {
    this.nextStream = Math.max(this.nextStream, item.stream + 1);
    this.nextRun = Math.max(this.nextRun, item.run + 1);
    if (stream === undefined) return;
    const nextOffset = Math.max(stream.nextOffset, item.firstOffset + item.records);
    stream.totals.records += nextOffset - stream.nextOffset;
    stream.nextOffset = nextOffset;
    for (const run of this.writersOf(stream.id)) {
      run.nextSeq = Math.max(run.nextSeq, item.firstSeq + item.records);
    }
  }

  #addTotals(stream: StreamSnapshot, run: RunSnapshot, item: DataItem): void {
    const { totals } = stream;
    totals.records += item.records;
    totals.samples += item.samples;
    totals.bytes += item.bytes;
    totals.paddingBytes += item.paddingBytes;
    if (item.lastNanos === undefined) return;
    totals.firstNanos ??= item.firstNanos ?? null;
    totals.lastNanos = item.lastNanos;
    run.lastNanos = item.lastNanos;
  }

  /** The state in pieces, each of which is the payload of one snapshot entry. */
  snapshot(): Uint8Array[] {
    const { generation, nextStream, nextRun, clean } = this;
    const head = { generation, nextStream, nextRun, clean };
    const schemas = [...this.schemas].map(([id, schema]) => ({ id, schema }));
    const streams = [...this.streams.values()];
    const pieces = [snapshotEntry.encode({ ...head, streams: [], schemas, runs: [] })];
    for (let i = 0; i < streams.length; i += SNAPSHOT_PIECE_STREAMS) {
      const some = streams.slice(i, i + SNAPSHOT_PIECE_STREAMS);
      pieces.push(snapshotEntry.encode({ ...head, streams: some, schemas: [], runs: [] }));
    }
    const runs = [...this.runs.values()];
    for (let i = 0; i < runs.length; i += SNAPSHOT_PIECE_STREAMS) {
      const some = runs.slice(i, i + SNAPSHOT_PIECE_STREAMS);
      pieces.push(snapshotEntry.encode({ ...head, streams: [], schemas: [], runs: some }));
    }
    return pieces;
  }

  static fromSnapshot(pieces: readonly Uint8Array[]): ControlState {
    assert(pieces.length > 0, 'a snapshot has at least one piece');
    const state = new ControlState();
    for (const piece of pieces) state.#take(snapshotEntry.decode(piece));
    return state;
  }

  #take(piece: SnapshotEntry): void {
    this.generation = piece.generation;
    this.clean = piece.clean;
    for (const { id, schema } of piece.schemas) this.schemas.set(id, schema);
    for (const stream of piece.streams) this.#addStream(stream);
    for (const run of piece.runs) this.#addRun(run);
    this.nextStream = piece.nextStream;
    this.nextRun = piece.nextRun;
  }

  /** The canonical schema of a stream. @throws DAMAGED if the entry that held it was lost */
  schemaOf(stream: StreamSnapshot): string {
    const schema = this.schemas.get(stream.schemaId);
    if (schema !== undefined) return schema;
    throw new HelicorderError('DAMAGED', `${stream.name}: schema ${stream.schemaId} is missing`);
  }
}

function emptyStream(entry: StreamEntry): StreamSnapshot {
  const nothing = { records: 0, samples: 0, bytes: 0, paddingBytes: 0 };
  return { ...entry, nextOffset: 0, totals: { ...nothing, firstNanos: null, lastNanos: null } };
}

function writerKey(stream: number, writer: string): string {
  return `${stream}/${writer}`;
}
