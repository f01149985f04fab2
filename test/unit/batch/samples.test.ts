import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBatch, decodeTimes } from '../../../engine/batch/format.ts';
import { fillLateness, fillTicks, fillTimes } from '../../../engine/batch/sample-times.ts';
import { decodeSamples, encodeSamples } from '../../../engine/batch/samples.ts';
import type { TimesEntry } from '../../../engine/batch/format.ts';
import type { Rows } from '../../../engine/batch/samples.ts';
import type { Channel, Schema } from '../../../engine/batch/schema.ts';

const CHANNELS: Channel[] = [
  { name: 'Temperature', type: 'f64', unit: '°C', scale: 1, offset: 0 },
  { name: 'Count', type: 'u64', unit: '', scale: 1, offset: 0 },
  { name: 'X', type: 'i16', unit: 'g', scale: 0.001, offset: 0 },
];
const SCHEMA: Schema = { kind: 'samples', channels: CHANNELS };

/** Six rows with ticks 10, 11, 14, 15, 16, 17; the source fails at ticks 11, 14 and 17. */
function rows(resolutionNanos = 1n): Rows {
  return {
    ...{ t0Nanos: 1000n, periodNanos: 100n, resolutionNanos, utcOffsetNanos: 5_000_000n },
    firstTick: 10,
    timesNanos: BigInt64Array.of(2007n, 2101n, 2400n, 2533n, 2600n, 2799n),
    gaps: [{ rowsBefore: 2, reason: 'late', ticks: 2, nanos: 0n }],
    sources: [
      {
        channels: CHANNELS,
        columns: [
          Float64Array.of(21.5, 0, 0, 21.75, -3.25, 0),
          BigUint64Array.of(2n ** 64n - 1n, 0n, 0n, 5n, 6n, 0n),
          Float64Array.of(-32768, 0, 0, 32767, 1, 0),
        ],
        valid: [true, false, false, true, true, false],
        cursor: { run: 4, nextSeq: 1, nextOffset: 50, ordinal: 8 },
      },
    ],
  };
}

describe('samples', () => {
  test('come back with ticks, times, raw values and every gap in its place', () => {
    const [times, batch] = encodeSamples(rows());
    const decoded = decodeSamples(decodeTimes(times!), decodeBatch(batch!), SCHEMA);
    const gap = (recordIndex: number, samplesBefore: number, firstTick: number, ticks: number) => ({
      ...{ recordIndex, samplesBefore, firstTick, ticks, nanos: 0n },
      reason: ticks === 2 ? 'late' : 'device',
    });
    const { ticks, latenessNanos } = decoded;
    expect({ ...decoded, ticks, latenessNanos }).toEqual({
      ...{ run: 4, firstSeq: 1, firstOffset: 50, ordinal: 8, records: 7, samples: 3 },
      ticks: Float64Array.of(10, 15, 16),
      timeNanos: BigInt64Array.of(5_002_007n, 5_002_533n, 5_002_600n),
      latenessNanos: Float64Array.of(7, 33, 0),
      columns: [
        Float64Array.of(21.5, 21.75, -3.25),
        BigUint64Array.of(2n ** 64n - 1n, 5n, 6n),
        Float64Array.of(-32768, 32767, 1),
      ],
      gaps: [gap(1, 1, 11, 1), gap(2, 1, 12, 2), gap(3, 1, 14, 1), gap(6, 3, 17, 1)],
    });
  });

  test('move their cursor by records and samples', () => {
    const input = rows();
    encodeSamples(input);
    const moved = { run: 4, nextSeq: 8, nextOffset: 57, ordinal: 11 };
    expect(input.sources[0]!.cursor).toEqual(moved);
  });

  test('of a coarser resolution have times floored to it', () => {
    const [times, batch] = encodeSamples(rows(10n));
    const decoded = decodeSamples(decodeTimes(times!), decodeBatch(batch!), SCHEMA);
    expect([...decoded.timeNanos]).toEqual([5_002_000n, 5_002_530n, 5_002_600n]);
  });

  test('that do not fit their times entry or schema are DAMAGED', () => {
    const [times, batch] = encodeSamples(rows()).map((payload) => payload);
    const [decodedTimes, decodedBatch] = [decodeTimes(times!), decodeBatch(batch!)];
    const fewer: Schema = { kind: 'samples', channels: CHANNELS.slice(1) };
    const wrong = [
      () => decodeSamples(decodedTimes, decodedBatch, fewer),
      () => decodeSamples(decodedTimes, decodedBatch, { kind: 'opaque' }),
      () => decodeSamples(decodedTimes, { ...decodedBatch, samples: 4 }, SCHEMA),
      () => {
        const failed = [
          { firstRow: 1, rows: 2 },
          { firstRow: 5, rows: 1 },
        ];
        return decodeSamples(decodedTimes, { ...decodedBatch, failed }, SCHEMA);
      },
    ];
    for (const decode of wrong) {
      expect(decode).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
    }
  });
});

