/** What a reader of a stream is given: its records in pieces, decoded, with the run they are of. */
import { isCode } from '../../base/errors.ts';
import type { Reason } from '../../batch/ledger.ts';
import { unpackEvents } from '../../batch/opaque.ts';
import { decodeSamples, samplesFrom, type SampleBatch } from '../../batch/samples.ts';
import type { Schema } from '../../batch/schema.ts';
import type { ArrayPool } from '../../codecs/codec.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { RunInfo } from '../state/known-runs.ts';

interface RecordRange {
  info: RunInfo;
  firstSeq: number;
  firstOffset: number;
  records: number;
}

export interface SamplesItem extends RecordRange {
  kind: 'samples';
  batch: SampleBatch;
  /** the account of its ticks: the first and how many were scheduled */
  firstTick: number;
  ticks: number;
}

export interface EventsItem extends RecordRange {
  kind: 'events';
  events: Uint8Array[];
  utcNanos: bigint;
}

/** A gap that stands alone: between two runs, or of lost or retired records. */
export interface GapItem extends RecordRange {
  kind: 'gap';
  reason: Reason;
  ticks: { first: number; count: number } | undefined;
  bounds: { minNanos: bigint; maxNanos: bigint } | undefined;
}

/** A range of a file that cannot be read. */
export interface Fault {
  file: string;
  offset: number;
  length: number;
  what: string;
}

export interface FaultItem {
  kind: 'fault';
  fault: Fault;
}

export type RecordItem = SamplesItem | EventsItem | GapItem;
export type StreamItem = RecordItem | FaultItem;

export function faultIn({ file, offset, length, what }: Fault): FaultItem {
  return { kind: 'fault', fault: { file, offset, length, what } };
}

/** @throws the error if it does not tell of damage */
export function faultOf(error: unknown): FaultItem {
  if (!isCode(error, 'DAMAGED')) throw error;
  const { file = '', offset = 0, length = 0 } = error.details;
  const place = { file: String(file), offset: Number(offset), length: Number(length) };
  return { kind: 'fault', fault: { ...place, what: error.message } };
}

/** A schema of which only some channels are read: what their items show, and where it stands. */
export interface Projection {
  schema: Schema;
  channels: readonly number[];
}

/**
 * @param only the channels that are decoded; the item's schema then has no others
 * @param pool memory for the arrays, taken again for each item; default: they are the receiver's
 */
export function decodeItem(
  item: DataItem,
  info: RunInfo,
  only?: Projection,
  pool?: ArrayPool,
): RecordItem {
  const { firstSeq, firstOffset, records, content } = item;
  const shown = only ? { ...info, schema: only.schema } : info;
  const range = { info: shown, firstSeq, firstOffset, records };
  switch (content.kind) {
    case 'batch': {
      const { times, batch } = content;
      const { firstTick, ticks } = times;
      const samples = decodeSamples(times, batch, info.schema, only?.channels, pool);
      // name by name: put together from `range` it takes several times as long
      return {
        kind: 'samples',
        info: shown,
        firstSeq,
        firstOffset,
        records,
        batch: samples,
        firstTick,
        ticks,
      };
    }
    case 'events': {
      const { events } = content;
      return { ...range, kind: 'events', events: unpackEvents(events), utcNanos: events.utcNanos };
    }
    case 'gap': {
      const { reason, ticks, bounds } = content.gap;
      return { ...range, kind: 'gap', reason, ticks, bounds };
    }
  }
}

/** The item without its records before `offset`: arrays are views of the item's. */
export function itemFrom(item: RecordItem, offset: number): RecordItem {
  const gone = offset - item.firstOffset;
  if (gone <= 0) return item;
  const range = {
    info: item.info,
    firstSeq: item.firstSeq + gone,
    firstOffset: offset,
    records: item.records - gone,
  };
  if (item.kind === 'events') return { ...item, ...range, events: item.events.slice(gone) };
  if (item.kind === 'gap') return { ...item, ...range, ticks: undefined };
  const { batch, ticks } = samplesFrom(item.batch, gone);
  const firstTick = item.firstTick + ticks;
  return { ...item, ...range, batch, firstTick, ticks: item.ticks - ticks };
}
