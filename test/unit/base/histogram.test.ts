import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Histogram, RecentHistogram } from '../../../engine/base/histogram.ts';

/** Whole numbers of every size up to 2^47, powers of two and their neighbours among them. */
const value = fc.oneof(
  fc.nat(1000),
  fc
    .tuple(fc.integer({ min: 0, max: 46 }), fc.constantFrom(-1, 0, 1))
    .map(([bits, by]) => 2 ** bits + by),
  fc.maxSafeNat().map((n) => n % 2 ** 47),
);
const values = fc.array(value, { minLength: 1, maxLength: 200 });
const quantile = fc.double({ min: 0, max: 1, noNaN: true });

/** The smallest value with at least this share of all values at or below it. */
function trueQuantile(all: readonly number[], share: number): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(all.length * share) - 1)]!;
}

describe('a histogram', () => {
  it('gives quantiles that are never below the truth, and above it by its bound at most', () => {
    fc.assert(
      fc.property(values, quantile, fc.constantFrom(3, 7), (all, share, subBits) => {
        const histogram = new Histogram(subBits);
        for (const one of all) histogram.add(one);
        const truth = trueQuantile(all, share);
        const found = histogram.quantile(share);
        expect(found).toBeGreaterThanOrEqual(truth);
        expect(found - truth).toBeLessThanOrEqual(Math.max(1, truth / 2 ** subBits));
      }),
    );
  });

  it('knows minimum, maximum and count exactly, whatever was added how often', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, fc.integer({ min: 1, max: 9 }))), (pairs) => {
        const histogram = new Histogram();
        for (const [one, times] of pairs) histogram.add(one, times);
        const all = pairs.map(([one]) => one);
        expect(histogram.count).toBe(pairs.reduce((sum, [, times]) => sum + times, 0));
        expect(histogram.min).toBe(Math.min(Infinity, ...all));
        expect(histogram.max).toBe(Math.max(0, ...all));
      }),
    );
  });

  it('without values says 0, and what is beyond its last bucket is not below the truth', () => {
    const histogram = new Histogram();
    expect(histogram.quantile(0.5)).toBe(0);
    histogram.add(2 ** 52);
    expect(histogram.quantile(0.5)).toBe(2 ** 52);
    histogram.add(-5);
    expect(histogram.quantile(0)).toBe(1);
    expect(histogram.min).toBe(-5);
  });

  it('with 7 bits gives one period of 1 ms as 1 ms, to 0.8 %', () => {
    const histogram = new Histogram(7);
    for (let i = 0; i < 1000; i++) histogram.add(1_000_000 + (i % 3) * 1000);
    const median = histogram.quantile(0.5);
    expect(median).toBeGreaterThanOrEqual(1_001_000);
    expect(median).toBeLessThanOrEqual(1_001_000 * 1.008);
  });
});

test('what is recent is what was added in this interval and the one before it', () => {
  const recent = new RecentHistogram(1000);
  expect(recent.percentiles()).toEqual({ p50: 0, p99: 0, max: 0 });
  recent.add(500, 7);
  recent.add(1400, 5, 3);
  expect(recent.percentiles().max).toBe(7);
  recent.add(1500, 3);
  expect(recent.percentiles().max, 'the interval before counts').toBe(7);
  recent.add(2500, 2);
  expect(recent.percentiles().max, 'the one before that does not').toBe(3);
  recent.add(9000, 1);
  expect(recent.percentiles(), 'nor one that is long past').toEqual({ p50: 1, p99: 1, max: 1 });
});
