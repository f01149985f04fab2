/** How a recorder in a user's own program ends, and what that program is told of it. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Program, REPOSITORY } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Records into `dataDir`; `die` takes the store away from under it. */
const BEGIN = `
import { rmSync } from 'node:fs';
import { once } from 'node:events';
import { Recorder, drivers, nodeFileSystem as files, resolveConfig } from 'helicorder';
const dataDir = process.argv[2];
const flags = { 'data-dir': dataDir, source: 'synthetic', rate: '1000', 'flush-ms': '20' };
const { config } = resolveConfig({ files, drivers, environment: {}, hostName: 'box', flags });
const recorder = await Recorder.start(config);
await once(recorder, 'status');
const die = () => rmSync(dataDir, { recursive: true, maxRetries: 9 });
const failed = new Promise((resolve) => {
  recorder.on('status', ({ state }) => state === 'failed' && resolve());
});
`;

function program(text: string): Program {
  const dir = temporaryDirectory();
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(REPOSITORY, join(dir, 'node_modules/helicorder'));
  writeFileSync(join(dir, 'program.mjs'), BEGIN + text);
  return new Program(process.execPath, ['program.mjs', join(dir, 'store')], { cwd: dir });
}

test('a failure that nobody awaits ends the program', async () => {
  const { code, stderr } = await program('die(); await failed;').ended;
  expect(code).toBe(1);
  expect(stderr).toContain('STORE_IO');
});

test('a failure that somebody awaits is told there, and by the status', async () => {
  const { code, stdout, stderr } = await program(`
    die();
    const error = await recorder.finished.catch((error) => error);
    await recorder.stop().catch(({ code }) => console.log(code));
    console.log(error.code, recorder.status().state);
  `).ended;
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe('STORE_IO\nSTORE_IO failed\n');
});

test('a status listener that throws does not keep it from its end', async () => {
  const { code, stdout } = await program(`
    process.on('uncaughtException', () => undefined);
    recorder.on('status', () => {
      throw new Error('mine');
    });
    const { clean } = await recorder.stop();
    console.log(clean, recorder.status().state);
  `).ended;
  expect([code, stdout]).toEqual([0, 'true stopped\n']);
});
