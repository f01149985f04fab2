/**
 * The records in a group: its times, batch, events and gap entries, decoded as far as the store
 * needs to account for them (columns stay encoded), each with its share of the group's bytes.
 *
 * Shares: an entry costs its payload and its table row. A times entry's cost falls on the batches
 * that refer to it, the group's header, final CRC and padding on all data entries: in equal parts,
 * what does not divide on the first of them. Control entries are nobody's data.
 *
 * A batch of which no row failed (nearly all) is accounted for from a few numbers at its beginning;
 * the rest of it is decoded by whoever asks for its content.
 */
import { assert } from '../../base/assert.ts';
import { BatchHead } from '../../batch/batch-head.ts';
import {
  decodeBatch,
  decodeEvents,
  decodeGap,
  decodeTimes,
  recordsOf,
  type BatchEntry,
  type EventsEntry,
  type RecordContent,
  type TimesEntry,
} from '../../batch/format.ts';
import { filteredIn, recordsInGaps } from '../../batch/ledger.ts';
import { timeValueOf } from '../../batch/time-column.ts';
import { HelicorderError } from '../../base/errors.ts';
import { gapItem, type DataItem } from './data-item.ts';
import type { Entries, Entry, EntryView, TimeEnds } from './entries.ts';
import { ENTRY_ROW_BYTES, GROUP_CRC_BYTES, GROUP_HEADER_BYTES, KIND } from './format.ts';
import { spilledItems } from './spill-entry.ts';

export interface GroupSize {
  /** header to final CRC, over all groups of the run */
  length: number;
  padded: number;
}

/** What was committed as one, and where. */
export interface CommittedGroup {
  /** number of the segment it is in */
  segment: number;
  /** of one group, or of one run of groups, joined */
  entries: Entries;
  size: GroupSize;
}

/**
 * @param entries of one group, or of one run of groups, joined; those of one stream (`Entries.of`)
 *   if nobody asks for its share of the bytes
 * @param onDamage is told of each entry that does not decode; it is left out
 */
export function dataItems(
  entries: Entries,
  size: GroupSize,
  onDamage: (entry: Entry, error: Error) => void,
): DataItem[] {
  const group = new GroupItems();
  for (const view = entries.view(); view.next();) {
    if (!isData(view.kind) || !view.isIntact()) continue;
    try {
      group.add(view);
    } catch (error) {
      onDamage(view.entry(), error as Error);
    }
  }
  group.share(size);
  return group.items;
}

/** Does an entry of this kind hold records, or what records have in common? */
export function isData(kind: number): boolean {
  return kind >= KIND.times && kind <= KIND.spill;
}

/** Calls `visit` with the run of each entry of records, in their order. */
export function visitRuns(entries: Entries, visit: (run: number) => void): void {
  const head = new BatchHead();
  for (const view = entries.view(); view.next();) {
    if (view.kind === KIND.times || !isData(view.kind)) continue;
    if (view.kind === KIND.spill) {
      for (const { run } of spilledItems(0, view.entry().payload)) visit(run);
      continue;
    }
    const isBatch = view.kind === KIND.batch;
    const run = isBatch ? head.readRun(view.bytes, view.start, view.length) : undefined;
    visit(run ?? runOf(view.entry()));
  }
}

function runOf({ kind, stream, payload }: Entry): number {
  return kind === KIND.batch ? decodeBatch(payload).run : standaloneItem(kind, stream, payload).run;
}

class GroupItems {
  readonly items: DataItem[] = [];
  readonly #times = new Map<number, SharedTimes>();
  readonly #head = new BatchHead();

  add(view: EntryView): void {
    if (view.kind === KIND.batch) this.#addBatch(view);
    else if (view.kind === KIND.times) this.#times.set(view.index, new SharedTimes(view.entry()));
    else if (view.kind === KIND.spill)
      this.items.push(...spilledItems(view.stream, view.entry().payload));
    else this.items.push(standaloneItem(view.kind, view.stream, view.entry().payload));
  }

