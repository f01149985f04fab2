/** A build that was interrupted leaves no addon: the program says what to do, whatever is asked. */
import { spawnSync } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The program without its addon, in a directory of its own within `dir`. */
function unbuilt(dir: string, within = '.'): string {
  const home = join(dir, within);
  for (const part of ['dist', 'native', 'package.json']) {
    cpSync(join(ROOT, part), join(home, part), { recursive: true });
  }
  return home;
}

function ran(args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

it.each(['--version', 'run', 'stream ls'])('%s', (command) => {
  const home = unbuilt(temporaryDirectory());
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  const main = join(home, 'dist', 'cli', 'main.js');
  const { stderr, ...rest } = ran([main, ...command.split(' ')]);
  expect(stderr).toMatch(/^helicorder: the native addon is missing .* run "npm run build" .*\n$/);
  expect(rest).toEqual({ status: 69, stdout: '' });
});

it('an installed package, which has no build script, says what npm can do', () => {
  const dir = temporaryDirectory();
  const home = unbuilt(dir, 'node_modules/helicorder');
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  const index = join(home, 'dist', 'engine', 'index.js');
  const program = `import('${index}').catch(({ code, message }) => console.log(code, message));`;
  const { status, stdout } = ran(['-e', program]);
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^HELICORDER_NO_ADDON the native addon is missing .* run "npm rebuild helicorder", which /,
  );
});
