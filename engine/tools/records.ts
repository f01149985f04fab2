/** One line per record: `ndjson-records` (every record, gaps too) and `csv` (samples). */
import { physicalColumn } from '../batch/json.ts';
import { recordOf } from '../batch/record-place.ts';
import { EventRepacker } from '../batch/event.ts';
import type { Channel } from '../batch/schema.ts';
import { gapRecords, type SampleGap } from '../batch/ledger.ts';
import type { Column } from '../batch/samples.ts';
import type { EventsItem, GapItem, SamplesItem } from '../store/read/stream-item.ts';

import type { Wanted } from './wanted.ts';

type RecordItem = SamplesItem | EventsItem | GapItem;

/**
 * Where the last event ends that is wanted: records have no events, but the samples in them are
 * those of the events that `--format json` gives.
 */
export class EventLimit {
  readonly #range: Wanted;
  readonly #repacker: EventRepacker;
  #left: number;

  /** @param maxEvents Infinity: there is no limit */
  constructor(maxEvents: number, samplesPerEvent: number, range: Wanted) {
    this.#left = maxEvents;
    this.#repacker = new EventRepacker(samplesPerEvent);
    this.#range = range;
  }

  get isReached(): boolean {
    return this.#left <= 0;
  }

  /** @returns the first offset behind the last event, once an item ends it; else Infinity */
  endWith(item: RecordItem): number {
    if (this.#left === Infinity) return Infinity;
    for (const end of this.#endsIn(item)) {
      if (--this.#left <= 0) return end;
    }
    return Infinity;
  }

  *#endsIn(item: RecordItem): Generator<number> {
    if (item.kind === 'gap') return;
    if (item.kind === 'samples') {
      const events = this.#repacker.push(item.batch);
      for (const event of events) if (this.#range.takesEvent(event)) yield event.lastOffset + 1;
      return;
    }
    for (const i of item.events.keys()) {
      if (this.#range.takes(item.firstOffset + i, item.utcNanos)) yield item.firstOffset + i + 1;
    }
  }
}

/** Lines of one item are handed on together: one string per batch, not per record. */
export async function* recordLines(
  items: AsyncIterable<RecordItem>,
  range: Wanted,
  format: 'ndjson-records' | 'csv',
  limit: EventLimit,
): AsyncGenerator<string> {
  let header = '';
  for await (const item of items) {
    const end = limit.endWith(item);
    // the event before was the last one, a short one: this item only tells that
    if (end <= item.firstOffset) return;
    if (format === 'csv') {
      if (item.kind !== 'samples') continue;
      const columns = csvHeader(channelsOf(item));
      if (columns !== header) yield columns;
      header = columns;
    }
    const lines: string[] = [];
    for (const { offset, lastOffset, nanos, line } of format === 'csv'
      ? csvRows(item)
      : ndjson(item)) {
      if (offset < end && range.takes(offset, nanos, lastOffset)) lines.push(line);
    }
    if (lines.length > 0) yield `${lines.join('\n')}\n`;
    if (limit.isReached) return;
  }
}

interface Line {
  offset: number;
  /** of a gap that may stand for several records */
  lastOffset?: number;
  /** undefined: a gap */
  nanos: bigint | undefined;
  line: string;
}

function channelsOf({ info }: RecordItem): Channel[] {
  return info.schema.kind === 'samples' ? info.schema.channels : [];
}

function csvHeader(channels: readonly Channel[]): string {
  return `${['TimestampNanos', ...channels.map(({ name }) => csvField(name))].join(',')}\n`;
}

/** RFC 4180. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function* csvRows(item: RecordItem): Generator<Line> {
  if (item.kind !== 'samples') return;
  const columns = physicalColumns(item);
  for (let i = 0; i < item.batch.samples; i++) {
    const values = columns.map((column) => String(column[i]));
    const nanos = item.batch.timeNanos[i]!;
    const line = [String(nanos), ...values].join(',');
    yield { offset: item.firstOffset + recordOf(item.batch, i), nanos, line };
  }
}

function physicalColumns(item: SamplesItem): Column[] {
  return channelsOf(item).map((channel, i) => physicalColumn(item.batch.columns[i]!, channel));
}

function* ndjson(item: RecordItem): Generator<Line> {
  if (item.kind === 'samples') yield* sampleObjects(item);
  else if (item.kind === 'events') yield* eventObjects(item);
  else yield gapObject(item);
}

function identity(item: RecordItem, index: number): Record<string, string> {
  const { writer, epoch } = item.info.run;
  return {
    offset: String(item.firstOffset + index),
    writer,
    epoch: String(epoch),
    seq: String(item.firstSeq + index),
  };
}

function* sampleObjects(item: SamplesItem): Generator<Line> {
  const { batch } = item;
  const columns = physicalColumns(item);
  const names = channelsOf(item).map(({ name }) => name);
  let sample = 0;
  let gap = 0;
  for (let index = 0; index < batch.records; index++) {
    const offset = item.firstOffset + index;
    if (batch.gaps[gap]?.recordIndex === index) {
      const found = batch.gaps[gap++]!;
      const line = JSON.stringify({ ...identity(item, index), type: 'gap', ...gapFacts(found) });
      index += Math.max(0, gapRecords(found) - 1);
      yield { offset, lastOffset: item.firstOffset + index, nanos: undefined, line };
      continue;
    }
    const values = Object.fromEntries(
      names.map((name, i) => [name, jsonValue(columns[i]![sample]!)]),
    );
    const tick = String(batch.ticks[sample]);
    const nanos = batch.timeNanos[sample]!;
    const timestampNanos = String(nanos);
    const facts = { type: 'sample', tick, timestampNanos, values };
    yield { offset, nanos, line: JSON.stringify({ ...identity(item, index), ...facts }) };
    sample++;
  }
}

/** A gap inside a batch; `records` only where it may cover more than one. */
function gapFacts(gap: SampleGap): Record<string, string> {
  const { reason, firstTick, ticks, nanos } = gap;
  return {
    reason,
    ...(reason === 'filtered' ? { records: String(gapRecords(gap)) } : {}),
    firstTick: String(firstTick),
    ticks: String(ticks),
    ...(nanos > 0n ? { nanos: String(nanos) } : {}),
  };
}

function jsonValue(value: bigint | number): string | number {
  return typeof value === 'bigint' ? String(value) : value;
}

function* eventObjects(item: EventsItem): Generator<Line> {
  const timestampNanos = String(item.utcNanos);
  for (const [index, event] of item.events.entries()) {
    const facts = { ...identity(item, index), type: 'event', timestampNanos, ...content(event) };
    const offset = item.firstOffset + index;
    yield { offset, nanos: item.utcNanos, line: JSON.stringify(facts) };
  }
}

/** Text where the bytes are UTF-8, else base64. */
function content(event: Uint8Array): { data: string } | { dataBase64: string } {
  try {
    return { data: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(event) };
  } catch {
    return { dataBase64: Buffer.from(event).toString('base64') };
  }
}

function gapObject(item: GapItem): Line {
  const { reason, ticks, bounds, records } = item;
  const facts = {
    ...identity(item, 0),
    type: 'gap',
    reason,
    records: String(records),
    firstTick: ticks ? String(ticks.first) : null,
    ticks: ticks ? String(ticks.count) : null,
    ...(bounds && { minNanos: String(bounds.minNanos), maxNanos: String(bounds.maxNanos) }),
  };
  const offset = item.firstOffset;
  const lastOffset = offset + Math.max(0, records - 1);
  return { offset, lastOffset, nanos: undefined, line: JSON.stringify(facts) };
}
