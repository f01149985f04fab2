/** How many events, and how large, become durable at once: for whoever takes them of a program. */
import { types } from 'node:util';
import { HelicorderError } from '../base/errors.ts';
import { EVENTS_MAX } from '../batch/format.ts';

/** Bytes. */
export interface EventLimits {
  /** of a single event */
  eventLimit: number;
  /** of several together */
  groupLimit: number;
}

/**
 * Text, too, has a length, and so many zeros would be stored for it.
 * @param what takes them, for the message: "a commit"
 * @throws USAGE for what is no list of bytes
 */
export function checkBytes(what: string, events: readonly unknown[]): void {
  const isList = Array.isArray(events);
  const wrong = isList ? events.findIndex((event) => !types.isUint8Array(event)) : 0;
  if (wrong < 0) return;
  const which = isList ? `events[${wrong}] is no Uint8Array` : 'events is no list of Uint8Arrays';
  const why = `${which}: an event is bytes, and ${what} takes an array of Uint8Arrays`;
  throw new HelicorderError('USAGE', why);
}

/**
 * @param events bytes, as `checkBytes` has found
 * @throws USAGE, with what is allowed
 */
export function checkEventLimits(
  what: string,
  events: readonly Uint8Array[],
  { eventLimit, groupLimit }: EventLimits,
): void {
  const bytes = events.reduce((sum, event) => sum + event.length, 0);
  const limit = events.length === 1 ? eventLimit : groupLimit;
  if (bytes <= limit && events.length <= EVENTS_MAX) return;
  throw new HelicorderError(
    'USAGE',
    `${what} of ${events.length} events, ${bytes} bytes: this store takes at most ` +
      `${EVENTS_MAX} and ${limit}`,
  );
}
