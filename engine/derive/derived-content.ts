/** What is left of a piece's entries once some of its records are left out. */
import { EVENT_MAX_BYTES } from '../base/constants.ts';
import { latenessHistogram } from '../batch/cut.ts';
import type {
  BatchEntry,
  EventsEntry,
  GapEntry,
  RecordContent,
  TimesEntry,
} from '../batch/format.ts';
import type { GroupGap, SampleGap } from '../batch/ledger.ts';
import { packEvents, unpackEvents } from '../batch/opaque.ts';
import type { Column, RawSamples } from '../batch/samples.ts';
import type { Channel } from '../batch/schema.ts';
import { encodeColumn, encodeIntegers } from '../codecs/codec.ts';
import { contentBytes } from '../txn/piece-format.ts';
import type { Origin, Piece } from '../txn/piece.ts';
import type { TransformRun } from './transform-run.ts';

export interface BatchContent {
  kind: 'batch';
  times: TimesEntry;
  batch: BatchEntry;
}

/** The values at which a mask is 1; all without one. */
export function picked<T extends Column>(column: T, mask: Uint8Array | undefined): T {
  if (mask === undefined) return column;
  const into = column.slice() as T;
  let kept = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) into[kept++] = column[i]!;
  return into.subarray(0, kept) as T;
}

/**
 * A batch with other columns and fewer samples. Its gaps become those of its own times entry, since
 * it shares it with nobody any more.
 * @param keep per sample, 1 or 0; undefined: all are kept
 * @param columns raw, of the samples that are kept
 */
export function derivedBatch(
  { times, batch }: BatchContent,
  raw: RawSamples,
  keep: Uint8Array | undefined,
  columns: readonly Column[],
  channels: readonly Channel[],
): BatchContent {
  const encoded = columns.map((column, i) => encodeColumn(channels[i]!.type, column));
  if (keep === undefined) return { kind: 'batch', times, batch: { ...batch, columns: encoded } };
  const residuals = picked(raw.residuals, keep);
  const rows = residuals.length;
  const part: TimesEntry = {
    ...times,
    rows,
    gaps: gapsWithout(raw.gaps, keep),
    histogram: latenessHistogram(residuals, times.resolutionNanos),
    time: encodeIntegers(residuals),
  };
  return {
    kind: 'batch',
    times: part,
    batch: { ...batch, samples: rows, failed: [], columns: encoded },
  };
}

/** The gaps there are, and between them those of the samples that are left out. */
function gapsWithout(gaps: readonly SampleGap[], keep: Uint8Array): GroupGap[] {
  const all: GroupGap[] = [];
  let [kept, at] = [0, 0];
  const advance = (to: number): void => {
    let left = 0;
    const endLeft = (): void => {
      if (left > 0) all.push({ rowsBefore: kept, reason: 'filtered', ticks: left, nanos: 0n });
      left = 0;
    };
    for (; at < to; at++) {
      if (keep[at] === 0) left++;
      else {
        endLeft();
        kept++;
      }
    }
    endLeft();
  };
  for (const { samplesBefore, reason, ticks, nanos } of gaps) {
    advance(samplesBefore);
    all.push({ rowsBefore: kept, reason, ticks, nanos });
  }
  advance(keep.length);
  return all;
}

/** Events as a transform has them; what it leaves out are gaps between them. */
export function derivedEvents(
  piece: Piece,
  entry: EventsEntry,
  origin: Origin,
  transform: TransformRun,
): Piece[] {
  // copies: a user may write into what he is given, and a Buffer's slice would be the entry itself
  const events = unpackEvents(entry).map((event) => new Uint8Array(event));
  const made = transform.events({ kind: 'events', events, timeNanos: entry.utcNanos });
  const pieces: Piece[] = [];
  for (let from = 0; from < made.length;) {
    const to = endOfPart(made, from);
    const identity = {
      ...entry,
      firstSeq: entry.firstSeq + from,
      firstOffset: entry.firstOffset + from,
    };
    const content = partOf(made.slice(from, to), identity);
    const place = { originSeq: piece.originSeq + from, lo: piece.lo + from, seqs: to - from };
    pieces.push({ origin, ...place, bytes: contentBytes(content), content });
    from = to;
  }
  return pieces;
}

/** As far as events, or what is left out, go on; and no further than one event may be long. */
function endOfPart(made: readonly (Uint8Array | null)[], from: number): number {
  const isGap = made[from] === null;
  let bytes = made[from]?.length ?? 0;
  let to = from + 1;
  for (; to < made.length && (made[to] === null) === isGap; to++) {
    bytes += made[to]?.length ?? 0;
    if (bytes > EVENT_MAX_BYTES) break;
  }
  return to;
}

function partOf(
  made: readonly (Uint8Array | null)[],
  { run, firstSeq, firstOffset, utcNanos }: EventsEntry,
): RecordContent {
  const identity = { run, firstSeq, firstOffset };
  const events = made.filter((event) => event !== null);
  if (events.length > 0)
    return { kind: 'events', events: packEvents(events, { ...identity, utcNanos }) };
  const nothing = { ticks: undefined, bounds: undefined };
  const gap: GapEntry = { ...identity, reason: 'filtered', records: made.length, ...nothing };
  return { kind: 'gap', gap };
}
