/** What `validate` finds out about `copies:` without recording anything. */
import { expect, test } from 'vitest';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { tryCopies } from '../../../engine/recorder/check-copies.ts';
import { memoryFiles } from '../../support/memory-files.ts';

function configOf(where: string): RecorderConfig {
  const missing = '{source: network, interface: eth99, stream: a/n}';
  const text =
    `sources: [{source: synthetic, stream: a/x}, ${missing}]\n` +
    `copies: [{from: a/*, to: /elsewhere, where: "${where}"}]\n`;
  const files = memoryFiles({ './helicorder.yaml': text });
  return resolveConfig({ files, drivers: DRIVERS, environment: {}, hostName: 'box' }).config;
}

test('an expression is held against the channels of the devices that are here', async () => {
  await expect(tryCopies(configOf('Ch1 > 2'))).resolves.toBeUndefined();
  await expect(tryCopies(configOf('Ch9 > 2'))).rejects.toThrow(/no channel Ch9.*did you mean/);
});
