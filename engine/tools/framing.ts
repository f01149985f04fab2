/**
 * Lines, framed blobs or whole files → opaque events, and these in groups as a store takes them.
 */
import { HelicorderError } from '../base/errors.ts';
import { EVENTS_MAX } from '../batch/format.ts';

/** `file`: the whole input is one event */
export type Framing = 'lines' | 'length32' | 'file';

const EVENT_LENGTH_BYTES = 4;

/** At most `limit` bytes each, but for a single event that is larger. */
export function* grouped(
  events: readonly Uint8Array[],
  limit: number,
): Generator<{ group: Uint8Array[]; bytes: number }> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    // as the control socket carries it: an empty event is not nothing
    const eventBytes = EVENT_LENGTH_BYTES + event.length;
    const full = bytes + eventBytes > limit || group.length === EVENTS_MAX;
    if (full && group.length > 0) {
      yield { group, bytes };
      [group, bytes] = [[], 0];
    }
    group.push(event);
    bytes += eventBytes;
  }
  if (group.length > 0) yield { group, bytes };
}

/**
 * The events that each piece of input completes.
 * @param limit of one event, bytes. @throws USAGE for a larger one, and a frame without its end
 */
export async function* framed(
  input: AsyncIterable<Uint8Array>,
  framing: Framing,
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
