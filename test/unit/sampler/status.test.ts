import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bucketEnd, bucketOf, HISTOGRAM_BUCKETS } from '../../../engine/base/histogram.ts';
import { RingConsumer } from '../../../engine/ring/ring.ts';
import { makeRateGroups } from '../../../engine/sampler/rate-group.ts';
import { startNativeSampler } from '../../../engine/sampler/sampler.ts';
import { createStatus, readStatus, STATUS_WORD } from '../../../engine/sampler/status.ts';
import { driverOf } from '../../../engine/drivers/registry.ts';
import { FakeDriverFiles } from '../../support/driver-files.ts';

/** A status block of rows with these latenesses, ns. */
function statusOf(latenesses: readonly number[]): BigUint64Array<SharedArrayBuffer> {
  const status = createStatus();
  for (const nanos of latenesses) status[STATUS_WORD.histogram + bucketOf(nanos)]! += 1n;
  status[STATUS_WORD.maxLatenessNanos] = BigInt(Math.max(0, ...latenesses));
  return status;
}

const lateness = fc.oneof(
  fc.nat(20),
  fc.nat(10_000_000),
  fc.maxSafeNat().map((nanos) => nanos % 2 ** 48),
);

// the native sampler passes the same law in native/test/sampler_test.cc
test('a bucket begins where the one before it ends', () => {
  for (let bucket = 1; bucket < HISTOGRAM_BUCKETS; bucket++) {
    const least = bucketEnd(bucket - 1);
    expect(bucketOf(least - 1)).toBe(bucket - 1);
    expect(bucketOf(least)).toBe(bucket);
  }
  expect(bucketEnd(HISTOGRAM_BUCKETS - 1)).toBe(2 ** 48);
  expect(bucketOf(2 ** 48)).toBe(HISTOGRAM_BUCKETS - 1);
  expect(bucketOf(-1)).toBe(0);
});

test('percentiles are never below the truth nor above the maximum, at most 1/8 too high', () => {
  fc.assert(
    fc.property(fc.array(lateness, { minLength: 1, maxLength: 300 }), (values) => {
      const sorted = [...values].sort((a, b) => a - b);
      const { p50, p99, max } = readStatus([statusOf(values)]).latenessNanos;
      expect(max).toBe(sorted.at(-1));
      for (const [quantile, found] of [
        [0.5, p50],
        [0.99, p99],
      ] as const) {
        const truth = sorted[Math.ceil(quantile * sorted.length) - 1]!;
        expect(found).toBeGreaterThanOrEqual(truth);
        expect(found).toBeLessThanOrEqual(Math.min(max, Math.max(truth + 1, truth * 1.125 + 1)));
      }
    }),
  );
});

test('a sampler that has done nothing has no lateness', () => {
  expect(readStatus([createStatus()]).latenessNanos).toEqual({ p50: 0, p99: 0, max: 0 });
});

test('several samplers add up: counts, lateness over all ticks, the highest maximum', () => {
  const [busy, idle] = [statusOf(Array(99).fill(100)), statusOf([5000])];
  busy[STATUS_WORD.rows] = 99n;
  idle[STATUS_WORD.rows] = 1n;
  busy[STATUS_WORD.lastTick] = 98n;
  idle[STATUS_WORD.lastTick] = 7n;
  const { rows, lastTick, latenessNanos } = readStatus([busy, idle]);
  expect([rows, lastTick]).toEqual([100n, 98n]);
  expect(latenessNanos).toEqual({ p50: 104, p99: 104, max: 5000 });
});

test("the native sampler's histogram is that of the rows it wrote", () => {
  const driver = driverOf('synthetic');
  const opened = driver.open(driver.options.parse({}), {
    files: new FakeDriverFiles({}),
    sourceName: 's',
  });
  const source = { name: 's', rateHz: 20_000, timestampResolutionNanos: 1n, driver: opened };
  // room for 20 s: nothing that this machine does meanwhile makes the ring overflow
  const [group] = makeRateGroups([source], 10_000);
  const sampler = startNativeSampler(group!, 0n, { realtime: 'off', cpu: -1 });
  while (readStatus([group!.status]).rows < 2000n);
  sampler.stop();
  const counts = new Array<bigint>(HISTOGRAM_BUCKETS).fill(0n);
  let max = 0;
  for (const record of new RingConsumer(group!.ring).records()) {
    if (record.kind === 'gap') continue;
    const nanos = Number(record.timeNanos - BigInt(record.tick) * group!.periodNanos);
    counts[bucketOf(nanos)]! += 1n;
    max = Math.max(max, nanos);
  }
  const histogram = group!.status.subarray(STATUS_WORD.histogram);
  expect([...histogram]).toEqual(counts);
  expect(readStatus([group!.status]).latenessNanos.max).toBe(max);
});
