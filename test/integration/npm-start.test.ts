/** `npm start` in a copy of the built tree: what a user types first. */
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Store } from '../../engine/store/store.ts';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorderJson, Program, REPOSITORY } from '../support/cli.ts';
import { sharedDirectory, temporaryDirectory } from '../support/directory.ts';

const COPIED = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'binding.gyp', 'scripts'];
const BUILT = ['dist', 'build', 'engine', 'workers', 'cli', 'bench', 'native'];

const tree = sharedDirectory();

beforeAll(() => {
  for (const name of [...COPIED, ...BUILT]) {
    cpSync(join(REPOSITORY, name), join(tree, name), { recursive: true });
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(tree, 'node_modules'));
});

function npmStart(dir: string, ...words: string[]): Program {
  return new Program('npm', ['start', '--silent', '--', '--data-dir', dir, ...words], {
    cwd: tree,
  });
}

test('records the network, builds nothing that is there, prints only JSON', async () => {
  const dir = join(temporaryDirectory(), 'store');
  const { code, stdout, stderr } = await npmStart(dir, '--duration', '2s', '--json').ended;
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('building');
  const statuses = stdout.split('\n').slice(0, -1);
  expect(statuses.length).toBeGreaterThan(0);
  for (const line of statuses) expect(JSON.parse(line)).toHaveProperty('samples');
  const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
  expect(report.ok).toBe(true);
  expect(report.streams.map(({ name }) => name)).toEqual(['examples/network']);
  expect(Number(report.streams[0]!.ticksScheduled)).toBeGreaterThanOrEqual(1900);
});

test('SIGTERM to npm stops the recorder cleanly and leaves no orphan', async () => {
  const dir = join(temporaryDirectory(), 'store');
  const npm = npmStart(dir, '--source', 'synthetic', '--stream', 'test/box', '--json');
  await npm.stdout.next((line) => Number((JSON.parse(line) as RecorderStatus).samples) > 0);
  npm.signal('SIGTERM');
  // ends when the last process that holds its output has ended: npm and the recorder
  const { stderr } = await npm.ended;
  expect(stderr).toContain('stopped cleanly');
  const { reader } = Store.open(dir);
  expect(reader.isOwned).toBe(false);
  expect(reader.state.clean).toBe(true);
});
