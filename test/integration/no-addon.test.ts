/** A build that was interrupted leaves no addon: the program says what to do, whatever is asked. */
import { spawnSync } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';

const ROOT = join(import.meta.dirname, '..', '..');

it.each(['--version', 'run', 'stream ls'])('%s', (command) => {
  const dir = temporaryDirectory();
  for (const part of ['dist', 'native', 'package.json']) {
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const args = [join(dir, 'dist', 'cli', 'main.js'), ...command.split(' ')];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toMatch(/^helicorder: the native addon is missing .* run "npm run build" .*\n$/);
  expect({ status, stdout }).toEqual({ status: 69, stdout: '' });
});
