/**
 * The reference JSON: an event as the readers of Pravega Sensor Collector's streams expect it, keys
 * in this order, arrays of equal length, 64-bit integers as exact, unquoted numbers:
 *
 *   {"TimestampNanos":[…],"RxBytes":[…],…,"RemoteAddr":"…","Interface":"…",
 *    "LastTimestampFormatted":"2020-12-30T21:29:17.809Z"}
 *
 * Values are physical: raw × scale + offset. Typed arrays print themselves, so there is no
 * JavaScript object per sample.
 */
import { formatUtc } from '../base/time-text.ts';
import type { EventGap, SampleEvent } from './event.ts';
import type { Column } from './samples.ts';
import type { Channel } from './schema.ts';

export interface EventJsonOptions {
  /** of the run: written after the arrays, in this order */
  attributes?: readonly (readonly [name: string, value: string | number | boolean])[];
  /**
   * adds where the event comes from: the run's writer and epoch, seqs, offsets and gaps, and how
   * many samples a copy has left out, if any
   */
  ledger?: EventOrigin;
}

/** The run in which an event was first written. */
export interface EventOrigin {
  writer: string;
  epoch: bigint | number;
  run: number;
}

/** One event as one line of JSON, without the line feed. */
export function eventJson(
  event: SampleEvent,
  channels: readonly Channel[],
  options: EventJsonOptions = {},
): string {
  const fields = [`"TimestampNanos":[${event.timeNanos.join(',')}]`];
  channels.forEach((channel, i) => {
    fields.push(`${JSON.stringify(channel.name)}:[${joinPhysical(event.columns[i]!, channel)}]`);
  });
  for (const [name, value] of options.attributes ?? []) {
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  }
  const last = event.timeNanos.at(-1);
  if (last !== undefined) fields.push(`"LastTimestampFormatted":"${formatUtc(last)}"`);
  if (options.ledger !== undefined) fields.push(...ledgerFields(event, options.ledger));
  return `{${fields.join(',')}}`;
}

/** raw × scale + offset; the raw column itself where that changes nothing. */
export function physicalColumn(column: Column, channel: Channel): Column {
  const { scale, offset } = channel;
  if (scale === 1 && offset === 0) return column;
  const physical = new Float64Array(column.length);
  for (let i = 0; i < column.length; i++) physical[i] = Number(column[i]!) * scale + offset;
  return physical;
}

/** JSON has no NaN and no infinity: they become null, as JSON.stringify has it. */
function joinPhysical(column: Column, channel: Channel): string {
  const physical = physicalColumn(column, channel);
  if (!(physical instanceof Float64Array)) return physical.join(',');
  if (physical.every(Number.isFinite)) return physical.join(',');
  return Array.from(physical, (value) => (Number.isFinite(value) ? value : 'null')).join(',');
}

function ledgerFields(event: SampleEvent, { writer, epoch, run }: EventOrigin): string[] {
  const { firstSeq, lastSeq, firstOffset, lastOffset } = event;
  const quoted = { writer, epoch, firstSeq, lastSeq, firstOffset, lastOffset, run };
  return [
    ...Object.entries(quoted).map(([name, value]) => `"${name}":${JSON.stringify(String(value))}`),
    `"gaps":${JSON.stringify(event.gaps.map(gapFields))}`,
    ...(event.filtered > 0 ? [`"filtered":"${event.filtered}"`] : []),
  ];
}

function gapFields(gap: EventGap): Record<string, string> {
  const { offset, reason, firstTick, ticks, nanos } = gap;
  return {
    offset: String(offset),
    reason,
    firstTick: String(firstTick),
    ticks: String(ticks),
    ...(nanos > 0n ? { nanos: String(nanos) } : {}),
  };
}
