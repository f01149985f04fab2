/**
 * What a store holds: `stream ls` and `stream info`. All of it stands in the control state, but for
 * the first time behind what is retired, which is read.
 */
import { parseSchema } from '../batch/schema.ts';
import type { StreamSnapshot, TrimEntry } from '../store/entries/control-entries.ts';
import type { Store } from '../store/store.ts';
import { StreamReader } from '../store/read/stream-reader.ts';
import type { StreamItem } from '../store/read/stream-item.ts';
import type { StreamInfo } from './types.ts';

/** Sorted by name. */
export async function describeStreams(store: Store): Promise<StreamInfo[]> {
  store.look();
  const known = [...store.reader.state.streams.values()];
  known.sort((a, b) => (a.name < b.name ? -1 : 1));
  const streams: StreamInfo[] = [];
  for (const stream of known) streams.push(await infoOf(store, stream));
  return streams;
}

/** @throws NO_SUCH_STREAM */
export async function describeStream(store: Store, name: string): Promise<StreamInfo> {
  return infoOf(store, store.stream(name));
}

/** As of the last look. */
async function infoOf(store: Store, stream: StreamSnapshot): Promise<StreamInfo> {
  const { state } = store.reader;
  const schema = parseSchema(state.schemaOf(stream));
  const trim = state.trims.get(stream.id);
  const writers = state.writersOf(stream.id).map(({ writer, epoch, nextSeq }) => ({
    id: writer,
    epoch: String(epoch),
    lastSeq: String(nextSeq - 1),
  }));
  const isEmpty = stream.nextOffset === (trim?.lowWater ?? 0);
  const lastNanos = isEmpty ? null : stringOrNull(stream.totals.lastNanos);
  return {
    ...splitName(stream),
    id: stream.incarnation,
    kind: schema.kind,
    schema: { channels: schema.kind === 'samples' ? schema.channels : [] },
    samplesPerEvent: stream.samplesPerEvent,
    ...extent(stream, trim),
    writers,
    firstTimestampNanos: stringOrNull(await firstHeldNanos(store, stream, trim)),
    lastTimestampNanos: lastNanos,
  };
}

function splitName({ name }: StreamSnapshot): { scope: string; name: string } {
  const slash = name.indexOf('/');
  return { scope: name.slice(0, slash), name: name.slice(slash + 1) };
}

type Extent = Pick<
  StreamInfo,
  | 'records'
  | 'samples'
  | 'firstOffset'
  | 'lastOffset'
  | 'retired'
  | 'bytes'
  | 'paddingBytes'
  | 'bytesPerRecord'
>;

function extent(
  { nextOffset, totals }: StreamSnapshot,
  { lowWater, writers }: Pick<TrimEntry, 'lowWater' | 'writers'> = { lowWater: 0, writers: [] },
): Extent {
  const { records, bytes, paddingBytes } = totals;
  const retiredSamples = writers.reduce((sum, { samples }) => sum + samples, 0);
  return {
    records: String(nextOffset - lowWater),
    // of retired records that damage had taken before, nobody knows how many were samples
    samples: String(Math.min(nextOffset - lowWater, totals.samples - retiredSamples)),
    firstOffset: nextOffset === 0 ? null : String(lowWater),
    lastOffset: nextOffset === 0 ? null : String(nextOffset - 1),
    retired: { records: String(lowWater), samples: String(retiredSamples) },
    bytes: String(bytes),
    paddingBytes: String(paddingBytes),
    bytesPerRecord: records === 0 ? null : bytes / records,
  };
}

/**
 * UTC ns, behind what is retired; undefined: no record has a time, or the place of the chunk that
 * holds it is away.
 */
export async function firstHeldNanos(
  { reader }: Store,
  { id, totals }: StreamSnapshot,
  trim: TrimEntry | undefined,
): Promise<bigint | null | undefined> {
  if (trim === undefined) return totals.firstNanos;
  const times = new StreamReader(reader, id, trim.lowWater, { columns: new Set() });
  try {
    for await (const item of times.items()) {
      const nanos = firstNanosOf(item);
      if (nanos !== undefined) return nanos;
      await reader.turn();
    }
  } catch (error) {
    if (reader.chunks.away === undefined) throw error;
  }
  return undefined;
}

function firstNanosOf(item: StreamItem): bigint | undefined {
  if (item.kind === 'samples') return item.batch.timeNanos[0];
  return item.kind === 'events' && item.events.length > 0 ? item.utcNanos : undefined;
}

export function stringOrNull(value: bigint | number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
