/** Records of a batch by their number, when some gaps are one record and others are many. */
import { describe, expect, test } from 'vitest';
import { cutBatch } from '../../../engine/batch/cut.ts';
import { decodeTimes, encodeTimes, recordsOf } from '../../../engine/batch/format.ts';
import { REASONS, gapRecords } from '../../../engine/batch/ledger.ts';
import { encodeIntegers } from '../../../engine/codecs/codec.ts';
import { recordOf } from '../../../engine/batch/record-place.ts';
import { decodeSamples, samplesFrom, type SampleBatch } from '../../../engine/batch/samples.ts';
import type { Piece } from '../../../engine/txn/piece.ts';
import { meantRecords, piecesOf, recordTexts, testOrigin } from '../../support/pieces.ts';
import { SEED, SeededRandom, repeats } from '../../support/random.ts';

const origin = testOrigin('samples');

/** A batch with samples, gaps of all reasons and samples that were left out. */
function anyBatch(random: SeededRandom): Piece & { content: { kind: 'batch' } } {
  for (;;) {
    const records = meantRecords(random, 1 + random.below(60), origin);
    const batches = piecesOf(records, origin, () => false).filter(
      (piece): piece is Piece & { content: { kind: 'batch' } } => piece.content.kind === 'batch',
    );
    const [found] = batches.sort((a, b) => b.seqs - a.seqs);
    if (found) return found;
  }
}

/** Each record as text: kind, ordinal of samples, tick. */
function textsOf(batch: SampleBatch): string[] {
  const texts: string[] = [];
  let [gap, ordinal] = [0, batch.ordinal];
  for (let i = 0; i <= batch.samples; i++) {
    for (; batch.gaps[gap]?.samplesBefore === i; gap++) {
      const { reason, firstTick, ticks, recordIndex } = batch.gaps[gap]!;
      expect(recordIndex).toBe(texts.length);
      if (reason !== 'filtered') texts.push(`${reason} ${firstTick} ${ticks}`);
      else for (let k = 0; k < ticks; k++) texts.push(`filtered ${ordinal++} ${firstTick + k}`);
    }
    if (i < batch.samples) texts.push(`sample ${ordinal++} ${batch.ticks[i]}`);
  }
  return texts;
}

describe('records by number', () => {
  test('a batch without its first records, and parts of one: the records stay what they are', () => {
    for (let seed = SEED; seed < SEED + repeats(200); seed++) {
      const random = new SeededRandom(seed);
      const piece = anyBatch(random);
      const { times, batch } = piece.content;
      const whole = decodeSamples(times, batch, origin.schema);
      const texts = textsOf(whole);
      const where = `HELICORDER_SEED=${seed}`;
      expect(whole.records, where).toBe(texts.length);
      expect(recordsOf(times, batch), where).toBe(texts.length);
      const from = random.below(texts.length);
      const { batch: rest, ticks } = samplesFrom(whole, from);
      expect(textsOf(rest), where).toEqual(texts.slice(from));
      const first = rest.samples + rest.gaps.reduce((sum, gap) => sum + gap.ticks, 0);
      expect(ticks + first, where).toBe(times.ticks);
      const to = from + 1 + random.below(texts.length - from);
      const cut = cutBatch(piece.content, origin.schema, from, to);
      const part = { ...piece, originSeq: piece.originSeq + from };
      expect(recordTexts({ ...part, content: { kind: 'batch', ...cut } }), where).toEqual(
        recordTexts(piece).slice(from, to),
      );
      decodeTimes(encodeTimes(cut.times));
    }
  });

  test('a sample is found among gaps of one record and of many', () => {
    for (let seed = SEED; seed < SEED + repeats(100); seed++) {
      const { times, batch } = anyBatch(new SeededRandom(seed)).content;
      const whole = decodeSamples(times, batch, origin.schema);
      const records = textsOf(whole).flatMap((text, i) => (text.startsWith('sample') ? [i] : []));
      const found = [...whole.ticks.keys()].map((sample) => recordOf(whole, sample));
      expect(found, `HELICORDER_SEED=${seed}`).toEqual(records);
    }
  });

  test('only samples that were left out are many records of one gap', () => {
    expect(gapRecords({ reason: 'late', ticks: 7 })).toBe(1);
    expect(gapRecords({ reason: 'filtered', ticks: 7 })).toBe(7);
  });

  test('what bytes can make a reader count is bounded', () => {
    const { times } = anyBatch(new SeededRandom(SEED)).content;
    const withGap = (ticks: number): Uint8Array => {
      const gaps = [{ rowsBefore: 0, reason: 'late' as const, ticks, nanos: 0n }];
      const time = encodeIntegers(new BigInt64Array());
      const bytes = encodeTimes({ ...times, rows: 0, histogram: [], gaps, ticks, time });
      // behind it: its ticks, 3 bytes; no bucket of a histogram; codec and length of a column
      bytes[bytes.length - 7] = REASONS.filtered;
      return bytes;
    };
    expect(decodeTimes(withGap(16_384)).gaps).toMatchObject([{ reason: 'filtered' }]);
    expect(() => decodeTimes(withGap(16_385))).toThrow('more than 16384 rows');
  });
});
