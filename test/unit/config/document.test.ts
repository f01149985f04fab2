import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../../engine/config/config.ts';
import { configurationDocument, sampleFile } from '../../../engine/config/document.ts';
import { DRIVERS as drivers } from '../../../engine/drivers/registry.ts';

import { memoryFiles } from '../../support/memory-files.ts';

describe('documentation', () => {
  test('docs/configuration.md is what the schema says ("npm run docs" writes it)', async () => {
    await expect(configurationDocument(drivers)).toMatchFileSnapshot(
      '../../../docs/configuration.md',
    );
  });

  test('examples/helicorder.yaml is what the schema says', async () => {
    await expect(sampleFile(drivers)).toMatchFileSnapshot('../../../examples/helicorder.yaml');
  });

  test('the sample file configures what no file at all does', () => {
    const request = { environment: {}, hostName: 'box', drivers };
    const path = 'helicorder.yaml';
    const files = memoryFiles({ [path]: sampleFile(drivers) });
    const { config } = resolveConfig({ ...request, files, path });
    expect(config).toEqual(resolveConfig({ ...request, files: memoryFiles({}) }).config);
  });
});
