/** A backlog: while the disk writes one group the next is filled, and nothing of it shows. */
import { describe, expect, test, vi } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import type { Channel } from '../../../engine/batch/schema.ts';
import type { DurableFile } from '../../../engine/files/file-system.ts';
import { Collector } from '../../../engine/collector/collector.ts';
import type { GroupSpec } from '../../../engine/collector/group-spec.ts';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { Store, systemEnvironment } from '../../../engine/store/store.ts';
import { ManualClock } from '../../support/clocks.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const DIR = '/store';
const PERIOD = 1_000_000n;
const ROWS = 70_000;
const CHANNELS = ['a', 'b', 'c'].map((name): Channel => {
  return { name, type: 'i64', unit: '', scale: 1, offset: 0 };
});

/** A disk that counts the groups while which something was done, and is full at one of them. */
class WatchedDisk extends SimulatedFileSystem {
  overlapped = 0;
  fullAt = Infinity;

  override openDurable(path: string, direct: boolean): DurableFile {
    const file = super.openDurable(path, direct);
    const write: DurableFile['write'] = (block, position, meanwhile) => {
      file.write(block, position, meanwhile);
      if (!meanwhile || !/\/\d{20}\.seg$/.test(path)) return;
      // what was to be done meanwhile has been done by now
      this.overlapped++;
      if (this.overlapped === this.fullAt) {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      }
    };
    return { ...file, write };
  }
}

/** A rate group whose ring holds `rows` rows of noise. */
function fullGroup(name: string, rows: number, random: SeededRandom): GroupSpec {
  const { rowBytes, validityOffset, sources } = rowLayout([{ channels: CHANNELS }]);
  const ring = createRing(2 ** 22);
  const producer = new RingProducer(ring);
  for (let tick = 0; tick < rows; tick++) {
    const at = producer.claimRow(tick, BigInt(tick) * PERIOD, rowBytes);
    producer.view.setBigUint64(at + validityOffset, 1n, true);
    for (const { rowOffset } of sources[0]!.channels) {
      producer.view.setFloat64(at + rowOffset, random.next(), true);
    }
    producer.commit();
  }
  const schema = { kind: 'samples' as const, channels: CHANNELS };
  const described = { name, stream: `test/${name}`, writer: 'w', attributes: [], schema };
  return {
    ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n },
    sources: [{ ...described, samplesPerEvent: 1000, channels: sources[0]!.channels }],
  };
}

function collectorOn(fs: SimulatedFileSystem): Collector {
  const random = new SeededRandom(7);
  const groups = ['x', 'y'].map((name) => fullGroup(name, ROWS, random));
  const environment = { ...systemEnvironment, fs, clock: new ManualClock(1n, 1n, 1n) };
  return new Collector({ dataDir: DIR, segmentBytes: 2 * MIB, groups }, environment);
}

/** The ticks of both streams, as a reader finds them. */
async function ticksOf(fs: SimulatedFileSystem): Promise<number[][]> {
  const store = Store.open(DIR, { ...systemEnvironment, fs });
  const found: number[][] = [];
  for (const name of ['test/x', 'test/y']) {
    const ticks: number[] = [];
    for await (const item of store.read(name)) {
      if (item.kind === 'samples') ticks.push(...item.batch.ticks);
    }
    found.push(ticks);
  }
  store.close();
  return found;
}

const everyTick = Array.from({ length: ROWS }, (_, tick) => tick);

describe('a new configuration', () => {
  test('lets nobody into its streams from the look at it to the end of their runs', () => {
    const collector = collectorOn(new SimulatedFileSystem());
    const group = fullGroup('z', 10, new SeededRandom(8));
    const { openRuns, state } = collector.writer;
    const check = (): void => openRuns.checkUnsampled('test/z');
    const replaced = (...groups: [number[], GroupSpec[]]): boolean => {
      let isDone = false;
      collector.replaceGroups(...groups, () => (isDone = true));
      return isDone;
    };
    check();
    const full = vi.spyOn(collector.writer, 'change').mockImplementationOnce(() => {
      throw new HelicorderError('NO_SPACE', 'full');
    });
    const keepAll = { budget: { bytes: undefined, minFreeBytes: 0 }, rules: [KEEP_ALL] };
    expect(() => collector.prepare([group], keepAll)).toThrow('full');
    full.mockRestore();
    check();
    collector.prepare([group], keepAll);
    expect(state.retention).toEqual(keepAll);
    expect(check).toThrow('test/z is being recorded');
    expect(replaced([], [group])).toBe(true);
    expect(check).toThrow('test/z is being recorded');
    collector.prepare([], undefined);
    expect(replaced([2], [])).toBe(true);
    check();
    expect(state.streamNamed('test/z')).toMatchObject({ nextOffset: 10 });
    expect(collector.close()).toBe(true);
  });
});

describe('in a backlog', () => {
  test('groups are filled while others are written, and every tick is there once', async () => {
    const fs = new WatchedDisk();
    const collector = collectorOn(fs);
    while (collector.flush());
    expect(fs.overlapped).toBeGreaterThan(3);
    expect(collector.status()).toMatchObject({ samples: 2 * ROWS, ticks: 2 * ROWS });
    expect(collector.close()).toBe(true);
    expect(await ticksOf(fs)).toEqual([everyTick, everyTick]);
  });

  test.each([1, 2, 3])('a disk that is full at group %d loses none of both', async (group) => {
    const fs = new WatchedDisk();
    const collector = collectorOn(fs);
    fs.fullAt = group;
    while (collector.flush());
    expect(collector.writer.isWaiting).toBe(true);
    while (collector.flush());
    expect([collector.writer.isWaiting, fs.overlapped > group]).toEqual([false, true]);
    expect(collector.status()).toMatchObject({ samples: 2 * ROWS, ticks: 2 * ROWS });
    expect(collector.close()).toBe(true);
    expect(await ticksOf(fs)).toEqual([everyTick, everyTick]);
  });
});
