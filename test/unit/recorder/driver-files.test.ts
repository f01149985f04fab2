import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { driverFiles } from '../../../engine/sampler/driver-files.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

it('a file that vanishes gives nothing, and is read again when it is back', async () => {
  const dir = temporaryDirectory();
  const path = join(dir, 'comm');
  const child = spawn('sleep', ['60']);
  symlinkSync(`/proc/${child.pid}/comm`, path);
  const file = driverFiles.openText(path);
  expect(file.read()).toBe('sleep\n');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(file.read()).toBeUndefined();
  symlinkSync('/proc/self/comm', join(dir, 'next'));
  unlinkSync(path);
  renameSync(join(dir, 'next'), path);
  await expect.poll(() => file.read(), { timeout: 60_000 }).toMatch(/\S/);
  file.close();
});

it('a file in whose place there is another is not read on, nor one that is deleted', async () => {
  const path = join(temporaryDirectory(), 'value');
  writeFileSync(path, 'old');
  const file = driverFiles.openText(path);
  const reads = (text: string | undefined): Promise<void> =>
    expect.poll(() => file.read(), { timeout: 60_000 }).toBe(text);
  await reads('old');
  writeFileSync(`${path}.next`, 'new');
  renameSync(`${path}.next`, path);
  await reads('new');
  unlinkSync(path);
  await reads(undefined);
  execFileSync('mkfifo', [path]);
  await reads(undefined);
  unlinkSync(path);
  writeFileSync(path, 'back');
  await reads('back');
  file.close();
});

it('a file that is not there is an error at once', () => {
  expect(() => driverFiles.openText('/nowhere/file')).toThrow(/ENOENT/);
});
