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
 * @param what takes them, for the message: "a commit"
 * @throws USAGE, with what is allowed
 */
export function checkEventLimits(
  what: string,
  events: readonly Uint8Array[],
  { eventLimit, groupLimit }: EventLimits,
): void {
  const isBytes = Array.isArray(events) && events.every((event) => types.isUint8Array(event));
  if (!isBytes) throw new HelicorderError('USAGE', `${what} takes an array of Uint8Arrays`);
  const bytes = events.reduce((sum, event) => sum + event.length, 0);
  const limit = events.length === 1 ? eventLimit : groupLimit;
  if (bytes <= limit && events.length <= EVENTS_MAX) return;
  throw new HelicorderError(
    'USAGE',
    `${what} of ${events.length} events, ${bytes} bytes: this store takes at most ` +
      `${EVENTS_MAX} and ${limit}`,
  );
}
