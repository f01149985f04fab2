import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { driverOf } from '../../../engine/drivers/registry.ts';
import { RingConsumer } from '../../../engine/ring/ring.ts';
import { makeRateGroups } from '../../../engine/sampler/rate-group.ts';
import { startNativeSampler } from '../../../engine/sampler/sampler.ts';
import { readStatus } from '../../../engine/sampler/status.ts';

const files = {
  list: (dir: string) => readdirSync(dir),
  readText: (path: string) => readFileSync(path, 'utf8'),
  openText: () => ({ read: () => undefined, close: () => undefined }),
};

test.each(['network', 'synthetic'])(
  '%s: rows and gaps are all ticks, and reads succeed',
  (kind) => {
    const driver = driverOf(kind);
    const given = kind === 'network' ? { interface: 'lo' } : {};
    const opened = driver.open(driver.options.parse(given), { files, sourceName: 's' });
    const source = { name: 's', rateHz: 1000, timestampResolutionNanos: 1n, driver: opened };
    const [group] = makeRateGroups([source], 100);
    const sampler = startNativeSampler(group!, 0n, { realtime: 'auto', cpu: -1 });
    while (readStatus([group!.status]).rows < 20n);
    sampler.stop();
    const status = readStatus([group!.status]);
    const records = [...new RingConsumer(group!.ring).records()];
    const rows = records.filter((record) => record.kind === 'row').length;
    expect(BigInt(rows)).toBe(status.rows);
    expect(status.ticksScheduled).toBe(status.rows + status.lateTicks + status.overflowTicks);
    expect(status.deviceFailures).toBe(0n);
  },
);

test('a missing interface is named together with the nearest one', () => {
  const driver = driverOf('network');
  const open = () =>
    driver.open(driver.options.parse({ interface: 'l0' }), { files, sourceName: 's' });
  expect(open).toThrow(/"l0".*"lo"/);
});
