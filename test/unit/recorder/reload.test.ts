/** What a running recorder cannot change is refused by the name of its key. */
import { expect, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { checkFixed } from '../../../engine/recorder/reload.ts';
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
