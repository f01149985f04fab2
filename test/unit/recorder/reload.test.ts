/** What a running recorder cannot change is refused by the name of its key. */
import { expect, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { closeDrivers, planGroups } from '../../../engine/recorder/plan.ts';
import { checkFixed, groupChanges } from '../../../engine/recorder/reload.ts';
import { memoryFiles } from '../../support/memory-files.ts';

function configured(copy = ''): RecorderConfig {
  const text = `copies: [{from: a/*, to: /elsewhere${copy}}]\nsources: [{source: synthetic}]\n`;
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
