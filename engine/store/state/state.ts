/**
 * The control state of a store: everything about it that is not a record. It is a function of the
 * log: `apply` takes group after group, the same code at commit, at recovery and in every reader,
 * and asserts on the way that seqs and offsets have no hole. A snapshot of it begins each segment.
 *
 * A writer (stream, writer id) is known by its latest run; earlier runs are in the log only.
 */
import { assert } from '../../base/assert.ts';
import { CLOCK_DISORDER_NANOS } from '../../base/constants.ts';
import { HelicorderError } from '../../base/errors.ts';
import {
  cursorEntry,
  identityEntry,
  lostEntry,
  placeEntry,
  removeEntry,
  runEndEntry,
  runEntry,
  schemaEntry,
  sealedEntry,
  shutdownEntry,
  snapshotEntry,
  startEntry,
  streamEntry,
  transactionEntry,
  trimEntry,
  type CursorEntry,
  type IdentityEntry,
  type RunEndEntry,
  type RunEntry,
  type RunSnapshot,
  type SnapshotEntry,
  type StartEntry,
  type StreamSnapshot,
  type TransactionEntry,
  type TrimEntry,
} from '../entries/control-entries.ts';
import { dataItems, isData, type CommittedGroup } from '../entries/data.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { Entry } from '../entries/entries.ts';
import { ENTRY_FLAG, KIND, isKnownKind, segmentOf, type Lsn } from '../entries/format.ts';
import { begunRun, emptyStream, liveRun, liveStream } from './live.ts';
import { Losses, isCorruptGap } from './losses.ts';
import { Positions, writerKey } from './positions.ts';
import { Progress, decodeReached } from './reached.ts';
import { retentionEntry, retentionPart, type RetentionEntry } from '../entries/retention-entry.ts';
import { part, partialPart, piecesOf, type SnapshotPart } from '../entries/snapshot-part.ts';
import { runsPiece, schemasPiece, streamsPiece } from '../entries/snapshot-text.ts';
import { LiveSpills } from './live-spills.ts';

export class ControlState {
  generation = 0;
  /** damage has taken every snapshot there was: there may be streams that it does not know */
  isPartial = false;
  /** the last owner closed the store cleanly, and nothing was written since */
  clean = true;
  lastStart: StartEntry | undefined;
  nextStream = 1;
  nextRun = 1;
  readonly streams = new Map<number, StreamSnapshot>();
  readonly schemas = new Map<string, string>();
  /** the latest run of each writer, by run number */
  readonly runs = new Map<number, RunSnapshot>();
  /** durable reading positions, by name */
  readonly cursors = new Map<string, CursorEntry>();
  /** the last transaction of each copy that ends here, by stream and writer */
  readonly transactions = new Map<string, TransactionEntry>();
  /** what of a stream is gone, by stream; absent: nothing */
  readonly trims = new Map<number, TrimEntry>();
  /** directories for chunks that the configuration has named, the latest last */
  readonly places = new Set<string>();
  /** what it was last told to keep; undefined: never, so all of it */
  retention: RetentionEntry | undefined;
  /** the ids it has had since it was copied from elsewhere, in order */
  readonly identities: IdentityEntry[] = [];
  /** which runs have moved, to be named again */
  readonly progress = new Progress();
  /** where the inputs of writers are */
  readonly positions = new Positions();
  /** what damage has taken */
  readonly losses = new Losses();
  /** everything before this LSN lies in chunks */
  sealedEnd: Lsn = 0;
  /** files with records that no chunk holds yet */
  readonly spills = new LiveSpills();
  readonly #streamByName = new Map<string, StreamSnapshot>();
  /** by stream and writer, in the order of their numbers */
  readonly #runsOf = new Map<number, Map<string, RunSnapshot>>();

  streamNamed(name: string): StreamSnapshot | undefined {
    return this.#streamByName.get(name);
  }

  /** The latest run of a writer, whether it has ended or not. */
  latestRun(stream: number, writer: string): RunSnapshot | undefined {
    return this.#runsOf.get(stream)?.get(writer);
  }

  lastTransaction(stream: number, writer: string): TransactionEntry | undefined {
    return this.transactions.get(writerKey(stream, writer));
  }

  /** The first offset of a stream that is still there. */
  lowWaterOf(stream: number): number {
    return this.trims.get(stream)?.lowWater ?? 0;
  }

