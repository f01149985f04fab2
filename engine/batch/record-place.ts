/**
 * Records of a batch by their number: samples and gaps in one order. Every gap is one record, but
 * for that of samples left out: it covers as many records as ticks, and may be cut.
 */
import { gapRecords, type SampleGap } from './ledger.ts';

/** What lies before a record of a batch. */
export interface RecordPlace {
  samples: number;
  /** samples left out: what they add to the ordinals */
  filtered: number;
  /** of samples and gaps together */
  ticks: number;
  /** gaps that lie before it as a whole */
  gaps: number;
  /** records of the gap behind these that lie before it */
  inGap: number;
}

/** @param gaps in order of records. @param record from 0 up to the number of records */
export function placeOf(gaps: readonly SampleGap[], record: number): RecordPlace {
  const place = { samples: record, filtered: 0, ticks: record, gaps: 0, inGap: 0 };
  for (const gap of gaps) {
    if (gap.recordIndex >= record) break;
    const records = gapRecords(gap);
    const before = Math.min(records, record - gap.recordIndex);
    place.samples -= before;
    if (gap.reason === 'filtered') place.filtered += before;
    if (before < records) place.inGap = before;
    else {
      place.gaps++;
      place.ticks += gap.ticks - before;
    }
  }
  return place;
}

/** The gaps between two places, cut at both, as gaps of a batch that begins at the first one. */
export function gapsBetween(
  gaps: readonly SampleGap[],
  from: RecordPlace,
  to: RecordPlace,
): SampleGap[] {
  const first = recordAt(gaps, from);
  const part = gaps.slice(from.gaps, to.inGap > 0 ? to.gaps + 1 : to.gaps);
  return part.map((gap, index) => {
    const cut = index === 0 ? from.inGap : 0;
    const isLast = from.gaps + index === to.gaps;
    return {
      ...gap,
      recordIndex: gap.recordIndex + cut - first,
      samplesBefore: gap.samplesBefore - from.samples,
      firstTick: gap.firstTick + cut,
      ticks: (isLast ? to.inGap : gap.ticks) - cut,
    };
  });
}

/** The number of the record at a place. */
function recordAt(
  gaps: readonly SampleGap[],
  { samples, gaps: whole, inGap }: RecordPlace,
): number {
  return samples + recordsIn(gaps, whole) + inGap;
}

/** Index among a batch's records of its sample number `sample`. */
export function recordOf({ gaps }: { gaps: readonly SampleGap[] }, sample: number): number {
  let [low, high] = [0, gaps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (gaps[middle]!.samplesBefore <= sample) low = middle + 1;
    else high = middle;
  }
  return sample + recordsIn(gaps, low);
}

/** Records of the first `count` gaps. */
function recordsIn(gaps: readonly SampleGap[], count: number): number {
  const last = gaps[count - 1];
  return last ? last.recordIndex + gapRecords(last) - last.samplesBefore : 0;
}
