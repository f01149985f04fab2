/**
 * Part of an entry as an entry of its own: for readers who begin or end in the middle of one. The
 * columns are decoded and encoded again, so it is for the few places where a cut is needed.
 *
 * What a record is stays the same. Rows at which the source could not be read become gaps of the
 * part's own times entry, since it belongs to one source now; the histogram counts its samples.
 */
import { assert } from '../base/assert.ts';
import { encodeColumn, encodeIntegers } from '../codecs/codec.ts';
import type { BatchEntry, EventsEntry, GapEntry, TimesEntry } from './format.ts';
import { LATENESS_BUCKETS, histogramOf, latenessBucket } from './ledger.ts';
import { packEvents, unpackEvents } from './opaque.ts';
import { gapsBetween, placeOf } from './record-place.ts';
import { decodeRaw } from './samples.ts';
import type { Schema } from './schema.ts';

/** Records `from` to `to` − 1 of a batch, counted from its first. */
export function cutBatch(
  { times, batch }: { times: TimesEntry; batch: BatchEntry },
  schema: Schema,
  from: number,
  to: number,
): { times: TimesEntry; batch: BatchEntry } {
  assert(schema.kind === 'samples', 'a batch is of a stream of samples');
  const whole = decodeRaw(times, batch, schema);
  const [begin, end] = [placeOf(whole.gaps, from), placeOf(whole.gaps, to)];
  const gaps = gapsBetween(whole.gaps, begin, end);
  const first = begin.samples;
  const rows = end.samples - first;
  const residuals = whole.residuals.subarray(first, first + rows);
  const part: TimesEntry = {
    ...times,
    firstTick: times.firstTick + begin.ticks,
    ticks: end.ticks - begin.ticks,
    rows,
    gaps: gaps.map(({ samplesBefore, reason, ticks, nanos }) => {
      return { rowsBefore: samplesBefore, reason, ticks, nanos };
    }),
    histogram: latenessHistogram(residuals, times.resolutionNanos),
    time: encodeIntegers(residuals),
  };
  const columns = whole.columns.map((column, i) =>
    encodeColumn(schema.channels[i]!.type, column.subarray(first, first + rows)),
  );
  const place = {
    firstSeq: batch.firstSeq + from,
    firstOffset: batch.firstOffset + from,
    ordinal: batch.ordinal + first + begin.filtered,
  };
  return { times: part, batch: { ...batch, ...place, samples: rows, failed: [], columns } };
}

/** Events `from` to `to` − 1 of an entry. */
export function cutEvents(entry: EventsEntry, from: number, to: number): EventsEntry {
  const { run, utcNanos } = entry;
  const firstSeq = entry.firstSeq + from;
  const firstOffset = entry.firstOffset + from;
  return packEvents(unpackEvents(entry).slice(from, to), { run, firstSeq, firstOffset, utcNanos });
}

/** Part of a gap of many records: which ticks fell into it is not known any more. */
export function cutGap(gap: GapEntry, from: number, to: number): GapEntry {
  if (from === 0 && to === gap.records) return gap;
  const place = { firstSeq: gap.firstSeq + from, firstOffset: gap.firstOffset + from };
  return { ...gap, ...place, records: to - from, ticks: undefined, bounds: undefined };
}

/** Rows per bucket of lateness. */
export function latenessHistogram(
  residuals: BigInt64Array,
  resolutionNanos: bigint,
): TimesEntry['histogram'] {
  const counts = new Float64Array(LATENESS_BUCKETS);
  for (const residual of residuals) counts[latenessBucket(Number(residual * resolutionNanos))]!++;
  return histogramOf(counts);
}
