/**
 * Where in a stream a time lies. Chunks and segments say the greatest time there was up to their
 * ends and beginnings; it never falls, so the first one to reach a time is found by binary search,
 * and the first record at or after it is in there. Where the wall clock was set back, this is the
 * earliest of the places that could be meant.
 */
import { recordOf } from '../../batch/record-place.ts';
import { NO_NANOS } from '../chunks/format.ts';
import { locatePlace } from './locate.ts';
import type { StoreReader } from './reader.ts';
import { StreamReader } from './stream-reader.ts';
import type { RecordItem } from './stream-item.ts';

/** Times only: no channel is decoded. */
const NO_COLUMNS: ReadonlySet<string> = new Set();

/**
 * The first offset whose sample or event is at or after `utcNanos`, or that of the gaps directly
 * before it: they have no time of their own, and may reach up to it. Without such a record it is
 * the place behind the last one that has a time.
 */
export async function locateTime(
  reader: StoreReader,
  stream: number,
  utcNanos: bigint,
): Promise<number> {
  const first = await firstAtOrAfter(reader, stream, utcNanos);
  const nextOffset = reader.state.streams.get(stream)?.nextOffset ?? 0;
  return behindTimedBefore(reader, stream, first ?? nextOffset);
}

async function firstAtOrAfter(
  reader: StoreReader,
  stream: number,
  utcNanos: bigint,
): Promise<number | undefined> {
  const { nextOffset } = await locatePlace(reader, stream, {
    inChunk: (row) => (row?.latestNanos ?? NO_NANOS) >= utcNanos,
    inSegment: (snapshot) => (snapshot?.totals.lastNanos ?? NO_NANOS) >= utcNanos,
  });
  const view = { columns: NO_COLUMNS, fromNanos: utcNanos };
  for await (const item of new StreamReader(reader, stream, nextOffset, view).items()) {
    if (item.kind === 'fault') continue;
    const offset = firstTimedFrom(item, utcNanos);
    if (offset !== undefined) return offset;
  }
  return undefined;
}

function firstTimedFrom(item: RecordItem, utcNanos: bigint): number | undefined {
  if (item.kind === 'events') return item.utcNanos >= utcNanos ? item.firstOffset : undefined;
  if (item.kind === 'gap') return undefined;
  const sample = item.batch.timeNanos.findIndex((nanos) => nanos >= utcNanos);
  return sample < 0 ? undefined : item.firstOffset + recordOf(item.batch, sample);
}

/** The offset behind the last record before `end` that has a time; steps back until one is met. */
async function behindTimedBefore(
  reader: StoreReader,
  stream: number,
  end: number,
): Promise<number> {
  for (let back = 1; ; back *= 8) {
    const from = Math.max(0, end - back);
    let behind = 0;
    const rest = new StreamReader(reader, stream, from, { columns: NO_COLUMNS });
    for await (const item of rest.items()) {
      if (item.kind === 'fault') continue;
      if (item.firstOffset >= end) break;
      behind = lastTimedBefore(item, end) ?? behind;
    }
    if (behind > 0 || from === 0) return behind;
  }
}

/** The offset behind it. */
function lastTimedBefore(item: RecordItem, end: number): number | undefined {
  if (item.kind === 'events') return Math.min(end, item.firstOffset + item.records);
  if (item.kind === 'gap') return undefined;
  for (let sample = item.batch.samples - 1; sample >= 0; sample--) {
    const offset = item.firstOffset + recordOf(item.batch, sample);
    if (offset < end) return offset + 1;
  }
  return undefined;
}
