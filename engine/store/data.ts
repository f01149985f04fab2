/**
 * The records in a group: its times, batch, events and gap entries, decoded as far as the store
 * needs to account for them (columns stay encoded), each with its share of the group's bytes.
 *
 * Shares: an entry costs its payload and its table row. A times entry's cost falls on the batches
 * that refer to it, the group's header, final CRC and padding on all data entries: in equal parts,
 * what does not divide on the first of them. Control entries are nobody's data.
 */
import { assert } from '../base/assert.ts';
import {
  decodeBatch,
  decodeEvents,
  decodeGap,
  decodeTimes,
  recordsOf,
  type BatchEntry,
  type EventsEntry,
  type GapEntry,
  type TimesEntry,
} from '../batch/format.ts';
import { filteredIn } from '../batch/ledger.ts';
import { timeValueOf } from '../batch/samples.ts';
import { HelicorderError } from '../base/errors.ts';
import { ENTRY_ROW_BYTES, GROUP_CRC_BYTES, GROUP_HEADER_BYTES, KIND } from './log/format.ts';
import type { Entry, TimeEnds } from './log/group.ts';

export interface DataItem {
  stream: number;
  run: number;
  firstSeq: number;
  firstOffset: number;
  records: number;
  samples: number;
  /** UTC of the first and last sample or event; undefined if there is none */
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
  /** the last tick this item accounts for; undefined if it accounts for none */
  lastTick: number | undefined;
  bytes: number;
  paddingBytes: number;
  content:
    | { kind: 'batch'; times: TimesEntry; batch: BatchEntry }
    | { kind: 'events'; events: EventsEntry }
    | { kind: 'gap'; gap: GapEntry };
}

export interface GroupSize {
  /** header to final CRC, over all groups of the run */
  length: number;
  padded: number;
}

/**
 * @param entries of one group, or of one run of groups, joined; those of one stream (`Entries.of`)
 *   if nobody asks for its share of the bytes
 * @param onDamage is told of each entry that does not decode; it is left out
 */
export function dataItems(
  entries: readonly Entry[],
  size: GroupSize,
  onDamage: (entry: Entry, error: Error) => void,
): DataItem[] {
  const items: DataItem[] = [];
  const times = new Map<number, SharedTimes>();
  for (const entry of entries) {
    if (!entry.intact) continue;
    try {
      if (entry.kind === KIND.times) times.set(entry.index, new SharedTimes(entry));
      else addItem(items, entry, times);
    } catch (error) {
      onDamage(entry, error as Error);
    }
  }
  for (const shared of times.values()) share(shared.bytes, shared.users, 'bytes');
  share(GROUP_HEADER_BYTES + GROUP_CRC_BYTES, items, 'bytes');
  share(size.padded - size.length, items, 'paddingBytes');
  return items;
}

class SharedTimes {
  readonly times: TimesEntry;
  readonly bytes: number;
  readonly users: DataItem[] = [];
  readonly #ends: TimeEnds | undefined;

  constructor(entry: Entry) {
    this.times = decodeTimes(entry.payload);
    this.bytes = entry.payload.length + ENTRY_ROW_BYTES;
    this.#ends = entry.timeEnds;
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

function addItem(items: DataItem[], entry: Entry, times: ReadonlyMap<number, SharedTimes>): void {
  if (entry.kind === KIND.batch) {
    const batch = decodeBatch(entry.payload);
    const shared = times.get(entry.index - batch.timesDistance);
    if (shared === undefined)
      throw new HelicorderError('DAMAGED', 'a batch without its times entry');
    const item = batchItem(entry.stream, entry.payload.length + ENTRY_ROW_BYTES, shared, batch);
    shared.users.push(item);
    items.push(item);
  } else if (entry.kind === KIND.events || entry.kind === KIND.gap) {
    items.push(standaloneItem(entry.kind, entry.stream, entry.payload));
  }
}

// All three write the same fields in the same order: every group of every stream comes by here, and
// objects put together from parts (`...base`) took eight times as long.

function batchItem(
  stream: number,
  bytes: number,
  shared: SharedTimes,
  batch: BatchEntry,
): DataItem {
  const { times } = shared;
  const [first, last] = validRows(times.rows, batch.failed);
  return {
    stream,
    run: batch.run,
    firstSeq: batch.firstSeq,
    firstOffset: batch.firstOffset,
    records: recordsOf(times, batch),
    samples: batch.samples,
    firstNanos: batch.samples > 0 ? shared.utcNanos(first) : undefined,
    lastNanos: batch.samples > 0 ? shared.utcNanos(last) : undefined,
    lastTick: times.firstTick + times.ticks - 1,
    bytes,
    paddingBytes: 0,
    content: { kind: 'batch', times, batch },
  };
}

function eventsItem(stream: number, bytes: number, events: EventsEntry): DataItem {
  return {
    stream,
    run: events.run,
    firstSeq: events.firstSeq,
    firstOffset: events.firstOffset,
    records: events.events,
    samples: 0,
    firstNanos: events.utcNanos,
    lastNanos: events.utcNanos,
    lastTick: undefined,
    bytes,
    paddingBytes: 0,
    content: { kind: 'events', events },
  };
}

function gapItem(stream: number, bytes: number, gap: GapEntry): DataItem {
  return {
    stream,
    run: gap.run,
    firstSeq: gap.firstSeq,
    firstOffset: gap.firstOffset,
    records: gap.records,
    samples: 0,
    firstNanos: undefined,
    lastNanos: undefined,
    lastTick: gap.ticks && gap.ticks.first + gap.ticks.count - 1,
    bytes,
    paddingBytes: 0,
    content: { kind: 'gap', gap },
  };
}

/** The ordinal of the first sample behind a batch. */
export function ordinalBehind({ content }: DataItem): number | undefined {
  if (content.kind !== 'batch') return undefined;
  const { ordinal, samples } = content.batch;
  return ordinal + samples + filteredIn(content.times.gaps);
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

function share(bytes: number, items: readonly DataItem[], into: 'bytes' | 'paddingBytes'): void {
  if (items.length === 0) return;
  const part = Math.floor(bytes / items.length);
  for (const item of items) item[into] += part;
  items[0]![into] += bytes - part * items.length;
  assert(part >= 0, 'a share is not negative');
}
