import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBatch, decodeTimes } from '../../../engine/batch/format.ts';
import { relativeTimes } from '../../../engine/batch/relative-times.ts';
import { doublesOf } from '../../../engine/batch/sample-times.ts';
import { decodeSamples, encodeSamples } from '../../../engine/batch/samples.ts';
import { monotonicMs } from '../../../engine/base/clock.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { ChannelBuckets } from '../../../engine/tools/bucket-table.ts';
import { buckets, type BucketOptions } from '../../../engine/tools/buckets.ts';
import { ChunkStore, SAMPLES } from '../../support/chunk-store.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import { beginEvents, beginSamples, commitSamples, openWriter } from '../../support/stores.ts';

const DIR = '/store';
const STREAM = 'test/samples';
const LIST = { minLength: 1, maxLength: 40 };
const UTC = 1_700_000_000_000_000_000n;

async function made(isSealed: boolean, lowWater = 0): Promise<StoreEnvironment> {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, random: new SeededRandom(1), pause: () => {} };
  const writer = openWriter(DIR, undefined, environment);
  const [samples, events] = [beginSamples(writer), beginEvents(writer)];
  const noise = new SeededRandom(2).bytes(200_000);
  for (let i = 0; i < 20; i++) {
    commitSamples(writer, samples, i * 700, 500 + i, i === 11 ? UTC - 5_000_000_000n : UTC);
    writer.appendEvents(events, [noise]);
  }
  if (isSealed) await sealAll(fs, writer);
  if (lowWater > 0) {
    const store = Store.open(DIR, environment);
    trimStream(writer, await planTrim(store.reader, samples.stream.id, lowWater));
    store.close();
  }
  writer.close();
  return environment;
}

/** `start count min mean max`, sample by sample from what `read` gives. */
async function expected(store: Store, nanos: bigint, options: BucketOptions): Promise<unknown[]> {
  const found = new Map<bigint, number[]>();
  for await (const item of store.read(STREAM)) {
    if (item.kind !== 'samples') continue;
    item.batch.timeNanos.forEach((time, i) => {
      if (time < (options.fromTime ?? 0n) || time >= (options.toTime ?? 2n ** 62n)) return;
      const start = time - (time % nanos);
      found.set(start, [...(found.get(start) ?? []), Number(item.batch.columns[0]![i])]);
    });
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([start, values]) => {
      const sum = values.reduce((total, value) => total + value, 0);
      const ends = [Math.min(...values), Math.max(...values)];
      return [start, values.length, ends[0], sum / values.length, ends[1]];
    });
}

async function found(store: Store, options: BucketOptions): Promise<unknown[]> {
  const { startNanos, channels } = await buckets(store, STREAM, options);
  const { count, min, mean, max } = channels[0] ?? { count: [], min: [], mean: [], max: [] };
  return [...startNanos].map((start, i) => [start, count[i], min[i], mean[i], max[i]]);
}

