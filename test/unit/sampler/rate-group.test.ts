import { expect, test } from 'vitest';
import { RING_MIN_SECONDS } from '../../../engine/base/constants.ts';
import { periodOf } from '../../../engine/base/period.ts';
import type { ChannelType } from '../../../engine/batch/schema.ts';
import { plainChannel, type OpenDriver } from '../../../engine/drivers/driver.ts';
import { RING } from '../../../engine/ring/layout.ts';
import { makeRateGroups, type SampledSource } from '../../../engine/sampler/rate-group.ts';

interface Given {
  rateHz?: number;
  bus?: 'native' | 'typescript';
  resolutionNanos?: bigint;
  type?: ChannelType;
}

function source(name: string, given: Given = {}): SampledSource {
  const driver: OpenDriver = {
    channels: [plainChannel('C', given.type ?? 'i16', '1')],
    attributes: [],
    close: () => undefined,
    ...(given.bus === 'typescript'
      ? { read: () => true }
      : { native: { kind: 'synthetic', seed: 1 } }),
  };
  const { rateHz = 1000, resolutionNanos = 1n } = given;
  return { name, rateHz, timestampResolutionNanos: resolutionNanos, driver };
}

function namesOf(sources: SampledSource[], flushIntervalMs = 100): string[][] {
  return makeRateGroups(sources, flushIntervalMs).map((group) =>
    group.sources.map(({ name }) => name),
  );
}

test('sources of one period on one bus are one group, in the order of the configuration', () => {
  expect(namesOf([source('a'), source('b', { type: 'f64' }), source('c')])).toEqual([
    ['a', 'b', 'c'],
  ]);
});

test.each([
  ['another period', { rateHz: 500 }],
  ['another bus', { bus: 'typescript' }],
  ['another resolution of time', { resolutionNanos: 1000n }],
] as [string, Given][])('%s is another group', (_, given) => {
  const sources = [source('a'), source('b', given), source('c'), source('d', given)];
  expect(namesOf(sources)).toEqual([
    ['a', 'c'],
    ['b', 'd'],
  ]);
});

test('rates that round to one period are one group', () => {
  expect(periodOf(3000)).toBe(333_333n);
  expect(periodOf(3000.0001)).toBe(333_333n);
  expect(periodOf(0.1)).toBe(10_000_000_000n);
  expect(namesOf([source('a', { rateHz: 3000 }), source('b', { rateHz: 3000.0001 })])).toEqual([
    ['a', 'b'],
  ]);
});

test('the faster a group, the higher its priority; equal periods have equal ones', () => {
  const groups = makeRateGroups(
    [
      source('slow', { rateHz: 10 }),
      source('fast', { rateHz: 1000 }),
      source('fast, too', { rateHz: 1000, resolutionNanos: 1000n }),
      source('faster', { rateHz: 20_000 }),
    ],
    100,
  );
  const priorities = groups.map(({ priority }) => priority);
  expect(priorities).toEqual([50, 51, 51, 52]);
});

test('however many periods there are, priorities stay within 50 to 80', () => {
  const rates = Array.from({ length: 60 }, (_, i) => source(`s${i}`, { rateHz: i + 1 }));
  const priorities = makeRateGroups(rates, 100).map(({ priority }) => priority);
  expect(Math.min(...priorities)).toBe(50);
  expect(Math.max(...priorities)).toBe(80);
});

test.each([
  [1000, 100],
  [20_000, 100],
  [20_000, 10_000],
  [0.1, 100],
])('at %d Hz and a flush each %d ms the ring holds two flushes and at least 2 s', (rateHz, ms) => {
  const [group] = makeRateGroups([source('a', { rateHz })], ms);
  const rows = rateHz * Math.max(RING_MIN_SECONDS, (2 * ms) / 1000);
  const capacity = group!.ring.byteLength - RING.dataAt;
  expect(capacity).toBeGreaterThanOrEqual(rows * group!.layout.rowBytes);
  expect(Number.isInteger(Math.log2(capacity))).toBe(true);
});

test('a ring that no machine has is an error that says how large, and is not asked for', () => {
  const wide = Array.from({ length: 1024 }, (_, i) => plainChannel(`C${i}`, 'i16', '1'));
  const sources = Array.from({ length: 4096 }, (_, i) => {
    const one = source(`s${i}`, { rateHz: 20_000 });
    return { ...one, driver: { ...one.driver, channels: wide } };
  });
  expect(() => makeRateGroups(sources, 100)).toThrow(
    /^4194304 channels at 20000 Hz \(s0 and .*\) need a ring of 512 GiB, which cannot be had/,
  );
});
