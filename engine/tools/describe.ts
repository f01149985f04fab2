/** What a store holds: `stream ls` and `stream info`, from the control state alone. */
import { parseSchema } from '../batch/schema.ts';
import type { StreamSnapshot } from '../store/control.ts';
import type { Store } from '../store/store.ts';
import type { StreamInfo } from './types.ts';

export function describeStreams(store: Store): StreamInfo[] {
  return store.streamNames().map((name) => describeStream(store, name));
}

/** @throws NO_SUCH_STREAM */
export function describeStream(store: Store, name: string): StreamInfo {
  const { state } = store.reader;
  const stream = store.stream(name);
  const schema = parseSchema(state.schemaOf(stream));
  const writers = state.writersOf(stream.id).map(({ writer, epoch, nextSeq }) => ({
    id: writer,
    epoch: String(epoch),
    lastSeq: String(nextSeq - 1),
  }));
  return {
    ...splitName(stream),
    id: stream.incarnation,
    kind: schema.kind,
    schema: { channels: schema.kind === 'samples' ? schema.channels : [] },
    samplesPerEvent: stream.samplesPerEvent,
    ...extent(stream),
    writers,
    firstTimestampNanos: stringOrNull(stream.totals.firstNanos),
    lastTimestampNanos: stringOrNull(stream.totals.lastNanos),
  };
}

function splitName({ name }: StreamSnapshot): { scope: string; name: string } {
  const slash = name.indexOf('/');
  return { scope: name.slice(0, slash), name: name.slice(slash + 1) };
}

function extent({
  nextOffset,
  totals,
}: StreamSnapshot): Pick<
  StreamInfo,
  'records' | 'samples' | 'firstOffset' | 'lastOffset' | 'bytes' | 'paddingBytes' | 'bytesPerRecord'
> {
  const { records, samples, bytes, paddingBytes } = totals;
  return {
    records: String(records),
    samples: String(samples),
    firstOffset: nextOffset === 0 ? null : '0',
    lastOffset: nextOffset === 0 ? null : String(nextOffset - 1),
    bytes: String(bytes),
    paddingBytes: String(paddingBytes),
    bytesPerRecord: records === 0 ? null : bytes / records,
  };
}

export function stringOrNull(value: bigint | number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
