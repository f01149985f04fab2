/** A recorder asks for processors that wake soon while it samples, and samples without, too. */
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { closeDrivers, planGroups } from '../../../engine/recorder/plan.ts';
import { SamplerSet } from '../../../engine/recorder/sampler-set.ts';
import { mergeStatus } from '../../../engine/recorder/status.ts';
import type { RecorderStatus } from '../../../engine/tools/types.ts';
import { readStatus } from '../../../engine/sampler/status.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { memoryFiles } from '../../support/memory-files.ts';

const SOURCES = 'sources: [{source: synthetic}]\n';

function configured(text: string): RecorderConfig {
  const files = memoryFiles({ './helicorder.yaml': `${text}\n${SOURCES}` });
  return resolveConfig({ files, drivers: DRIVERS, environment: {}, hostName: 'box' }).config;
}

async function started(config: RecorderConfig, path: string) {
  const plan = planGroups(config);
  onTestFinished(() => closeDrivers(plan.groups));
  const set = await SamplerSet.start(
    plan,
    config,
    (error) => expect.unreachable(error.message),
    path,
  );
  onTestFinished(() => set.stop());
  const rows = (): bigint => readStatus(plan.groups.map(({ group }) => group.status)).rows;
  const status = (): RecorderStatus =>
    mergeStatus({
      ...{ config, collector: undefined, samplers: set.report(), problems: set.problems },
      ...{ uptimeSeconds: 1, samplesPerSecond: 1, ending: undefined },
    });
  return { set, rows, status };
}

/** How many descriptors of this process are of this file. */
function descriptorsOf(path: string): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(join('/proc/self/fd', fd));
    } catch {
      return ''; // that of the listing itself
    }
  });
  return links.filter((link) => link === path).length;
}

function emptyFile(): string {
  const path = join(temporaryDirectory(), 'cpu_dma_latency');
  writeFileSync(path, '');
  return path;
}

test.each([
  ['0us', 0],
  ['20us', 20],
])('cpuDmaLatency: %s is written as 32 bits, and held until the samplers end', async (text, us) => {
  const path = emptyFile();
  const { set, status } = await started(configured(`cpuDmaLatency: ${text}`), path);
  expect(new Int32Array(new Uint8Array(readFileSync(path)).buffer)).toEqual(Int32Array.of(us));
  expect(descriptorsOf(path)).toBe(1);
  expect(status().scheduling.cpuDmaLatencyMicros).toBe(us);
  expect(status().warnings).toEqual([]);
  await set.stop();
  expect(descriptorsOf(path)).toBe(0);
  expect(status().scheduling.cpuDmaLatencyMicros).toBe(null);
  await set.stop();
});

test('without it nothing is opened', async () => {
  const path = emptyFile();
  const { status } = await started(configured('spin: 60us'), path);
  expect(descriptorsOf(path)).toBe(0);
  expect(readFileSync(path)).toHaveLength(0);
  expect(status().scheduling).toMatchObject({ spinMicros: 60, cpuDmaLatencyMicros: null });
});

test.each([
  ['is not there', 'none', 'ENOENT'],
  ['is no file to write to', '.', 'EISDIR'],
])('one that %s is a warning with file and reason, and recording goes on', async (_, name, why) => {
  const path = join(temporaryDirectory(), name);
  const isThere = existsSync(path);
  const { rows, status } = await started(configured('cpuDmaLatency: 0us'), path);
  expect(status().warnings).toEqual([expect.stringMatching(`cpuDmaLatency.*${path}.*${why}$`)]);
  expect(status().scheduling.cpuDmaLatencyMicros).toBe(null);
  await expect.poll(rows, { timeout: 60_000 }).toBeGreaterThan(5n);
  expect(existsSync(path)).toBe(isThere);
});

test('one that cannot be written is let go of', async () => {
  const { status } = await started(configured('cpuDmaLatency: 0us'), '/dev/full');
  expect(status().warnings).toEqual([expect.stringMatching('/dev/full.*ENOSPC$')]);
  expect(descriptorsOf('/dev/full')).toBe(0);
});

test('a spin that a program has given is held against the rates as well', () => {
  const config = { ...configured(''), spinNanos: 500_000 };
  expect(() => planGroups(config)).toThrow(
    expect.objectContaining({
      code: 'CONFIG',
      message: expect.stringMatching(/^spin: 500us must .* has a rate of 1000 Hz/),
    }),
  );
});
