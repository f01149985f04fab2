/** `copies:` of a configuration: what is recorded is in the other store too, whoever was killed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Store } from '../../engine/store/store.ts';
import { helicorder, helicorderOut } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Where nothing tells: the cursors are looked at so often. */
const LOOK_MS = 20;
const STREAMS = ['plant/x-0', 'plant/x-1'];

function configured(dir: string): string {
  const path = join(dir, 'helicorder.yaml');
  const lines = [
    `store: {dir: ${join(dir, 'a')}, flush: 20ms}`,
    'sources:',
    '  - {source: synthetic, stream: plant/x, count: 2, rate: 500}',
    'copies:',
    `  - {from: plant/*, to: ${join(dir, 'b')}}`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

function records(dir: string, stream: string): Promise<string> {
  return helicorderOut(['stream', 'cat', stream, '--data-dir', dir, '--format', 'ndjson-records']);
}

/** Resolves once the copy of each stream has come to an offset. */
async function copied(dir: string, beyond: number): Promise<void> {
  const isDone = (): boolean => {
    const store = Store.open(dir);
    const offsets = [...store.reader.state.cursors.values()].map(({ offset }) => Number(offset));
    store.close();
    return offsets.filter((offset) => offset > beyond).length === STREAMS.length;
  };
  while (!isDone()) await sleep(LOOK_MS);
}

test('a recorder copies its streams while it records, and after it was killed', async () => {
  const dir = temporaryDirectory();
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const run = ['run', '--config', configured(dir), '--quiet'];
  const killed = helicorder([...run, '--json']);
  await killed.stdout.next();
  await copied(a, 0);
  await killed.kill();
  const first = (await records(b, STREAMS[0]!)).split('\n').length;
  const again = helicorder([...run, '--json']);
  await again.stdout.next();
  await copied(a, 2 * first);
  again.signal('SIGTERM');
  expect(await again.ended).toMatchObject({ code: 0 });
  for (const stream of STREAMS) {
    const [there, here] = [await records(a, stream), await records(b, stream)];
    expect(here.length).toBeGreaterThan(100);
    expect(there.startsWith(here)).toBe(true);
    await helicorderOut(['stream', 'cp', stream, '--data-dir', a, '--to-data-dir', b]);
    expect(await records(b, stream)).toBe(there);
  }
});