  share({ length, padded }: GroupSize): void {
    for (const { bytes, users } of this.#times.values()) share(users, bytes, 0);
    share(this.items, GROUP_HEADER_BYTES + GROUP_CRC_BYTES, padded - length);
  }

  #addBatch(view: EntryView): void {
    const { stream, index, bytes, start, length } = view;
    const head = this.#head;
    const isWhole = head.read(bytes, start, length);
    const batch = isWhole ? undefined : decodeBatch(view.entry().payload);
    const shared = this.#times.get(index - (batch ?? head).timesDistance);
    if (shared === undefined)
      throw new HelicorderError('DAMAGED', 'a batch without its times entry');
    const item =
      isWhole && shared.times.rows === head.samples
        ? new WholeBatch(stream, shared, head, bytes, start, length)
        : sharedBatchItem(view, shared, batch ?? decodeBatch(view.entry().payload));
    shared.users.push(item);
    this.items.push(item);
  }
}

/** A times entry, and what follows from it for all batches that refer to it. */
export class SharedTimes {
  readonly times: TimesEntry;
  readonly bytes: number;
  readonly users: DataItem[] = [];
  readonly lastTick: number;
  /** records of a batch that are in the gaps */
  readonly gapRecords: number;
  readonly filtered: number;
  readonly #ends: TimeEnds | undefined;
  #whole: { first: bigint; last: bigint } | undefined;

  constructor(entry: Entry) {
    const times = decodeTimes(entry.payload);
    this.times = times;
    this.bytes = entry.payload.length + ENTRY_ROW_BYTES;
    this.lastTick = times.firstTick + times.ticks - 1;
    this.gapRecords = recordsInGaps(times.gaps);
    this.filtered = filteredIn(times.gaps);
    this.#ends = entry.timeEnds;
  }

