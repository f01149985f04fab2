/**
 * Lines, framed blobs or whole files → opaque events. An event is acknowledged once it is durable;
 * whoever feeds us can therefore resume exactly where it was.
 *
 * Events are committed in groups of what the input has ready: a slow producer has each line
 * durable at once, a fast one many lines with one sync.
 */
import { EVENTS_MAX } from '../batch/format.ts';
import { GROUP_TARGET_BYTES } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { Appender } from '../store/store.ts';

export interface WriteOptions {
  dataDir: string;
  stream: string;
  writer: string;
  /** `file`: the whole input is one event */
  framing: 'lines' | 'length32' | 'file';
  input: AsyncIterable<Uint8Array>;
  onOpen: (opened: { writer: string; epoch: number; lastSeq: number }) => void;
  onDurable: (seq: number, offset: number) => void;
  onWait: (error: HelicorderError) => void;
}

/**
 * Returns when everything is durable. @throws STORE_IN_USE, USAGE for an event that is too large
 */
export async function writeEvents(options: WriteOptions): Promise<void> {
  const { dataDir, stream, writer, onOpen, onDurable, onWait } = options;
  const appender = Appender.open(dataDir, { stream, writer });
  try {
    onOpen({ writer, epoch: appender.epoch, lastSeq: appender.lastSeq });
    for await (const events of framed(options, appender.eventLimit)) {
      for (const group of grouped(events)) {
        const { firstSeq, firstOffset } = await appender.append(group, onWait);
        group.forEach((_, i) => onDurable(firstSeq + i, firstOffset + i));
      }
    }
  } finally {
    appender.close();
  }
}

function* grouped(events: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    const full = bytes + event.length > GROUP_TARGET_BYTES || group.length === EVENTS_MAX;
    if (full && group.length > 0) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(event);
    bytes += event.length;
  }
  if (group.length > 0) yield group;
}

/** The events that each piece of input completes. */
async function* framed(
  { input, framing }: WriteOptions,
  limit: number,
): AsyncGenerator<Uint8Array[]> {
  const cut = framing === 'lines' ? cutLine : framing === 'length32' ? cutLength32 : cutNothing;
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of input) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    const events: Uint8Array[] = [];
    try {
      for (let next = cut(rest, limit); next !== undefined; next = cut(rest, limit)) {
        events.push(checkedSize(next.event, limit));
        rest = rest.subarray(next.consumed);
      }
      if (framing !== 'length32') checkedSize(rest, limit);
    } finally {
      // also those before an event that is refused
      if (events.length > 0) yield events;
    }
  }
  if (framing === 'length32' && rest.length > 0) {
    throw new HelicorderError(
      'USAGE',
      `the input ends within a frame: ${rest.length} bytes are left`,
    );
  }
  if (rest.length > 0 || framing === 'file') yield [rest];
}

interface Cut {
  event: Uint8Array;
  consumed: number;
}

function cutLine(bytes: Buffer): Cut | undefined {
  const end = bytes.indexOf(10);
  return end < 0 ? undefined : { event: bytes.subarray(0, end), consumed: end + 1 };
}

/** A 4-byte little-endian length, then as many bytes. */
function cutLength32(bytes: Buffer, limit: number): Cut | undefined {
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32LE(0);
  if (length > limit) throw tooLarge(length, limit);
  if (bytes.length < 4 + length) return undefined;
  return { event: bytes.subarray(4, 4 + length), consumed: 4 + length };
}

function cutNothing(): undefined {
  return undefined;
}

function checkedSize(event: Uint8Array, limit: number): Uint8Array {
  if (event.length > limit) throw tooLarge(event.length, limit);
  return event;
}

function tooLarge(bytes: number, limit: number): HelicorderError {
  return new HelicorderError(
    'USAGE',
    `an event of ${bytes} bytes: this store takes at most ${limit}`,
  );
}
