/** What a running recorder cannot change is refused by the name of its key. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { closeDrivers, planGroups, planStart, warningsOf } from '../../../engine/recorder/plan.ts';
import { checkFixed, groupChanges, reportOf } from '../../../engine/recorder/reload.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { memoryFiles } from '../../support/memory-files.ts';

const NO_SYS = '{source: network, sysfsRoot: /nowhere, stream: a/net}';

function configured(copy = ''): RecorderConfig {
  return resolved(`copies: [{from: a/*, to: /elsewhere${copy}}]\nsources: [{source: synthetic}]\n`);
}

function resolved(text: string): RecorderConfig {
  const files = memoryFiles({ './helicorder.yaml': text });
  return resolveConfig({ files, drivers: DRIVERS, environment: {}, hostName: 'box' }).config;
}

test.each([
  ['begin', ', begin: tail'],
  ['cursor', ', cursor: "c-{stream}"'],
  ['batchRecords', ', batchRecords: 5'],
  ['linger', ', linger: 2s'],
])('%s of a copy', (_, copy) => {
  expect(() => checkFixed(configured(), configured(copy))).toThrow(/^to change copies, stop/);
  expect(() => checkFixed(configured(copy), configured(copy))).not.toThrow();
});

test.each([
  ['spin', 'spin: 60us'],
  ['cpuDmaLatency', 'cpuDmaLatency: 0us'],
])('%s, also where it is only given now, or not any more', (key, text) => {
  const [without, given] = [resolved(''), resolved(text)];
  const refusal = new RegExp(`^to change ${key}, stop and start the recorder`);
  expect(() => checkFixed(without, given)).toThrow(refusal);
  expect(() => checkFixed(given, without)).toThrow(refusal);
  expect(() => checkFixed(given, resolved(text))).not.toThrow();
});

test('a device that is away refuses no reload of others, only one of its own source', () => {
  const path = join(temporaryDirectory(), 'value');
  writeFileSync(path, '1\n');
  const away = (rate = 5): string =>
    `  - {source: sysfs, stream: a/away, rate: ${rate}, channels: [{name: V, path: ${path}}]}\n`;
  const others = '  - {source: synthetic, stream: a/other}\n';
  const now = resolved(`sources:\n${away()}`);
  const plan = planGroups(now);
  unlinkSync(path);
  const next = resolved(`sources:\n${away()}${others}`);
  const nextPlan = planGroups(next, plan);
  expect(reportOf(now, next, groupChanges(plan, nextPlan))).toEqual({
    started: ['other'],
    ended: [],
    restarted: [],
    settings: [],
    warnings: [],
  });
  const changed = resolved(`sources:\n${away(6)}${others}`);
  expect(() => planGroups(changed, plan)).toThrow(expect.objectContaining({ code: 'DEVICE' }));
  expect(() => planGroups(next)).toThrow(expect.objectContaining({ code: 'DEVICE' }));
  closeDrivers([...plan.groups, ...nextPlan.groups]);
});

describe('a device that is away when recording begins', () => {
  const sysfs = (name: string, path: string): string =>
    `{source: sysfs, stream: a/${name}, channels: [{name: V, path: ${path}}]}`;
  const here = '{source: synthetic, stream: a/here}';
  const away = sysfs('away', '/nowhere/value');
  const eth = '{source: network, interface: eth777, stream: a/eth, statistics: [rx_errors]}';

  test('is waited for, with the schema that its configuration gives', () => {
    const config = resolved(`sources: [${here}, ${away}, ${eth}]`);
    const plan = planStart(config);
    const specs = plan.groups.flatMap(({ spec }) => spec.sources);
    const named = specs.map(({ name, schema, attributes }) => {
      return [name, schema.kind === 'samples' && schema.channels[0]!.name, attributes.slice(1)];
    });
    expect(named.slice(1).sort()).toEqual([
      ['away', 'V', []],
      ['eth', 'RxErrors', [['Interface', 'eth777']]],
    ]);
    const warnings = [
      'away: channel "V": cannot open /nowhere/value; gap(device) until it is there',
      expect.stringMatching(/^eth: there is no network interface "eth777": .* until it is there$/),
    ];
    expect(warningsOf(plan).sort()).toEqual(warnings);
    // neither is forgotten when the configuration is read again
    const again = planGroups(config, plan);
    expect(warningsOf(again).sort()).toEqual(warnings);
    closeDrivers([...plan.groups, ...again.groups]);
  });

  test.each([
    ['the only one', [away], 'cannot open /nowhere/value'],
    ['one of several that all are', [away, eth], 'cannot open /nowhere/value'],
    ['not away, but no file', [here, sysfs('dir', '/')], '/ is a directory'],
    ['unknown, as nothing names it', [here, NO_SYS], 'there is no network interface "lo"'],
  ])('is an error if it is %s', (_, sources, message) => {
    const start = (): unknown => planStart(resolved(`sources: [${sources.join(', ')}]`));
    expect(start).toThrow(expect.objectContaining({ code: 'DEVICE' }));
    expect(start).toThrow(message);
  });
});

test('other samples per event end no run: it is said that the stream keeps its own', () => {
  const plans = [100, 200].map((samplesPerEvent) => {
    const { sources, ...config } = configured();
    return planGroups({ ...config, sources: [{ ...sources[0]!, samplesPerEvent }] });
  });
  const [now, next] = plans as [(typeof plans)[0], (typeof plans)[0]];
  expect(groupChanges(now, next)).toMatchObject({
    ...{ kept: now.groups, spare: next.groups, ended: [], begun: [] },
    warnings: ['examples/network: the stream keeps the samples per event it was made with'],
  });
  plans.forEach(({ groups }) => closeDrivers(groups));
});
