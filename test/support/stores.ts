/** Stores made by the production writer, with content that a test can tell. */
import { OPAQUE_SCHEMA } from '../../engine/batch/schema.ts';
import { encodeGap } from '../../engine/batch/format.ts';
import { encodeSamples } from '../../engine/batch/samples.ts';
import { MIB } from '../../engine/base/constants.ts';
import { removeStream } from '../../engine/store/write/changes.ts';
import { KIND } from '../../engine/store/entries/format.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { cat } from '../../engine/tools/cat.ts';

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

export function openWriter(
  dir: string,
  segmentBytes = MIB,
  environment: StoreEnvironment = systemEnvironment,
): StoreWriter {
  return StoreWriter.open(dir, { ...environment, segmentBytes });
}

export function beginEvents(writer: StoreWriter, stream = 'test/events', id = 'w'): OpenedRun {
  const schedule = { t0Nanos: 0n, periodNanos: 0n, resolutionNanos: 1n };
  const what = { stream, writer: id, schema: OPAQUE_SCHEMA, samplesPerEvent: 1 };
  return writer.beginRuns([{ ...what, ...schedule, attributes: [] }])[0]!;
}

/** Removes it, whoever of this owner writes to it. */
export function removeRecorded(writer: StoreWriter, stream: string): void {
  const builder = writer.group();
  for (const run of writer.state.writersOf(writer.state.streamNamed(stream)!.id)) {
    if (run.endReason === null) writer.addRunEnd(builder, run);
  }
  if (!builder.isEmpty) writer.commit(builder);
  removeStream(writer, stream);
}

export const PERIOD_NANOS = 1_000_000n;

export function beginSamples(
  writer: StoreWriter,
  stream = 'test/samples',
  id = 'source',
): OpenedRun {
  const channel = { name: 'X', type: 'i16' as const, unit: '1', scale: 1, offset: 0 };
  const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
  const schema = { kind: 'samples' as const, channels: [channel] };
  const what = { stream, writer: id, schema, samplesPerEvent: 10 };
  return writer.beginRuns([{ ...what, ...schedule, attributes: [] }])[0]!;
}

/** Commits `count` samples with the values tick mod 1000, from `firstTick` on. */
export function commitSamples(
  writer: StoreWriter,
  { run, stream }: OpenedRun,
  firstTick: number,
  count: number,
  utcOffsetNanos = 0n,
): void {
  const ticks = Array.from({ length: count }, (_, i) => firstTick + i);
  const { nextSeq, ordinal } = run;
  const cursor = { run: run.id, nextSeq, nextOffset: stream.nextOffset, ordinal };
  const channel = { name: 'X', type: 'i16' as const, unit: '1', scale: 1, offset: 0 };
  const column = Float64Array.from(ticks, (tick) => tick % 1000);
  const payloads = encodeSamples({
    t0Nanos: 0n,
    periodNanos: PERIOD_NANOS,
    resolutionNanos: 1n,
    utcOffsetNanos,
    firstTick,
    timesNanos: BigInt64Array.from(ticks, (tick) => BigInt(tick) * PERIOD_NANOS + 40_000n),
    gaps: [],
    sources: [{ channels: [channel], columns: [column], cursor }],
  });
  const builder = writer.group();
  builder.add(KIND.times, 0, payloads[0]!);
  builder.add(KIND.batch, stream.id, payloads[1]!);
  writer.commit(builder);
}

/** A gap that stands alone. @returns its ticks */
export function commitGap(
  writer: StoreWriter,
  { run, stream }: OpenedRun,
  first: number,
  count: number,
): number {
  const builder = writer.group();
  const place = { run: run.id, firstSeq: run.nextSeq, firstOffset: stream.nextOffset, records: 1 };
  const gap = { ...place, reason: 'late' as const, ticks: { first, count }, bounds: undefined };
  builder.add(KIND.gap, stream.id, encodeGap(gap));
  writer.commit(builder);
  return count;
}

/** All events of an opaque stream, as text; gaps as `gap(reason)×records`. */
export async function readEvents(
  dir: string,
  stream = 'test/events',
  environment?: StoreEnvironment,
): Promise<string[]> {
  const store = Store.open(dir, environment);
  const found: string[] = [];
  for await (const item of store.read(stream)) {
    if (item.kind === 'events') found.push(...item.events.map(text));
    if (item.kind === 'gap') found.push(`gap(${item.reason})×${item.records}`);
  }
  store.close();
  return found;
}

/** What `cat --format ndjson-records` prints from an offset on, line by line. @throws at damage */
export async function recordLines(dir: string, stream: string, from: number): Promise<string[]> {
  const store = Store.open(dir);
  const onDamage = (damage: unknown): never => {
    throw new Error(`damage: ${JSON.stringify(damage)}`);
  };
  const form = { format: 'ndjson-records', withLedger: false } as const;
  const pieces: string[] = [];
  const printed = cat(store, { stream, from, follow: false, ...form, onDamage });
  for await (const piece of printed) pieces.push(String(piece));
  store.close();
  return pieces.join('').split('\n').slice(0, -1);
}
