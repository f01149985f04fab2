/**
 * A stream as text or bytes, piece by piece: what `stream cat` prints.
 *
 * JSON gives whole events: those that hold a record that is wanted, by offset and by time
 * (`wanted.ts`); the record formats cut exactly. Event boundaries are a
 * function of the data (`batch/event.ts`), so two reads of a finished run agree byte for byte. The
 * short last event of a run comes once the run is over, or at the end if nobody owns the store.
 */
import { HelicorderError } from '../base/errors.ts';
import { EventRepacker, type SampleEvent } from '../batch/event.ts';
import { eventJson } from '../batch/json.ts';
import type { SampleBatch } from '../batch/samples.ts';
import { parseSchema, type Schema } from '../batch/schema.ts';
import { originRun } from '../store/entries/control-entries.ts';
import type { ReadOptions, Store } from '../store/store.ts';
import type { RunInfo } from '../store/state/known-runs.ts';
import type { GapItem, SamplesItem, StreamItem } from '../store/read/stream-item.ts';
import { EventLimit, recordLines } from './records.ts';
import type { CatOptions, Damage } from './types.ts';
import { Wanted } from './wanted.ts';

type Piece = string | Uint8Array;
type Format = NonNullable<CatOptions['format']>;

const DELIMITER_DEFAULT = '\n';

/** @throws NO_SUCH_STREAM, USAGE if the format does not fit the stream */
export async function* cat(store: Store, options: CatOptions): AsyncGenerator<Piece> {
  const stream = store.stream(options.stream);
  const { kind } = parseSchema(store.reader.state.schemaOf(stream));
  const format = options.format ?? (kind === 'opaque' ? 'raw' : 'json');
  checkForm(options, format, kind);
  const range = await wantedOf(store, options);
  const { samplesPerEvent } = stream;
  if (format === 'json') {
    yield* events(store, options, range, samplesPerEvent);
    return;
  }
  const limit = new EventLimit(options.maxEvents ?? Infinity, samplesPerEvent, range);
  if (limit.isReached) return;
  const found = itemsOf(store, options, range);
  if (format === 'raw')
    yield* rawEvents(found, range, limit, options.delimiter ?? DELIMITER_DEFAULT);
  else yield* recordLines(found, range, format, limit);
}

/** What would have no effect is refused, so that nobody takes the output for what was asked. */
function checkForm(options: CatOptions, format: Format, kind: Schema['kind']): void {
  const { stream, delimiter, withLedger } = options;
  if (kind === 'opaque' && (format === 'json' || format === 'csv')) {
    throw usage(`${stream} holds opaque events: use format raw or ndjson-records`);
  }
  if (kind === 'samples' && format === 'raw') {
    throw usage(`${stream} holds samples: use format json, ndjson-records or csv`);
  }
  if (delimiter !== undefined && format !== 'raw') {
    throw usage(`--delimiter is for format raw: each piece of ${format} ends with a line feed`);
  }
  if (withLedger && (format === 'csv' || format === 'raw')) {
    const instead = kind === 'samples' ? 'json or ndjson-records' : 'ndjson-records';
    throw usage(`--with-ledger: format ${format} has no place for it, use ${instead}`);
  }
}

function usage(message: string): HelicorderError {
  return new HelicorderError('USAGE', message);
}

async function wantedOf(store: Store, options: CatOptions): Promise<Wanted> {
  const { stream, from, to = Infinity, fromTime, toTime } = options;
  const given = from === 'tail' ? store.stream(stream).nextOffset : from === 'start' ? 0 : from;
  const located = fromTime === undefined ? 0 : await store.locateTime(stream, fromTime);
  return new Wanted(Math.max(given, located), to, { fromNanos: fromTime, toNanos: toTime });
}

/** Items that hold what is wanted. */
function itemsOf(store: Store, options: CatOptions, { first, end }: Wanted): Items {
  const to = end === Infinity ? {} : { to: end };
  const toTime = options.toTime === undefined ? {} : { toTime: options.toTime };
  return items(store, options, { from: first, ...to, ...toTime });
}

type Items = AsyncGenerator<Exclude<StreamItem, { kind: 'fault' }>>;

/** Items of the stream with damage told apart. */
async function* items(store: Store, options: CatOptions, range: ReadOptions): Items {
  const { follow, signal, onDamage, stream, columns } = options;
  const rest = { ...(signal && { signal }), ...(columns && { columns }) };
  for await (const item of store.read(stream, { ...range, follow, ...rest })) {
    if (item.kind === 'fault') onDamage(damageOf(item.fault));
    else yield item;
  }
}

export function damageOf(fault: {
  file: string;
  offset: number;
  length: number;
  what: string;
}): Damage {
  const { file, offset, length, what } = fault;
  return { file, offset: String(offset), length: String(length), what };
}

