/** What a self-test leaves of the directory in which it was done. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { selfTest } from '../../../engine/selftest/selftest.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { temporaryDirectory } from '../../support/directory.ts';

/** Up to the first durable write, which fails after `meanwhile`. */
async function begin(dataDir: string, meanwhile = (): void => undefined): Promise<void> {
  const openDurable = (): never => {
    expect(readdirSync(dataDir)).toEqual([expect.stringMatching(/^selftest-/)]);
    meanwhile();
    throw new Error('enough of it');
  };
  const environment = { ...systemEnvironment, fs: { ...nodeFileSystem, openDurable } };
  const test = selfTest({ dataDir, program: [], durationMs: 1, seed: 1, environment });
  await expect(test).rejects.toThrow('enough of it');
}

it('a directory of its own making goes again, and one that was there stays', async () => {
  const made = join(temporaryDirectory(), 'data');
  await begin(made);
  expect(existsSync(made)).toBe(false);
  mkdirSync(made);
  await begin(made);
  expect(readdirSync(made)).toEqual([]);
});

it('what somebody puts into a directory of its own making stays', async () => {
  const dataDir = join(temporaryDirectory(), 'data');
  await begin(dataDir, () => writeFileSync(join(dataDir, 'store.json'), '{}'));
  expect(readdirSync(dataDir)).toEqual(['store.json']);
});

it('for want of space, nothing is left behind', async () => {
  const dataDir = join(temporaryDirectory(), 'data');
  const fs = { ...nodeFileSystem, info: () => ({ freeBytes: 0, type: 'ext4' }) };
  const environment = { ...systemEnvironment, fs };
  const test = selfTest({ dataDir, program: [], durationMs: 1, seed: 1, environment });
  await expect(test).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(existsSync(dataDir)).toBe(false);
});