  /** The latest runs of its writers, in the order of their numbers. */
  writersOf(stream: number): RunSnapshot[] {
    return [...(this.#runsOf.get(stream)?.values() ?? [])];
  }

  /**
   * Applies one committed group, or one run of groups.
   * @param lenient after damage: offsets and seqs may jump forward, over what was lost
   * @returns the records it holds
   * @throws HelicorderError DAMAGED if intact entries contradict the state
   */
  apply(group: CommittedGroup, lenient = false): DataItem[] {
    this.applyControl(group, (said) => {
      // what was written after damage may guess more than came back since
      const wasLossy = lenient || this.losses.pinned.size > 0;
      this.losses.reach(this, decodeReached(said), wasLossy);
    });
    const items = dataItems(group.entries, group.size, (_, error) => {
      if (!lenient) throw error;
    });
    for (const item of items) this.#applyData(item, lenient);
    this.progress.took(items);
    return items;
  }

  /**
   * Applies a group but for its records: streams and writers stay as far as they were.
   * @param reached is given what it says of how far they have come
   */
  applyControl({ segment, entries }: CommittedGroup, reached?: (said: Uint8Array) => void): void {
    for (const view = entries.view(); view.next();) {
      const isRecords = isData(view.kind) && view.kind !== KIND.spill;
      if (isRecords || !view.isIntact()) continue;
      const entry = view.entry();
      if (entry.kind === KIND.reached) reached?.(entry.payload);
      else if (entry.kind === KIND.spill) this.spills.take(entry.payload, segment);
      else this.#applyEntry(entry);
    }
  }

  #applyEntry(entry: SnapshotPart): void {
    switch (entry.kind) {
      case KIND.stream:
        return this.#addStream(emptyStream(streamEntry.decode(entry.payload)));
      case KIND.schema: {
        const { id, schema } = schemaEntry.decode(entry.payload);
        return void this.schemas.set(id, schema);
      }
      case KIND.run:
        return this.#beginRun(runEntry.decode(entry.payload));
      case KIND.runEnd:
        return this.#endRun(runEndEntry.decode(entry.payload));
      case KIND.start:
        this.lastStart = startEntry.decode(entry.payload);
        this.generation = this.lastStart.generation;
        this.clean = false;
        return this.progress.named();
      case KIND.trim: {
        const trim = trimEntry.decode(entry.payload);
        if (this.streams.has(trim.stream)) this.trims.set(trim.stream, trim);
        return;
      }
      case KIND.remove:
        return this.#removeStream(removeEntry.decode(entry.payload).stream);
      case KIND.cursor:
        return this.#setCursor(cursorEntry.decode(entry.payload));
      case KIND.transaction: {
        const last = transactionEntry.decode(entry.payload);
        return void this.transactions.set(writerKey(last.stream, last.writer), last);
      }
      case KIND.position:
        return this.positions.take(entry.payload);
      case KIND.identity:
        return void this.identities.push(identityEntry.decode(entry.payload));
      case KIND.lost:
        return this.losses.pin(lostEntry.decode(entry.payload));
      case KIND.sealed:
        this.sealedEnd = sealedEntry.decode(entry.payload).end;
        return this.spills.sealed(segmentOf(this.sealedEnd));
      case KIND.spilled:
        return this.spills.takeAgain(entry.payload);
      case KIND.place:
        return this.#setPlace(placeEntry.decode(entry.payload).dir);
      case KIND.retention:
        return void (this.retention = retentionEntry.decode(entry.payload));
      case KIND.partial:
        return void (this.isPartial = true);
      case KIND.shutdown:
        shutdownEntry.decode(entry.payload);
        this.clean = true;
        return this.progress.named();
      default:
        if (isKnownKind(entry.kind) || entry.flags & ENTRY_FLAG.ignorable) return;
        throw new HelicorderError(
          'FORMAT_VERSION',
          `the log holds entries of kind ${entry.kind}, which this version does not know`,
        );
    }
  }

  #endRun({ run, lastTick, reason }: RunEndEntry): void {
    const state = this.runs.get(run);
    if (state) Object.assign(state, { lastTick: lastTick ?? state.lastTick, endReason: reason });
  }