async function* rawEvents(
  items: Items,
  range: Wanted,
  limit: EventLimit,
  text: string,
): AsyncGenerator<Piece> {
  const delimiter = new TextEncoder().encode(text);
  for await (const item of items) {
    if (item.kind !== 'events') continue;
    const { firstOffset, utcNanos } = item;
    const end = limit.endWith(item);
    const wanted = item.events.filter((_, i) => {
      return firstOffset + i < end && range.takes(firstOffset + i, utcNanos);
    });
    if (wanted.length > 0) yield Buffer.concat(wanted.flatMap((event) => [event, delimiter]));
    if (limit.isReached) return;
  }
}

async function* events(
  store: Store,
  options: CatOptions,
  range: Wanted,
  samplesPerEvent: number,
): AsyncGenerator<string> {
  // The event that holds `first` may have begun earlier, by up to N samples and the gaps between
  // them: begin well before, and further back if that was not enough.
  let back = range.first === 0 ? 0 : 2 * samplesPerEvent;
  for (;;) {
    const start = Math.max(0, range.first - back);
    const attempt = eventsFrom(store, options, range, samplesPerEvent, start);
    const first = await attempt.next();
    if (first.done) return;
    if (!first.value.isWhole) {
      await attempt.return(undefined);
      back *= 4;
      continue;
    }
    let left = options.maxEvents ?? Infinity;
    if (left <= 0) return;
    yield jsonLine(first.value, options);
    for await (const found of attempt) {
      if (--left <= 0) return;
      yield jsonLine(found, options);
    }
    return;
  }
}

interface FoundEvent {
  event: SampleEvent;
  info: RunInfo;
  /** false: samples or gaps of it may lie before the place where reading began */
  isWhole: boolean;
}

async function* eventsFrom(
  store: Store,
  options: CatOptions,
  range: Wanted,
  samplesPerEvent: number,
  start: number,
): AsyncGenerator<FoundEvent, undefined> {
  const repacker = new EventRepacker(samplesPerEvent);
  const runs = new Map<number, RunInfo>();
  let isWhole = start === 0;
  const found = (event: SampleEvent): FoundEvent => {
    return { event, info: runs.get(event.run)!, isWhole };
  };
  const { id } = store.stream(options.stream);
  for await (const item of items(store, options, { from: start })) {
    if (item.kind === 'events') continue;
    runs.set(item.info.run.id, item.info);
    for (const event of repacker.push(item.kind === 'gap' ? emptyBatch(item) : item.batch)) {
      const { unorderedEnd } = store.reader.state.streams.get(id)?.totals ?? {};
      if (range.isBehind(event, unorderedEnd)) return undefined;
      if (range.takesEvent(event)) yield found(event);
      isWhole = true;
    }
    if (item.firstOffset >= range.end && repacker.pendingSamples === 0) return undefined;
  }
  // what ended there was not the stream
  if (options.signal?.aborted) return undefined;
  if (store.reader.isOwned && !runIsOver(store, [...runs.keys()].at(-1))) return undefined;
  const last = repacker.flush();
  if (last && range.takesEvent(last)) yield found(last);
  return undefined;
}

function runIsOver(store: Store, run: number | undefined): boolean {
  const state = run === undefined ? undefined : store.reader.state.runs.get(run);
  return state === undefined || state.endReason !== null;
}

function jsonLine({ event, info }: FoundEvent, { withLedger }: CatOptions): string {
  const { run, schema } = info;
  const channels = schema.kind === 'samples' ? schema.channels : [];
  const origin = { writer: run.writer, epoch: run.epoch, run: originRun(run) };
  const ledger = withLedger ? { ledger: origin } : {};
  return `${eventJson(event, channels, { attributes: run.attributes, ...ledger })}\n`;
}

/** A gap that stands alone, as a batch without samples, so that events carry it. */
function emptyBatch(item: GapItem): SampleBatch {
  const { info, firstSeq, firstOffset, records, reason, ticks, bounds } = item;
  const channels = info.schema.kind === 'samples' ? info.schema.channels : [];
  const gap: SamplesItem['batch']['gaps'][number] = {
    recordIndex: 0,
    samplesBefore: 0,
    reason,
    firstTick: ticks?.first ?? -1,
    ticks: ticks?.count ?? 0,
    nanos: bounds?.maxNanos ?? 0n,
  };
  return {
    run: info.run.id,
    firstSeq,
    firstOffset,
    ordinal: 0,
    records,
    samples: 0,
    ticks: new Float64Array(0),
    timeNanos: new BigInt64Array(0),
    latenessNanos: new Float64Array(0),
    columns: channels.map(() => new Float64Array(0)),
    gaps: [gap],
  };
}
