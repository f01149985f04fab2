/** What `tune` measures, what its model says, and which choice it recommends. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { measureBox } from '../../../engine/tools/tune-measure.ts';
import { predict, recommend } from '../../../engine/tools/tune-model.ts';
import { reportOf, tune } from '../../../engine/tools/tune.ts';
import type { BoxFacts, TuneLoad } from '../../../engine/tools/types.ts';
import { temporaryDirectory } from '../../support/directory.ts';

const BOX: BoxFacts = {
  ...{ fileSystem: 'ext4', direct: true, syncCpuMicros: 20, wakeCpuMicros: 25 },
  syncMicros: { p50: 111, p99: 300, max: 9000 },
  writeBytesPerSecond: 1e9,
  wakeMicros: { p50: 40, p99: 1000, max: 9000 },
};
const NETWORK: TuneLoad = { rateHz: 1000, sources: 1, channels: { u64: 2 } };
const RIG: TuneLoad = { rateHz: 1000, sources: 32, channels: { i16: 96 } };

const report = (loads: TuneLoad[], maxLatencyMs = 250): ReturnType<typeof reportOf> =>
  reportOf(BOX, {
    ...{ dataDir: '', loads, maxLatencyMs },
    configured: { flushMs: 100, samplesPerEvent: 1000 },
  });

describe('the model', () => {
  it('gives one network source at flush 100 ms a block of 4 KiB per flush', () => {
    // 41 bytes a sample: what the padding of a low rate was measured to cost
    expect(predict(BOX, [NETWORK], 100, 1000).logBytesPerDay).toBe(10 * 4096 * 86_400);
  });

  it('waits for half an interval at p50, and for nearly all of it at p99', () => {
    const { p50, p99 } = predict(BOX, [NETWORK], 100, 1000).durableMs;
    expect(p50).toBeCloseTo(50 + 0.151, 2);
    expect(p99).toBeCloseTo(99 + 1.3, 2);
  });

  it('never gains anything but latency from flushing more often', () => {
    const intervals = fc.tuple(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 5000 }),
    );
    fc.assert(
      fc.property(intervals, ([a, b]) => {
        const [short, long] = [Math.min(a, b), Math.max(a, b)];
        const [often, rarely] = [short, long].map((flush) => predict(BOX, [RIG], flush, 1000));
        expect(often!.cpuPercent).toBeGreaterThanOrEqual(rarely!.cpuPercent - 1e-9);
        expect(often!.durableMs.p99).toBeLessThanOrEqual(rarely!.durableMs.p99 + 1e-9);
        expect(often!.keptBytesPerDay).toBe(rarely!.keptBytesPerDay);
      }),
    );
  });

  it('does not write at flushes without a tick', () => {
    const slow: TuneLoad = { rateHz: 1, sources: 1, channels: { i16: 1 } };
    expect(predict(BOX, [slow], 1, 1000).logBytesPerDay).toBe(4096 * 86_400);
  });

  it('costs nothing without sources', () => {
    const idle = predict(BOX, [], 100, 1000);
    expect(idle).toMatchObject({
      logBytesPerDay: 0,
      keptBytesPerDay: 0,
      eventMs: idle.durableMs.p99,
    });
  });
});

describe('the recommendation', () => {
  it('is the longest interval within the limit, and the largest event that fills in a second', () => {
    expect(report([NETWORK]).recommended).toMatchObject({ flushMs: 200, samplesPerEvent: 1000 });
    expect(report([NETWORK], 20).recommended.flushMs).toBe(10);
  });

  it('is the shortest interval where nothing is fast enough', () => {
    expect(report([NETWORK], 0.1).recommended.flushMs).toBe(1);
  });

  it('goes by the fastest source', () => {
    const fast = { ...NETWORK, rateHz: 20_000 };
    expect(report([NETWORK, fast]).recommended.samplesPerEvent).toBe(10_000);
  });

  it('is one of the table, which has what is configured', () => {
    const options = { dataDir: '', loads: [RIG], maxLatencyMs: 250 };
    const configured = { flushMs: 30, samplesPerEvent: 7 };
    const { table, recommended } = reportOf(BOX, { ...options, configured });
    expect(table).toContainEqual(expect.objectContaining(configured));
    expect(table).toContainEqual(recommended);
    expect(recommend(table, 32).flushMs).toBe(30);
  });
});

describe('a measurement', () => {
  it('measures something, and leaves nothing behind', async () => {
    const dir = temporaryDirectory();
    const box = await measureBox(dir, systemEnvironment);
    expect(box.syncMicros.p99).toBeGreaterThanOrEqual(box.syncMicros.p50);
    expect(box.syncMicros.p50).toBeGreaterThan(0);
    expect(box.writeBytesPerSecond).toBeGreaterThan(0);
    expect(box.wakeCpuMicros).toBeGreaterThan(0);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('has no name on the disk while it is going on, so that a kill leaves nothing', async () => {
    const dir = temporaryDirectory();
    const seen: string[][] = [];
    const pause = (): void => void seen.push(readdirSync(dir));
    await measureBox(dir, { ...systemEnvironment, pause });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.flat()).toEqual([]);
  });

  it('ends when it is told to', async () => {
    const dir = temporaryDirectory();
    const reason = new Error('enough');
    const measuring = measureBox(dir, systemEnvironment, AbortSignal.abort(reason));
    await expect(measuring).rejects.toBe(reason);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is made on the file system of a store that does not exist yet, without making it', async () => {
    const dir = temporaryDirectory();
    const configured = { flushMs: 100, samplesPerEvent: 1000 };
    const dataDir = join(dir, 'not', 'there');
    await tune({ dataDir, loads: [NETWORK], maxLatencyMs: 250, configured });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('names the directory that cannot be written', async () => {
    const failing = {
      ...systemEnvironment.fs,
      openDurable: () => {
        throw errno('EROFS');
      },
    };
    const environment = { ...systemEnvironment, fs: failing };
    const options = { loads: [], maxLatencyMs: 1, configured: { flushMs: 1, samplesPerEvent: 1 } };
    const measuring = tune({ dataDir: temporaryDirectory(), ...options, environment });
    await expect(measuring).rejects.toMatchObject({ code: 'READ_ONLY' });
  });
});

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}
