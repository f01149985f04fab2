/**
 * The recorder as somebody who may little: not root, at a low priority, in a directory of which a
 * part is root's, and at a limit of threads that is reached while it records.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { verify } from '../../engine/tools/verify.ts';
import { Program, REPOSITORY } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { skipLoudly } from '../support/skip.ts';

/** nobody */
const ID = 65_534;
const MAIN = join(REPOSITORY, 'dist/cli/main.js');
const AS_NOBODY = [`--reuid=${ID}`, `--regid=${ID}`, '--clear-groups'];
const PROGRAM = [process.execPath, MAIN];

const canBeNobody =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [...AS_NOBODY, ...PROGRAM, '--version']).status === 0;
const testAsNobody = skipLoudly(
  !canBeNobody,
  'only root can be somebody else, who has to be allowed to read this directory (setpriv)',
);

function ownDirectory(): string {
  const dir = temporaryDirectory();
  chownSync(dir, ID, ID);
  return dir;
}

function recordAsNobody(dataDir: string, words: readonly string[], niceness = 0): Program {
  const args = ['run', '--data-dir', dataDir, '--source', 'synthetic', ...words, '--json'];
  return new Program('nice', [
    '-n',
    String(niceness),
    'setpriv',
    ...AS_NOBODY,
    ...PROGRAM,
    ...args,
  ]);
}

const statusOf = (line: string): { warnings: string[] } =>
  JSON.parse(line) as { warnings: string[] };

testAsNobody('records and seals beside what only root may look at, as nice as can be', async () => {
  const dir = ownDirectory();
  mkdirSync(join(dir, 'lost+found'), { mode: 0o700 });
  const words = ['--count', '32', '--segment-size', '1MiB'];
  const program = recordAsNobody(dir, words, 19);
  const chunks = join(dir, 'chunks');
  const isSealed = (): boolean => {
    return readdirSync(dir).includes('chunks') && readdirSync(chunks).length > 0;
  };
  let status = statusOf(await program.stdout.next());
  while (!isSealed()) status = statusOf(await program.stdout.next());
  program.child.kill('SIGTERM');
  const { code, stderr } = await program.ended;
  expect([code, status.warnings], stderr).toEqual([0, []]);
  expect((await verify(dir)).ok).toBe(true);
});

testAsNobody('records on, and ends cleanly, where no thread is to be had any more', async () => {
  const dir = ownDirectory();
  // groups that are full, so that one is filled while another thread writes
  const words = ['--count', '512', '--rate', '1000', '--flush-ms', '1000'];
  const program = recordAsNobody(dir, words);
  await program.stdout.next();
  const limit = ['prlimit', '--pid', String(program.child.pid), '--nproc=1:1'];
  execFileSync('setpriv', [...AS_NOBODY, ...limit]);
  const isWarned = ({ warnings }: { warnings: string[] }): boolean =>
    warnings.some((warning) => warning.startsWith('upkeep of the store'));
  while (!isWarned(statusOf(await program.stdout.next())));
  await program.stdout.next();
  program.child.kill('SIGTERM');
  const { code, stderr } = await program.ended;
  expect(code, stderr).toBe(0);
  expect((await verify(dir)).ok).toBe(true);
});
