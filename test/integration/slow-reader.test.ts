import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { REPOSITORY } from '../support/cli.ts';
import { beginEvents, bytes, openWriter } from '../support/stores.ts';

const run = promisify(execFile);

test('a reader that is slow gets every byte before the program ends', async () => {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const opened = beginEvents(writer);
  // a pipe holds 64 KiB: what comes behind it waits inside the program, below any high-water mark
  const events = Array.from({ length: 75 }, (_, i) => `${i} ${'x'.repeat(900)}`);
  for (const event of events) writer.appendEvents(opened, [bytes(event)]);
  writer.close();
  const program = join(REPOSITORY, 'dist', 'cli', 'main.js');
  const pipeline = '"$1" "$2" stream cat test/events --data-dir "$3" | (sleep 1; cat)';
  const words = ['-c', pipeline, 'sh', process.execPath, program, dir];
  const { stdout } = await run('sh', words, { maxBuffer: 2 ** 20, timeout: 120_000 });
  expect(stdout).toBe(events.map((event) => `${event}\n`).join(''));
});