/** Made once by `encodeSamples(rows())`; every later version must still read it. */
describe('the golden file of version 1', () => {
  const file = new URL('../../fixtures/batch-v1.json', import.meta.url);
  const golden = JSON.parse(readFileSync(file, 'utf8')) as { times: string; batch: string };
  const payload = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

  test('is read', () => {
    const batch = decodeBatch(payload(golden.batch));
    const decoded = decodeSamples(decodeTimes(payload(golden.times)), batch, SCHEMA);
    expect([...decoded.ticks]).toEqual([10, 15, 16]);
    expect([...decoded.columns[0]!]).toEqual([21.5, 21.75, -3.25]);
    expect([...decoded.columns[1]!]).toEqual([2n ** 64n - 1n, 5n, 6n]);
    expect([...decoded.columns[2]!]).toEqual([-32768, 32767, 1]);
    expect(decoded.gaps.map((gap) => gap.reason)).toEqual(['device', 'late', 'device', 'device']);
  });

  test('is written still, byte for byte', () => {
    const written = encodeSamples(rows()).map((bytes) => Buffer.from(bytes).toString('hex'));
    expect(written).toEqual([golden.times, golden.batch]);
  });
});

describe('bytes per sample', () => {
  test('of an accelerometer at 1.6 kHz stay below 2.95, headers included', () => {
    const channels = ['X', 'Y', 'Z'].map((name): Channel => ({
      name,
      type: 'i8',
      unit: 'm/s²',
      scale: 0.152983,
      offset: 0,
    }));
    const noise = noiseOf(1);
    const cursor = { run: 1, nextSeq: 1, nextOffset: 0, ordinal: 0 };
    let bytes = 0;
    for (let batch = 0; batch < 16; batch++) {
      const count = 1000;
      const timesNanos = BigInt64Array.from({ length: count }, (_, i) => {
        return BigInt(batch * count + i) * 625_000n + BigInt(Math.round(20_000 + 8_000 * noise()));
      });
      const columns = channels.map(({ name }) => {
        const rest = name === 'Z' ? 64 : 0;
        return Float64Array.from({ length: count }, () => rest + Math.round(0.5 * noise()));
      });
      const payloads = encodeSamples({
        ...{ t0Nanos: 0n, periodNanos: 625_000n, resolutionNanos: 1n, utcOffsetNanos: 2n ** 60n },
        ...{ firstTick: batch * count, timesNanos, gaps: [] },
        sources: [{ channels, columns, cursor }],
      });
      bytes += payloads.reduce((sum, payload) => sum + payload.length, 0);
    }
    expect(bytes / 16_000).toBeLessThan(2.95);
  });
});

/** Seeded, bell-shaped about 0 with deviation 1: the sum of 12 uniform numbers. */
function noiseOf(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return () => Array.from({ length: 12 }, uniform).reduce((sum, value) => sum + value, -6);
}

function range(first: number, length: number): number[] {
  return Array.from({ length }, (_, i) => first + i);
}

/** The same in bigints, number by number. */
function timesInBigints(times: TimesEntry, ticks: Float64Array, residuals: BigInt64Array) {
  const { t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos } = times;
  const timeNanos = BigInt64Array.from(ticks, (tick, i) => {
    const late = residuals[i]! * resolutionNanos;
    const exact = t0Nanos + utcOffsetNanos + BigInt(tick) * periodNanos + late;
    const nanos = BigInt.asIntN(64, exact);
    const rest = nanos % resolutionNanos;
    return nanos - (rest < 0n ? rest + resolutionNanos : rest);
  });
  const latenessNanos = Float64Array.from(residuals, (one) => Number(one * resolutionNanos));
  return { timeNanos, latenessNanos };
}

test('times are exact at any size, and floored to the resolution, also before 1970', () => {
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const residual = fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n });
  const stretch = fc.tuple(
    fc.nat(Number.MAX_SAFE_INTEGER - 5),
    fc.array(residual, { maxLength: 5 }),
  );
  const clock = fc.record({
    t0Nanos: uint64,
    periodNanos: uint64,
    resolutionNanos: fc.oneof(fc.constant(1n), fc.bigInt({ min: 1n, max: 2n ** 53n })),
    utcOffsetNanos: int64,
  });
  fc.assert(
    fc.property(clock, fc.array(stretch, { minLength: 1, maxLength: 8 }), (base, all) => {
      const residuals = BigInt64Array.from(all.flatMap(([, late]) => late));
      const ticks = Float64Array.from(all.flatMap(([tick, { length }]) => range(tick, length)));
      let first = 0;
      const stretches = Float64Array.from(
        all.flatMap(([tick, { length }]) => [(first += length) - length, tick]),
      );
      const times = base as TimesEntry;
      const expected = timesInBigints(times, ticks, residuals);
      expect(fillTicks(stretches, new Float64Array(ticks.length))).toEqual(ticks);
      const nanos = fillTimes(times, stretches, residuals, new BigInt64Array(ticks.length));
      expect(nanos).toEqual(expected.timeNanos);
      const lateness = fillLateness(times, residuals, new Float64Array(ticks.length));
      expect(lateness).toEqual(expected.latenessNanos);
    }),
  );
});