  #setPlace(dir: string): void {
    // the place named last comes last
    this.places.delete(dir);
    this.places.add(dir);
  }

  #addStream(given: StreamSnapshot): void {
    const stream = liveStream(given);
    this.streams.set(stream.id, stream);
    this.#streamByName.set(stream.name, stream);
    this.nextStream = Math.max(this.nextStream, stream.id + 1);
  }

  #removeStream(id: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.streams.delete(id);
    this.#streamByName.delete(stream.name);
    this.trims.delete(id);
    this.losses.forget(id);
    this.positions.forget(id);
    for (const run of this.writersOf(id)) this.runs.delete(run.id);
    this.#runsOf.delete(id);
    for (const cursor of this.cursors.values()) {
      if (cursor.stream === id) this.cursors.delete(cursor.name);
    }
    for (const [key, { stream: own }] of this.transactions) {
      if (own === id) this.transactions.delete(key);
    }
  }

  #setCursor(cursor: CursorEntry): void {
    if (cursor.offset === null) this.cursors.delete(cursor.name);
    else this.cursors.set(cursor.name, cursor);
  }

  #beginRun(entry: RunEntry): void {
    const stream = this.streams.get(entry.stream);
    if (stream) stream.schemaId = entry.schemaId;
    this.#addRun(begunRun(entry, this.latestRun(entry.stream, entry.writer)));
    this.progress.begins(entry.id);
  }

  #addRun(given: RunSnapshot): void {
    const run = liveRun(given);
    const before = this.latestRun(run.stream, run.writer);
    if (before) {
      this.runs.delete(before.id);
      this.progress.replace(before.id, run.id);
      this.losses.replace(before.id, run.id);
    }
    this.runs.set(run.id, run);
    const ofStream = this.#runsOf.get(run.stream) ?? new Map<string, RunSnapshot>();
    ofStream.delete(run.writer);
    this.#runsOf.set(run.stream, ofStream.set(run.writer, run));
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
    const isLoss = isCorruptGap(item);
    if (isLoss) this.losses.pin(item);
    // it stands for records whose bytes have come back since
    if (isLoss && item.firstOffset + item.records <= stream.nextOffset) return;
    // a gap for the records of an earlier run: its seqs are past
    const isPast = (isLoss || item.kind === 'spilled') && seqStep < 0;
    // the seqs of a copy are its transactions'; those of its origins may jump as they did there
    const isSeqWrong = seqStep !== 0 && !isPast && run.copied === undefined;
    if (offsetStep !== 0 || isSeqWrong) {
      if (!lenient || offsetStep < 0) {
        throw new HelicorderError(
          'DAMAGED',
          `${stream.name}: expected offset ${stream.nextOffset} and seq ${run.nextSeq}, ` +
            `found ${item.firstOffset} and ${item.firstSeq}`,
        );
      }
      if (offsetStep > 0) this.losses.jump(this, stream, item);
    }
    stream.nextOffset = item.firstOffset + item.records;
    // after damage a seq may have been guessed too high, for records that were another writer's
    if (!isPast) run.nextSeq = item.firstSeq + item.records;
    run.ordinal = item.nextOrdinal ?? run.ordinal;
    if (item.lastTick !== undefined) run.lastTick = item.lastTick;
    this.#addTotals(stream, run, item);
  }

  /** Records whose stream or run was lost: none of their numbers is ever issued again. */
  #passOver(item: DataItem, stream: StreamSnapshot | undefined): void {
    this.nextStream = Math.max(this.nextStream, item.stream + 1);
    this.nextRun = Math.max(this.nextRun, item.run + 1);
    if (stream === undefined) return;
    const records = item.firstOffset + item.records - stream.nextOffset;
    if (records > 0) this.losses.skip(stream, item.run, item.firstSeq, records);
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
    if (item.firstNanos === undefined || item.lastNanos === undefined) return;
    run.lastNanos = item.lastNanos;
    totals.firstNanos ??= item.firstNanos;
    const latest = totals.lastNanos ?? item.lastNanos;
    if (item.lastNanos >= latest) totals.lastNanos = item.lastNanos;
    if (item.firstNanos >= latest) return;
    if (item.firstNanos < latest - CLOCK_DISORDER_NANOS) totals.unorderedEnd = stream.nextOffset;
  }

  /**
   * The state as the entries of a snapshot: pieces of streams, schemas and runs, and behind them
   * control entries that say the rest.
   */
  snapshot(): SnapshotPart[] {
    const { generation, nextStream, nextRun, clean } = this;
    const frame = { generation, nextStream, nextRun, clean };
    const pieces = [schemasPiece(frame, this.schemas)];
    for (const streams of piecesOf(this.streams)) pieces.push(streamsPiece(frame, streams));
    for (const runs of piecesOf(this.runs)) pieces.push(runsPiece(frame, runs));
    return [
      ...pieces.map((piece) => part(KIND.snapshot, piece)),
      ...[...this.trims.values()].map((trim) => part(KIND.trim, trimEntry.encode(trim))),
      ...[...this.cursors.values()].map((own) => part(KIND.cursor, cursorEntry.encode(own))),
      ...[...this.transactions.values()].map((last) =>
        part(KIND.transaction, transactionEntry.encode(last)),
      ),
      ...this.positions.parts(),
      ...[...this.places].map((dir) => part(KIND.place, placeEntry.encode({ dir }))),
      ...(this.retention ? [retentionPart(this.retention)] : []),
      ...this.identities.map((own) => part(KIND.identity, identityEntry.encode(own))),
      ...[...this.losses.pinnedBehind((stream) => this.lowWaterOf(stream))].map((lost) =>
        part(KIND.lost, lostEntry.encode(lost)),
      ),
      ...this.spills.parts(),
      ...(this.isPartial ? [partialPart()] : []),
      ...(this.sealedEnd > 0
        ? [part(KIND.sealed, sealedEntry.encode({ end: this.sealedEnd }))]
        : []),
    ];
  }

  /** @returns undefined if a part of the segment's snapshot is damaged */
  static fromIntact(entries: readonly Entry[]): ControlState | undefined {
    return entries.every(({ intact }) => intact) ? ControlState.fromSnapshot(entries) : undefined;
  }

  /** @param entries of a segment's snapshot, all of them intact */
  static fromSnapshot(entries: readonly SnapshotPart[]): ControlState {
    assert(entries.length > 0, 'a snapshot has at least one piece');
    const state = new ControlState();
    for (const entry of entries) {
      if (entry.kind === KIND.snapshot) state.#take(snapshotEntry.decode(entry.payload));
      else state.#applyEntry(entry);
    }
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