  /** UTC ns of the first and last row. */
  get whole(): { first: bigint; last: bigint } {
    const last = this.times.rows - 1;
    return (this.#whole ??= { first: this.utcNanos(0), last: this.utcNanos(last) });
  }

  #columnValue(row: number): bigint {
    if (row === 0 && this.#ends) return this.#ends.first;
    if (row === this.times.rows - 1 && this.#ends) return this.#ends.last;
    return timeValueOf(this.times, row);
  }

  /** UTC ns of a row. */
  utcNanos(row: number): bigint {
    const { times } = this;
    let tick = times.firstTick + row;
    for (const gap of times.gaps) if (gap.rowsBefore <= row) tick += gap.ticks;
    const due = times.t0Nanos + BigInt(tick) * times.periodNanos;
    const nanos = due + this.#columnValue(row) * times.resolutionNanos + times.utcOffsetNanos;
    return nanos - (nanos % times.resolutionNanos);
  }
}

/** An events or gap entry as an item: what needs no other entry to be understood. */
export function standaloneItem(kind: number, stream: number, payload: Uint8Array): DataItem {
  const bytes = payload.length + ENTRY_ROW_BYTES;
  if (kind === KIND.events) return eventsItem(stream, bytes, decodeEvents(payload));
  if (kind === KIND.gap) return gapItem(stream, bytes, decodeGap(payload));
  throw new HelicorderError('DAMAGED', `an entry of kind ${kind} among records`);
}

// All write the same fields in the same order: every group of every stream comes by here, and
// objects put together from parts (`...base`) took eight times as long.

/** A batch of which every row is a sample. */
class WholeBatch implements DataItem {
  readonly kind = 'batch';
  readonly stream: number;
  readonly run: number;
  readonly firstSeq: number;
  readonly firstOffset: number;
  readonly records: number;
  readonly samples: number;
  readonly ticks: number;
  readonly lastTick: number;
  readonly nextOrdinal: number;
  readonly gaps: TimesEntry['gaps'];
  readonly firstNanos: bigint | undefined;
  readonly lastNanos: bigint | undefined;
  bytes: number;
  paddingBytes = 0;
  readonly #times: TimesEntry;
  readonly #payloads: Uint8Array;
  readonly #start: number;
  readonly #length: number;
  #content: RecordContent | undefined;

  constructor(
    stream: number,
    shared: SharedTimes,
    head: BatchHead,
    payloads: Uint8Array,
    start: number,
    length: number,
  ) {
    const { times } = shared;
    const { samples } = head;
    this.stream = stream;
    this.run = head.run;
    this.firstSeq = head.firstSeq;
    this.firstOffset = head.firstOffset;
    this.records = samples + shared.gapRecords;
    this.samples = samples;
    this.ticks = times.ticks;
    this.lastTick = shared.lastTick;
    this.nextOrdinal = head.ordinal + samples + shared.filtered;
    this.gaps = times.gaps;
    this.firstNanos = samples > 0 ? shared.whole.first : undefined;
    this.lastNanos = samples > 0 ? shared.whole.last : undefined;
    this.bytes = length + ENTRY_ROW_BYTES;
    this.#times = times;
    this.#payloads = payloads;
    this.#start = start;
    this.#length = length;
  }

  get content(): RecordContent {
    return (this.#content ??= { kind: 'batch', times: this.#times, batch: this.#decoded() });
  }

  #decoded(): BatchEntry {
    return decodeBatch(this.#payloads.subarray(this.#start, this.#start + this.#length));
  }
}

function sharedBatchItem(view: EntryView, shared: SharedTimes, batch: BatchEntry): DataItem {
  const [first, last] = validRows(shared.times.rows, batch.failed);
  const item = batchItem(view.stream, view.length + ENTRY_ROW_BYTES, shared.times, batch);
  if (batch.samples === 0) return item;
  item.firstNanos = shared.utcNanos(first);
  item.lastNanos = shared.utcNanos(last);
  return item;
}

/** A batch as an item, but for the times of its ends. @throws DAMAGED */
export function batchItem(
  stream: number,
  bytes: number,
  times: TimesEntry,
  batch: BatchEntry,
): DataItem {
  const failed = batch.failed.map(({ rows }) => ({ reason: 'device' as const, ticks: rows }));
  return {
    kind: 'batch',
    stream,
    run: batch.run,
    firstSeq: batch.firstSeq,
    firstOffset: batch.firstOffset,
    records: recordsOf(times, batch),
    samples: batch.samples,
    ticks: times.ticks,
    lastTick: times.firstTick + times.ticks - 1,
    nextOrdinal: batch.ordinal + batch.samples + filteredIn(times.gaps),
    gaps: [...times.gaps, ...failed],
    firstNanos: undefined,
    lastNanos: undefined,
    bytes,
    paddingBytes: 0,
    content: { kind: 'batch', times, batch },
  };
}

function eventsItem(stream: number, bytes: number, events: EventsEntry): DataItem {
  return {
    kind: 'events',
    stream,
    run: events.run,
    firstSeq: events.firstSeq,
    firstOffset: events.firstOffset,
    records: events.events,
    samples: 0,
    ticks: 0,
    lastTick: undefined,
    nextOrdinal: undefined,
    gaps: [],
    firstNanos: events.utcNanos,
    lastNanos: events.utcNanos,
    bytes,
    paddingBytes: 0,
    content: { kind: 'events', events },
  };
}

/** First and last row that is in no failed range. */
function validRows(rows: number, failed: BatchEntry['failed']): [number, number] {
  let first = 0;
  for (const range of failed) if (range.firstRow === first) first += range.rows;
  let last = rows - 1;
  for (const range of failed.toReversed()) {
    if (range.firstRow + range.rows - 1 === last) last = range.firstRow - 1;
  }
  return [first, last];
}

/** In equal parts; what does not divide falls on the first. */
function share(items: readonly DataItem[], bytes: number, paddingBytes: number): void {
  const [first] = items;
  if (first === undefined) return;
  const part = Math.floor(bytes / items.length);
  const paddingPart = Math.floor(paddingBytes / items.length);
  assert(part >= 0 && paddingPart >= 0, 'a share is not negative');
  for (const item of items) {
    item.bytes += part;
    item.paddingBytes += paddingPart;
  }
  first.bytes += bytes - part * items.length;
  first.paddingBytes += paddingBytes - paddingPart * items.length;
}
