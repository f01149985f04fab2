/**
 * What the log says of a spill: a file of records that one commit has made part of a stream
 * (`spill.ts`, where the owner writes). The entry stands where its records would stand. It sums
 * them up, so that whoever accounts for records needs nothing else; whoever wants them reads the
 * file (`spill-reader.ts`).
 */
import type { Reason } from '../../batch/ledger.ts';
import { control, count, list, nanos, nullable, object, text } from './control-fields.ts';
import type { RecordContent } from '../../batch/format.ts';
import type { DataItem } from './data-item.ts';
import { ENTRY_ROW_BYTES, type Link } from './format.ts';
import { addGap } from './segment-index.ts';

/** Consecutive records of one run, none of them earlier than one before it. */
export interface SpillPart {
  /** in the file an index into `runs`; in the entry the run's number */
  run: number;
  firstSeq: number;
  records: number;
  samples: number;
  ticks: number;
  lastTick: number | null;
  nextOrdinal: number | null;
  firstNanos: bigint | null;
  lastNanos: bigint | null;
  bytes: number;
  paddingBytes: number;
  gaps: { reason: string; gaps: number; ticks: number }[];
}

export interface SpillEntry {
  /** of the file; its salt, 16 hex digits */
  name: string;
  /** the byte in the file behind its last group, and that group */
  end: number;
  last: Link;
  /** offset of the transaction's first record: those in the file are counted from there */
  base: number;
  /** of the file's first record */
  firstOffset: number;
  /** the runs that records in the file name by their place in this list */
  runs: number[];
  parts: SpillPart[];
}

export const spillEntry = control<SpillEntry>('spill', {
  name: text,
  end: count,
  last: object<Link>({ lsn: count, length: count, crc: count }),
  base: count,
  firstOffset: count,
  runs: list(count),
  parts: list(
    object<SpillPart>({
      run: count,
      firstSeq: count,
      records: count,
      samples: count,
      ticks: count,
      lastTick: nullable(count),
      nextOrdinal: nullable(count),
      firstNanos: nullable(nanos),
      lastNanos: nullable(nanos),
      bytes: count,
      paddingBytes: count,
      gaps: list(object({ reason: text, gaps: count, ticks: count })),
    }),
  ),
});

/** In a snapshot: a spill that no chunk holds yet, and the segment in which its entry stands. */
export interface SpilledEntry {
  name: string;
  segment: number;
}

export const spilledEntry = control<SpilledEntry>('spilled', { name: text, segment: count });

/** The items that stand for the records of a spill, each for those of one part. */
export function spilledItems(stream: number, payload: Uint8Array): DataItem[] {
  const { firstOffset, parts } = spillEntry.decode(payload);
  let offset = firstOffset;
  return parts.map((part, index) => {
    const ownBytes = index === 0 ? payload.length + ENTRY_ROW_BYTES : 0;
    const item = spilledItem(stream, offset, part, ownBytes);
    offset += part.records;
    return item;
  });
}

/** @param ownBytes of the entry itself */
function spilledItem(
  stream: number,
  firstOffset: number,
  part: SpillPart,
  ownBytes: number,
): DataItem {
  return {
    kind: 'spilled',
    stream,
    run: part.run,
    firstSeq: part.firstSeq,
    firstOffset,
    records: part.records,
    samples: part.samples,
    ticks: part.ticks,
    lastTick: part.lastTick ?? undefined,
    nextOrdinal: part.nextOrdinal ?? undefined,
    gaps: part.gaps as { reason: Reason; gaps: number; ticks: number }[],
    firstNanos: part.firstNanos ?? undefined,
    lastNanos: part.lastNanos ?? undefined,
    bytes: part.bytes + ownBytes,
    paddingBytes: part.paddingBytes,
    get content(): RecordContent {
      throw new TypeError('the records of a spill are in its file');
    },
  };
}

/** Sums up items, in the order of their offsets. */
export class SpillParts {
  readonly list: SpillPart[] = [];

  add(item: DataItem): void {
    const last = this.list.at(-1);
    if (last && follows(last, item)) extend(last, item);
    else this.list.push(extended(item));
  }
}

function follows(last: SpillPart, item: DataItem): boolean {
  const { run, firstSeq, firstNanos, lastTick, ticks } = item;
  const isLater = firstNanos === undefined || firstNanos >= (last.lastNanos ?? firstNanos);
  const before = lastTick === undefined ? last.lastTick : lastTick - ticks;
  const isNextTick = last.lastTick === null || last.lastTick === before;
  return last.run === run && last.firstSeq + last.records === firstSeq && isLater && isNextTick;
}

function extended(item: DataItem): SpillPart {
  const part: SpillPart = {
    ...{ run: item.run, firstSeq: item.firstSeq, records: 0, samples: 0, ticks: 0 },
    ...{ lastTick: null, nextOrdinal: null, firstNanos: null, lastNanos: null },
    ...{ bytes: 0, paddingBytes: 0, gaps: [] },
  };
  extend(part, item);
  return part;
}

function extend(part: SpillPart, item: DataItem): void {
  part.records += item.records;
  part.samples += item.samples;
  part.ticks += item.ticks;
  part.lastTick = item.lastTick ?? part.lastTick;
  part.nextOrdinal = item.nextOrdinal ?? part.nextOrdinal;
  part.firstNanos ??= item.firstNanos ?? null;
  part.lastNanos = item.lastNanos ?? part.lastNanos;
  part.bytes += item.bytes;
  part.paddingBytes += item.paddingBytes;
  for (const gap of item.gaps) addGap(part.gaps, gap);
}
