/**
 * What of a stream a reader wants to see: some of its channels, and records of some time. What lies
 * outside is passed over without being decoded, and in chunks without being read.
 *
 * By the wall clock records are not always in order: where it was set back, later ones lie before
 * earlier ones. `unorderedEnd` of the control state says up to where that is so; a range of time
 * ends with the first record behind both it and that place. So nothing in the range is missed, and
 * with a clock that was never set back nothing behind it is looked at.
 */
import { inspect } from 'node:util';
import { CLOCK_DISORDER_NANOS } from '../../base/constants.ts';
import { HelicorderError, nearest } from '../../base/errors.ts';
import type { Channel, Schema } from '../../batch/schema.ts';
import { NO_NANOS, type BlockRow } from '../chunks/format.ts';
import type { Projection } from './stream-item.ts';

export interface View {
  /** without what of the first piece lies before the first offset wanted */
  isExact?: boolean | undefined;
  /** channels by name, in the order in which they are wanted; undefined: all */
  columns?: ReadonlySet<string> | undefined;
  /** UTC ns of the first record wanted, and of the first one not wanted */
  fromNanos?: bigint | undefined;
  toNanos?: bigint | undefined;
  /** samples are decoded into the same memory again and again */
  reusesArrays?: boolean | undefined;
  /**
   * is told of records that lie in a place for chunks that is away, and they are passed over;
   * undefined: the reader throws UNAVAILABLE where they would come
   */
  onAway?: ((records: number) => void) | undefined;
}

/** A stretch of a stream; undefined: none of its records has a time. */
export interface Extent {
  firstOffset: number;
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
}

/** A block of a chunk, by what its directory says of it. */
export function extentOf({ firstOffset, firstNanos, lastNanos }: BlockRow): Extent {
  if (firstNanos === NO_NANOS) return { firstOffset, firstNanos: undefined, lastNanos: undefined };
  return { firstOffset, firstNanos, lastNanos };
}

/** Has the extent times, and none of them in the view? */
export function isOutside(
  { fromNanos, toNanos }: View,
  { firstNanos, lastNanos }: Extent,
): boolean {
  if (firstNanos === undefined || lastNanos === undefined) return false;
  const isBefore = fromNanos !== undefined && lastNanos < fromNanos;
  return isBefore || (toNanos !== undefined && firstNanos >= toNanos);
}

/** Can nothing in the view follow, the extent included? */
export function isBehind(
  { toNanos }: View,
  { firstOffset, firstNanos }: Extent,
  unorderedEnd = 0,
): boolean {
  if (toNanos === undefined || firstNanos === undefined || firstOffset < unorderedEnd) return false;
  return firstNanos >= toNanos + CLOCK_DISORDER_NANOS;
}

export function projectionOf({ columns }: View, schema: Schema): Projection | undefined {
  if (columns === undefined || schema.kind !== 'samples') return undefined;
  const all = schema.channels;
  const channels = placesOf(columns, all);
  return { channels, schema: { kind: 'samples', channels: channels.map((i) => all[i]!) } };
}

/** Where the wanted channels stand in the schema, in the order in which they are wanted. */
export function placesOf(columns: ReadonlySet<string>, channels: readonly Channel[]): number[] {
  const places = [...columns].map((name) => channels.findIndex((channel) => channel.name === name));
  return places.filter((place) => place >= 0);
}

/** What of a stream is to be read, as a program has given it: with types or without. */
interface GivenRange {
  from?: unknown;
  to?: unknown;
  fromTime?: unknown;
  toTime?: unknown;
}

/** @throws USAGE for what compares with no offset or time: it would be nothing, or everything */
export function checkRange({ from = 0, to = Infinity, ...times }: GivenRange): void {
  const isFirst = Number.isSafeInteger(from) || from === 'start' || from === 'tail';
  if (!isFirst) throw notIn('from', from, "an offset, 'start' or 'tail'");
  if (!Number.isSafeInteger(to) && to !== Infinity) throw notIn('to', to, 'an offset');
  for (const option of ['fromTime', 'toTime'] as const) {
    const nanos = times[option] ?? 0n;
    if (typeof nanos !== 'bigint') throw notIn(option, nanos, 'UTC ns, as a BigInt');
  }
}

function notIn(option: string, value: unknown, expected: string): HelicorderError {
  return new HelicorderError('USAGE', `${option} is ${inspect(value)}: expected ${expected}`);
}

/** @throws USAGE for a name that no channel of the stream has, with the nearest one */
export function checkColumns(columns: readonly string[], schema: Schema, stream: string): void {
  if (schema.kind !== 'samples') {
    throw new HelicorderError('USAGE', `${stream} holds opaque events: it has no columns`);
  }
  const names = schema.channels.map(({ name }) => name);
  const unknown = columns.find((column) => !names.includes(column));
  if (unknown === undefined) return;
  const close = nearest(unknown, names);
  const hint = close === undefined ? `it has ${names.join(', ')}` : `did you mean ${close}?`;
  throw new HelicorderError('USAGE', `${stream} has no column ${unknown}; ${hint}`);
}
