/**
 * Where one event of an input ends and the next begins, and how many go together. Which events come
 * out depends on the bytes alone, never on how they arrive.
 *
 *   lines      events, each behind it a line feed; the last one may have none
 *   length32   (u32 length, little-endian, bytes)*
 *   file       the whole input is one event
 */
import { HelicorderError } from '../base/errors.ts';
import { EVENTS_MAX } from '../batch/format.ts';

export type Framing = 'lines' | 'length32' | 'file';

/** A 4-byte little-endian length, as in `length32`, and as the control socket carries an event. */
const EVENT_LENGTH_BYTES = 4;

/**
 * The events that each piece of input completes: those before an event that is refused, too.
 * @param limit bytes of an event; no more than this and one piece of the input is held
 * @throws USAGE for an event that is longer, and for an input that ends within a frame
 */
export async function* framed(
  input: AsyncIterable<Uint8Array>,
  framing: Framing,
  limit: number,
): AsyncGenerator<Uint8Array[]> {
  const cutter = new Cutter(framing, limit);
  for await (const piece of input) {
    const events: Uint8Array[] = [];
    try {
      cutter.push(piece, events);
    } finally {
      if (events.length > 0) yield events;
    }
  }
  const last = cutter.end();
  if (last !== undefined) yield [last];
}

/** As a store takes them: at most `limit` bytes each, but for a single event that is larger. */
export function* grouped(
  events: readonly Uint8Array[],
  limit: number,
): Generator<{ group: Uint8Array[]; bytes: number }> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    // an empty event is not nothing
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

/** `framed` for whoever has the pieces at hand. */
export class Cutter {
  readonly #framing: Framing;
  readonly #limit: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(framing: Framing, limit: number) {
    this.#framing = framing;
    this.#limit = limit;
  }

  /** Adds to `events` what the piece completes, as views of it. @throws USAGE */
  push(piece: Uint8Array, events: Uint8Array[]): void {
    const rest = this.#rest;
    this.#rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    for (let next = this.#cut(); next !== undefined; next = this.#cut()) {
      events.push(this.#checked(next.event));
      this.#rest = this.#rest.subarray(next.consumed);
    }
    if (this.#framing !== 'length32') this.#checked(this.#rest);
  }

  /** The event that the end of the input completes, if there is one. @throws USAGE */
  end(): Uint8Array | undefined {
    const rest = this.#rest;
    if (this.#framing === 'length32' && rest.length > 0) {
      throw new HelicorderError(
        'USAGE',
        `the input ends within a frame: ${rest.length} bytes are left`,
      );
    }
    return rest.length > 0 || this.#framing === 'file' ? rest : undefined;
  }

  #cut(): Cut | undefined {
    if (this.#framing === 'file') return undefined;
    return this.#framing === 'lines' ? cutLine(this.#rest) : cutFrame(this.#rest, this.#limit);
  }

  #checked(event: Uint8Array): Uint8Array {
    if (event.length > this.#limit) throw tooLarge(event.length, this.#limit);
    return event;
  }
}

interface Cut {
  event: Uint8Array;
  consumed: number;
}

function cutLine(bytes: Buffer): Cut | undefined {
  const end = bytes.indexOf(10);
  return end < 0 ? undefined : { event: bytes.subarray(0, end), consumed: end + 1 };
}

function cutFrame(bytes: Buffer, limit: number): Cut | undefined {
  if (bytes.length < EVENT_LENGTH_BYTES) return undefined;
  const length = bytes.readUInt32LE(0);
  if (length > limit) throw tooLarge(length, limit);
  const end = EVENT_LENGTH_BYTES + length;
  if (bytes.length < end) return undefined;
  return { event: bytes.subarray(EVENT_LENGTH_BYTES, end), consumed: end };
}

function tooLarge(bytes: number, limit: number): HelicorderError {
  return new HelicorderError(
    'USAGE',
    `an event of ${bytes} bytes: this store takes at most ${limit}`,
  );
}
