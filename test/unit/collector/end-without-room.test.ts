/** A recorder that ends while it waits for its budget: what it could not keep is gap(full). */
import { expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import type { Channel } from '../../../engine/batch/schema.ts';
import { Collector } from '../../../engine/collector/collector.ts';
import type { DurableFile } from '../../../engine/files/file-system.ts';
import type { GroupSpec } from '../../../engine/collector/group-spec.ts';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { gaps } from '../../../engine/tools/gaps.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ManualClock } from '../../support/clocks.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const DIR = '/store';
const STREAM = 'test/x';
const PERIOD = 1_000_000n;
const RETENTION = { budget: { bytes: 16 * MIB, minFreeBytes: 0 }, rules: [] };
const CHANNELS = Array.from({ length: 100 }, (_, i): Channel => {
  return { name: `c${i}`, type: 'f64', unit: '', scale: 1, offset: 0 };
});

/** A source that a test drives by hand. */
class ByHand {
  readonly group: GroupSpec;
  readonly #producer: RingProducer;
  readonly #random = new SeededRandom(3);

  constructor() {
    const { rowBytes, validityOffset, sources } = rowLayout([{ channels: CHANNELS }]);
    const ring = createRing(2 ** 20);
    this.#producer = new RingProducer(ring);
    const schedule = { t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n };
    const schema = { kind: 'samples' as const, channels: CHANNELS };
    const described = { name: 'x', stream: STREAM, writer: 'w', attributes: [], schema };
    const { channels } = sources[0]!;
    this.group = {
      ...{ ring, rowBytes, validityOffset, ...schedule },
      sources: [{ ...described, samplesPerEvent: 1000, channels }],
    };
  }

  row(tick: number): void {
    const { rowBytes, validityOffset, sources } = this.group;
    const at = this.#producer.claimRow(tick, BigInt(tick) * PERIOD, rowBytes);
    this.#producer.view.setBigUint64(at + validityOffset, 1n, true);
    for (const { rowOffset } of sources[0]!.channels) {
      this.#producer.view.setFloat64(at + rowOffset, this.#random.next(), true);
    }
    this.#producer.commit();
  }
}

/** A disk that has no space for one write of the log: the one that `fullIn` counts down to. */
class FullForAMoment extends SimulatedFileSystem {
  fullIn = Infinity;

  override openDurable(path: string, direct: boolean): DurableFile {
    const file = super.openDurable(path, direct);
    const write: DurableFile['write'] = (block, position, meanwhile) => {
      const isFull = /\/\d{20}\.seg$/.test(path) && --this.fullIn === 0;
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      file.write(block, position, meanwhile);
    };
    return { ...file, write };
  }
}

function begin(environment: StoreEnvironment, source: ByHand): Collector {
  const options = { dataDir: DIR, segmentBytes: 2 * MIB, groups: [source.group] };
  return new Collector({ ...options, retention: RETENTION }, environment);
}

test('ticks that waited for space at the end are full, those behind it are stopped', async () => {
  const clock = new ManualClock(0n, 1_700_000_000_000_000_000n);
  const environment = { ...systemEnvironment, fs: new SimulatedFileSystem(), clock };
  const first = new ByHand();
  const collector = begin(environment, first);
  let tick = 0;
  for (; !collector.writer.isWaiting; tick++) {
    clock.monotonicNanos = BigInt(tick) * PERIOD;
    first.row(tick);
    if (tick % 500 === 499) collector.flush();
  }
  const { samples } = collector.status();
  expect(samples).toBeGreaterThan(1000);
  expect(collector.close()).toBe(false);

  // somebody makes room, and an hour later it records again
  const resumed = tick + 3_600_000;
  clock.monotonicNanos = BigInt(resumed) * PERIOD;
  const second = new ByHand();
  const retention = { ...RETENTION, budget: { ...RETENTION.budget, bytes: 64 * MIB } };
  const options = { dataDir: DIR, segmentBytes: 2 * MIB, groups: [second.group], retention };
  const next = new Collector(options, environment);
  second.row(resumed);
  next.flush();
  expect(next.close()).toBe(true);

  const store = Store.open(DIR, environment);
  const report = await gaps(store, STREAM);
  store.close();
  expect(report).toMatchObject({ balanced: true, samples: String(samples + 1) });
  const lost = tick - samples;
  expect(report.gapsByReason).toEqual([
    expect.objectContaining({ reason: 'full', ticks: String(lost) }),
    expect.objectContaining({ reason: 'stopped', ticks: String(3_600_000) }),
  ]);
  expect(await verify(DIR, environment)).toMatchObject({ ok: true, damage: [] });
});

test.each([
  ['the last records', 1],
  ['the end of the runs', 2],
])('a disk that is full for a moment, for %s, loses nothing', async (_, fullIn) => {
  const fs = new FullForAMoment();
  const clock = new ManualClock(0n, 1_700_000_000_000_000_000n);
  const environment = { ...systemEnvironment, fs, clock };
  const source = new ByHand();
  const collector = begin(environment, source);
  for (let tick = 0; tick < 10; tick++) source.row(tick);
  fs.fullIn = fullIn;
  expect(collector.close()).toBe(true);
  expect(fs.fullIn).toBeLessThan(1);
  const store = Store.open(DIR, environment);
  expect(await gaps(store, STREAM)).toMatchObject({ balanced: true, samples: '10' });
  const [run] = store.reader.state.writersOf(store.stream(STREAM).id);
  expect(run).toMatchObject({ endReason: 'stopped' });
  store.close();
});
