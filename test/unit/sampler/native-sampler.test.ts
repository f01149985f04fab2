import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { driverOf } from '../../../engine/drivers/registry.ts';
import { openDriver } from '../../../engine/sampler/driver-files.ts';
import { RingConsumer } from '../../../engine/ring/ring.ts';
import { makeRateGroups, type RateGroup } from '../../../engine/sampler/rate-group.ts';
import { startNativeSampler } from '../../../engine/sampler/sampler.ts';
import { readStatus, STATUS_WORD, type SamplerStatus } from '../../../engine/sampler/status.ts';
import { isClosed } from '../../support/ring-memory.ts';

function groupOf(kind: string, given: Record<string, unknown> = {}): RateGroup {
  const driver = openDriver(kind, driverOf(kind).options.parse(given), 's');
  const source = { name: 's', rateHz: 1000, timestampResolutionNanos: 1n, driver };
  return makeRateGroups([source], 100)[0]!;
}

function statusOf(group: RateGroup): SamplerStatus {
  return readStatus([group.status]);
}

async function rowsTaken(group: RateGroup, rows: bigint): Promise<void> {
  while (statusOf(group).rows < rows) await setImmediate();
}

test.each([
  ['network', { interface: 'lo' }],
  ['synthetic', {}],
])('%s: rows and gaps are all ticks, and reads succeed', async (kind, given) => {
  const group = groupOf(kind, given);
  const sampler = startNativeSampler(group, 0n, { realtime: 'auto', cpu: -1 });
  await rowsTaken(group, 20n);
  sampler.stop();
  const status = statusOf(group);
  const records = [...new RingConsumer(group.ring).records()];
  const rows = records.filter((record) => record.kind === 'row').length;
  expect(BigInt(rows)).toBe(status.rows);
  expect(status.ticksScheduled).toBe(status.rows + status.lateTicks + status.overflowTicks);
  expect(status.deviceFailures).toBe(0n);
  expect(isClosed(group.ring)).toBe(true);
});

test('one that spins takes every tick, none before it is due, and polls meanwhile', async () => {
  const group = groupOf('synthetic');
  const how = { realtime: 'off', cpu: -1, spinNanos: 200_000 } as const;
  const sampler = startNativeSampler(group, 0n, how);
  const consumer = new RingConsumer(group.ring);
  const polls = (): bigint => Atomics.load(group.status, STATUS_WORD.polls);
  let next: number | undefined;
  const look = (): void => {
    for (const record of consumer.records()) {
      const isRow = record.kind === 'row';
      const [first, ticks] = isRow ? [record.tick, 1] : [record.firstTick, record.ticks];
      expect(first).toBe(next ?? first);
      next = first + ticks;
      if (!isRow) continue;
      const late = record.timeNanos - BigInt(record.tick) * group.periodNanos;
      expect(late).toBeGreaterThanOrEqual(0n);
      expect(late).toBeLessThanOrEqual(group.periodNanos);
    }
    consumer.release();
  };
  // on a busy machine a thread wakes too late to poll, but not always
  while (statusOf(group).rows < 50n || polls() === 0n) {
    await setImmediate();
    look();
  }
  sampler.stop();
  look();
  const { ticksScheduled, rows, lateTicks, overflowTicks } = statusOf(group);
  expect(ticksScheduled).toBe(rows + lateTicks + overflowTicks);
});

test('one that does not spin never polls', async () => {
  const group = groupOf('synthetic');
  const sampler = startNativeSampler(group, 0n, { realtime: 'off', cpu: -1 });
  await rowsTaken(group, 20n);
  sampler.stop();
  expect(Atomics.load(group.status, STATUS_WORD.polls)).toBe(0n);
});

test('a spin of half a period, or none at all, is refused by the thread itself', () => {
  for (const spinNanos of [500_000, -1, 0.5, NaN]) {
    const how = { realtime: 'off', cpu: -1, spinNanos } as const;
    expect(() => startNativeSampler(groupOf('synthetic'), 0n, how)).toThrow(RangeError);
  }
});

test('a missing interface is named together with the nearest one', () => {
  expect(() => groupOf('network', { interface: 'l0' })).toThrow(/"l0".*"lo"/);
});

test('realtime off stands on the lowest rung, and nothing of it was refused', () => {
  const sampler = startNativeSampler(groupOf('synthetic'), 0n, { realtime: 'off', cpu: -1 });
  const { rung, pinnedCpu, refused } = sampler.report();
  sampler.stop();
  expect([rung, pinnedCpu]).toEqual(['other', -1]);
  expect(refused.filter((what) => what.startsWith('sched_setscheduler'))).toEqual([]);
});

test('realtime auto says the rung it reached, or what refused it', () => {
  const sampler = startNativeSampler(groupOf('synthetic'), 0n, { realtime: 'auto', cpu: 0 });
  const { rung, refused } = sampler.report();
  sampler.stop();
  const wasRefused = refused.some((what) => what.startsWith('sched_setscheduler: E'));
  expect(rung === 'other').toBe(wasRefused);
});

test('a saturated sampler fills the ring without a gap, and waits when it is full', async () => {
  const group = groupOf('synthetic');
  const sampler = startNativeSampler(group, 0n, { realtime: 'off', cpu: -1, saturate: true });
  const consumer = new RingConsumer(group.ring);
  let next: number | undefined;
  let rows = 0;
  while (rows < 20_000) {
    await rowsTaken(group, BigInt(rows + 1));
    for (const record of consumer.records()) {
      expect(record.kind).toBe('row');
      if (record.kind !== 'row') continue;
      expect(record.tick).toBe(next ?? record.tick);
      next = record.tick + 1;
      rows++;
    }
    consumer.release();
  }
  sampler.stop();
  const { ticksScheduled, rows: taken, overflowTicks, lateTicks } = statusOf(group);
  expect(ticksScheduled).toBe(taken);
  expect([overflowTicks, lateTicks]).toEqual([0n, 0n]);
});

test('a worker that is terminated while its sampler runs ends the sampler first', async () => {
  for (let round = 0; round < 5; round++) {
    const group = groupOf('network', { interface: 'lo' });
    const { layout, ring, status, periodNanos, priority, sources } = group;
    const device = { ...sources[0]!.driver.native, channels: layout.sources[0]!.channels };
    const workerData = {
      ...{ ring: new Uint8Array(ring), status, periodNanos, priority, t0Nanos: 0n },
      ...{ rowBytes: layout.rowBytes, validityOffset: layout.validityOffset },
      ...{ sources: [device], realtime: 'auto', cpu: -1 },
    };
    const path = new URL('../../support/sampler-thread.cjs', import.meta.url);
    const worker = new Worker(path, { workerData });
    const failed = once(worker, 'error').then(([error]) => Promise.reject(error as Error));
    failed.catch(() => undefined);
    await Promise.race([rowsTaken(group, 5n), failed]);
    expect(isClosed(ring)).toBe(false);
    await worker.terminate();
    expect(isClosed(ring)).toBe(true);
    const { rows } = statusOf(group);
    const records = [...new RingConsumer(ring).records()];
    expect(BigInt(records.filter(({ kind }) => kind === 'row').length)).toBe(rows);
  }
});
