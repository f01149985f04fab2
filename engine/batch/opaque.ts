/** Opaque events ↔ the content of an events entry: lengths as a column, bytes with lz4. */
import lz4 from 'lz4-napi';
import { assert } from '../base/assert.ts';
import { damaged } from '../base/bytes.ts';
import { decodeIntegers, encodeIntegers, uncompress } from '../codecs/codec.ts';
import { EVENTS_MAX, EVENTS_RAW_MAX_BYTES } from './format.ts';
import type { EventsEntry } from './format.ts';

export type EventsIdentity = Pick<EventsEntry, 'run' | 'firstSeq' | 'firstOffset' | 'utcNanos'>;

/**
 * @param events at most EVENTS_MAX, together at most EVENTS_RAW_MAX_BYTES; they are copied
 * @returns the entry, compressed only if that makes it shorter
 */
export function packEvents(events: readonly Uint8Array[], identity: EventsIdentity): EventsEntry {
  const raw = Buffer.concat(events);
  assert(events.length <= EVENTS_MAX, 'events fit in one entry');
  assert(raw.length <= EVENTS_RAW_MAX_BYTES, 'events fit in one entry');
  const packed = lz4.compressSync(raw);
  const compressed = packed.length < raw.length;
  return {
    ...identity,
    events: events.length,
    lengths: encodeIntegers(Float64Array.from(events, (event) => event.length)),
    rawBytes: raw.length,
    compressed,
    bytes: compressed ? packed : raw,
  };
}

/** The events, as views of a buffer of their own. Throws DAMAGED if they are not their lengths. */
export function unpackEvents(entry: EventsEntry): Uint8Array[] {
  const lengths = decodeIntegers(entry.lengths, entry.events);
  let total = 0n;
  for (const length of lengths) {
    if (length < 0n) throw damaged('events entry: a negative length');
    total += length;
  }
  if (total !== BigInt(entry.rawBytes)) throw damaged('events entry: lengths are not the bytes');
  const { bytes, rawBytes } = entry;
  const raw = entry.compressed ? uncompress(bytes, rawBytes, 'events entry') : bytes.slice();
  let at = 0;
  return Array.from(lengths, (length) => raw.subarray(at, (at += Number(length))));
}
