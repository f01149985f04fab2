/** The samplers of a recorder, with the sampler worker in a thread of its own. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { closeDrivers, planGroups, type RecordingPlan } from '../../../engine/recorder/plan.ts';
import { SamplerSet } from '../../../engine/recorder/sampler-set.ts';
import { readStatus, type SamplerStatus } from '../../../engine/sampler/status.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { memoryFiles } from '../../support/memory-files.ts';

function configured(text: string): RecorderConfig {
  const files = memoryFiles({ './helicorder.yaml': text });
  return resolveConfig({ files, drivers: DRIVERS, environment: {}, hostName: 'box' }).config;
}

function planned(config: RecorderConfig): RecordingPlan {
  const plan = planGroups(config);
  onTestFinished(() => closeDrivers(plan.groups));
  return plan;
}

function statusOf(plan: RecordingPlan): SamplerStatus {
  return readStatus(plan.groups.map(({ group }) => group.status));
}

async function started(plan: RecordingPlan, config: RecorderConfig): Promise<SamplerSet> {
  const failures: unknown[] = [];
  const set = await SamplerSet.start(plan, config, (error) => failures.push(error));
  onTestFinished(async () => {
    await set.stop();
    expect(failures).toEqual([]);
  });
  return set;
}

const WAIT = { timeout: 60_000 };

test('a file that vanishes before the worker opens it is a gap until it is back', async () => {
  const path = join(temporaryDirectory(), 'value');
  writeFileSync(path, '7\n');
  const source = `{source: sysfs, stream: a/v, rate: 100, channels: [{name: V, path: ${path}}]}`;
  const config = configured(`sources: [${source}]\n`);
  const plan = planned(config);
  unlinkSync(path);
  await started(plan, config);
  await expect.poll(() => statusOf(plan).deviceFailures, WAIT).toBeGreaterThan(1n);
  writeFileSync(path, '8\n');
  const isRead = (): boolean => {
    const { rows, deviceFailures } = statusOf(plan);
    return rows > deviceFailures;
  };
  await expect.poll(isRead, WAIT).toBe(true);
});

test('native sources are sampled while the worker starts', async () => {
  const path = join(temporaryDirectory(), 'value');
  writeFileSync(path, '7\n');
  const config = configured(
    `sources:\n  - {source: sysfs, stream: a/v, channels: [{name: V, path: ${path}}]}\n` +
      '  - {source: synthetic, stream: a/native, rate: 1000}\n',
  );
  const plan = planned(config);
  await started(plan, config);
  const native = plan.groups.filter(({ group }) => group.bus === 'native');
  expect(statusOf({ groups: native }).ticksScheduled).toBeGreaterThan(10n);
});

test('for sysfs realtime: require is refused, and cpu is told not to hold', async () => {
  const path = join(temporaryDirectory(), 'value');
  writeFileSync(path, '7\n');
  const sources = `sources: [{source: sysfs, stream: a/v, channels: [{name: V, path: ${path}}]}]\n`;
  expect(() => planGroups(configured(`realtime: require\n${sources}`))).toThrow(
    expect.objectContaining({
      code: 'REALTIME_REFUSED',
      message: expect.stringContaining('v cannot have it: sources of sysfs'),
    }),
  );
  const config = configured(`cpu: 0\n${sources}`);
  const set = await started(planned(config), config);
  expect(set.problems).toEqual(['not pinned to processor 0 (cpu), as their thread cannot be: v']);
});