describe.each([
  ['segments', false, 0],
  ['chunks', true, 0],
  ['chunks, trimmed within a batch', true, 777],
])('buckets over %s', (_, isSealed, lowWater) => {
  let environment: StoreEnvironment;
  beforeAll(async () => {
    environment = await made(isSealed, lowWater);
  });

  it('are what a walk over all samples gives, for any length and range', async () => {
    const store = Store.open(DIR, environment);
    const offset = fc.bigInt({ min: -6_000_000_000n, max: 15_000_000_000n });
    const range = fc.option(offset, { nil: undefined });
    const length = fc.bigInt({ min: 1_000_000n, max: 4_000_000_000n });
    await fc.assert(
      fc.asyncProperty(length, range, range, async (bucketNanos, from, to) => {
        const options = {
          bucketNanos,
          ...(from === undefined ? {} : { fromTime: UTC + from }),
          ...(to === undefined ? {} : { toTime: UTC + to }),
        };
        expect(await found(store, options)).toEqual(await expected(store, bucketNanos, options));
      }),
      { numRuns: 12, seed: SEED },
    );
    store.close();
  });

  it('can be asked for by their number', async () => {
    const store = Store.open(DIR, environment);
    const fromTime = UTC + 1_000_000_000n;
    const range = { fromTime, toTime: fromTime + 10_000_000_000n };
    const report = await buckets(store, STREAM, { ...range, count: 7 });
    expect(report.startNanos.length).toBe(7);
    expect(report.startNanos[0]).toBe(fromTime);
    store.close();
  });

  it('asked for by their number, begin with the first sample that is still there', async () => {
    const store = Store.open(DIR, environment);
    const all = (await expected(store, 1n, {})) as [bigint, number][];
    const { startNanos, channels } = await buckets(store, STREAM, { count: 7 });
    expect(startNanos[0]).toBe(all[0]![0]);
    const there = all.reduce((sum, [, count]) => sum + count, 0);
    expect(channels[0]!.count.reduce((sum, count) => sum + count, 0)).toBe(there);
    store.close();
  });

  it('have only the columns that are asked for, and no others exist', async () => {
    const store = Store.open(DIR, environment);
    const { channels } = await buckets(store, STREAM, { columns: ['X'] });
    expect(channels.map(({ name }) => name)).toEqual(['X']);
    const unknown = buckets(store, STREAM, { columns: ['Xx'] });
    await expect(unknown).rejects.toMatchObject({ code: 'USAGE' });
    await expect(unknown).rejects.toThrow('test/samples has no column Xx; did you mean X?');
    await expect(buckets(store, 'test/events')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(buckets(store, STREAM, { bucketNanos: 5n })).rejects.toThrow(/at least 1us/);
    const both = buckets(store, STREAM, { bucketNanos: 1_000_000n, count: 5 });
    await expect(both).rejects.toMatchObject({ code: 'USAGE' });
    store.close();
  });
});

describe('buckets of a store that has an owner', () => {
  /** How many samples there are in all. */
  async function counted(store: Store): Promise<number> {
    const { channels } = await buckets(store, SAMPLES);
    return channels[0]!.count.reduce((sum, count) => sum + count, 0);
  }

  it('count each sample once, wherever sealing overtakes them', async () => {
    for (let moment = 1; moment < 30; moment += 4) {
      const owned = new ChunkStore();
      for (let i = 0; i < 4; i++) owned.append(200);
      owned.fillUpTo(4);
      const store = Store.open(DIR, owned.environment);
      const readRaw = store.readRaw.bind(store);
      let given = 0;
      store.readRaw = async function* (name, options) {
        for await (const item of readRaw(name, options)) {
          yield item;
          if (++given === moment) await owned.settle();
        }
      };
      const { samples } = owned.written.acknowledged;
      expect(await counted(store), `sealed behind piece ${moment}`).toBe(samples);
      expect(given).toBeGreaterThanOrEqual(moment);
      store.close();
    }
  });
});

describe('numbers of a batch without BigInt', () => {
  const wide = fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n });

  it('64-bit integers become the doubles that Number gives', () => {
    fc.assert(
      fc.property(fc.array(wide), (values) => {
        const signed = BigInt64Array.from(values);
        expect([...doublesOf(signed)]).toEqual(values.map(Number));
        const unsigned = new BigUint64Array(signed.buffer).map((value) => value >> 11n);
        expect([...doublesOf(unsigned)]).toEqual([...unsigned].map(Number));
      }),
    );
  });

  it('times are those of the decoded batch, whatever gaps, failures and resolution', () => {
    const row = fc.record({ late: fc.integer({ min: -900, max: 50_000_000 }), ok: fc.boolean() });
    const resolution = fc.constantFrom(1n, 7n, 1000n, 1_000_000n);
    const channels = [{ name: 'X', type: 'i16' as const, unit: '1', scale: 1, offset: 0 }];
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1 }),
        resolution,
        wide,
        (rows, resolutionNanos, at) => {
          const [t0Nanos, periodNanos, firstTick] = [17n, 1_000_003n, 12_345];
          const due = (i: number): bigint => t0Nanos + BigInt(firstTick + i + 3) * periodNanos;
          const cursor = { run: 1, nextSeq: 1, nextOffset: 0, ordinal: 0 };
          const gaps = [{ rowsBefore: 0, reason: 'late' as const, ticks: 3, nanos: 0n }];
          const [timesBytes, batchBytes] = encodeSamples({
            ...{ t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos: UTC + at, firstTick, gaps },
            timesNanos: BigInt64Array.from(rows, ({ late }, i) => due(i) + BigInt(late)),
            sources: [
              {
                channels,
                columns: [new Float64Array(rows.length)],
                valid: rows.map(({ ok }) => ok),
                cursor,
              },
            ],
          });
          const [times, batch] = [decodeTimes(timesBytes!), decodeBatch(batchBytes!)];
          const decoded = decodeSamples(times, batch, { kind: 'samples', channels });
          const { baseNanos, nanos } = relativeTimes(times, batch);
          expect(Array.from(nanos, (value) => baseNanos + BigInt(value))).toEqual([
            ...decoded.timeNanos,
          ]);
        },
      ),
    );
  });

  it('least and greatest of 64-bit integers are exact, however near and many', () => {
    const near = fc.bigInt({ min: 2n ** 63n - 3000n, max: 2n ** 63n - 1n });
    const least = fc.bigInt({ min: -(2n ** 63n), max: 3000n - 2n ** 63n });
    const values = fc.array(fc.oneof(near, least, fc.bigInt({ min: -9n, max: 9n })), LIST);
    fc.assert(
      fc.property(values, fc.boolean(), fc.nat(), (list, isSigned, place) => {
        const wide = isSigned ? BigInt64Array.from(list) : BigUint64Array.from(list);
        const type = isSigned ? ('i64' as const) : ('u64' as const);
        const channel = { name: 'C', type, unit: 'B', scale: 1, offset: 0 };
        const sums = new ChannelBuckets(channel);
        const [doubles, end] = [doublesOf(wide), place % (list.length + 1)];
        for (const [slots, from, to] of [
          [1, 0, end],
          [2000, end, list.length],
        ] as const) {
          sums.reserve(slots);
          sums.add(0, doubles, from, to, channel, wide);
        }
        const sorted = [...wide].sort((a, b) => (a < b ? -1 : 1));
        expect(sums.exact?.pick([0, 1])).toEqual({
          min: (isSigned ? BigInt64Array : BigUint64Array).of(sorted[0]!, 0n),
          max: (isSigned ? BigInt64Array : BigUint64Array).of(sorted.at(-1)!, 0n),
        });
      }),
    );
  });

  it('values with a scale, or once of another type, are doubles', () => {
    const channel = { name: 'C', type: 'u64' as const, unit: 'B', scale: 1, offset: 0 };
    const wide = BigUint64Array.of(2n ** 60n);
    expect(new ChannelBuckets({ ...channel, scale: 2 }).exact).toBeUndefined();
    const sums = new ChannelBuckets(channel);
    sums.reserve(1);
    sums.add(0, doublesOf(wide), 0, 1, channel, wide);
    sums.add(0, Float64Array.of(1), 0, 1, { ...channel, type: 'f64' });
    expect([sums.exact, sums.min[0], sums.max[0]]).toEqual([undefined, 1, 2 ** 60]);
  });

  it('what is no number counts as none, and a negative scale turns least and greatest', () => {
    const channel = { name: 'T', type: 'f64' as const, unit: 'K', scale: -2, offset: 1 };
    const sums = new ChannelBuckets(channel);
    sums.reserve(1);
    sums.add(0, Float64Array.of(9, NaN, 1, 3, 9), 1, 4, channel);
    expect([sums.count[0], sums.min[0], sums.max[0], sums.sum[0]]).toEqual([2, -5, -1, -6]);
  });
});

it('the rate of samples is printed', async () => {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, random: new SeededRandom(1), pause: () => {} };
  const writer = openWriter(DIR, 64 * 2 ** 20, environment);
  const samples = beginSamples(writer);
  const [batches, rows] = [40, 16_000];
  for (let i = 0; i < batches; i++) commitSamples(writer, samples, i * rows, rows, UTC);
  writer.close();
  const store = Store.open(DIR, environment);
  const startMs = monotonicMs();
  const { channels } = await buckets(store, STREAM, { bucketNanos: 1_000_000_000n });
  const perSecond = (batches * rows) / ((monotonicMs() - startMs) / 1000);
  process.stdout.write(`buckets: ${(perSecond / 1e6).toFixed(1)} M samples/s of one channel\n`);
  expect(channels[0]!.count.reduce((sum, count) => sum + count, 0)).toBe(batches * rows);
  store.close();
});
