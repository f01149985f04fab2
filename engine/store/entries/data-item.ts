/**
 * Consecutive records of one run as the store accounts for them: those of an entry, or a part of
 * a spill.
 */
import type { GapEntry, RecordContent } from '../../batch/format.ts';
import type { Reason } from '../../batch/ledger.ts';

export interface DataItem {
  /** spilled: records that lie in another file, summed up */
  kind: 'batch' | 'events' | 'gap' | 'spilled';
  stream: number;
  run: number;
  firstSeq: number;
  firstOffset: number;
  records: number;
  samples: number;
  /** that it accounts for, in gaps or not */
  ticks: number;
  /** the last of them; undefined if it accounts for none */
  lastTick: number | undefined;
  /** of the first sample behind a batch */
  nextOrdinal: number | undefined;
  /** the gap records among its own; of a spill by reason, with how many there are */
  gaps: readonly { reason: Reason; ticks: number; gaps?: number }[];
  /** UTC of the first and last sample or event; undefined if there is none */
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
  bytes: number;
  paddingBytes: number;
  /** decoded when it is asked for: before the group's memory moves on */
  readonly content: RecordContent;
}

/** A gap as an item of its stream. @param bytes 0 for one that stands nowhere */
export function gapItem(stream: number, bytes: number, gap: GapEntry): DataItem {
  const { reason, ticks } = gap;
  return {
    kind: 'gap',
    stream,
    run: gap.run,
    firstSeq: gap.firstSeq,
    firstOffset: gap.firstOffset,
    records: gap.records,
    samples: 0,
    ticks: ticks?.count ?? 0,
    lastTick: lastTickOf(ticks),
    nextOrdinal: undefined,
    gaps: [{ reason, ticks: ticks?.count ?? 0 }],
    firstNanos: undefined,
    lastNanos: undefined,
    bytes,
    paddingBytes: 0,
    content: { kind: 'gap', gap },
  };
}

/** None of what was never scheduled, such as events that are retired: no ticks from 0 on. */
function lastTickOf(ticks: GapEntry['ticks']): number | undefined {
  const end = ticks ? ticks.first + ticks.count : 0;
  return end > 0 ? end - 1 : undefined;
}
