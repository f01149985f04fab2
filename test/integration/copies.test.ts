/** `copies:` of a configuration: what is recorded is in the other store too, whoever was killed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { Store } from '../../engine/store/store.ts';
import type { CursorInfo } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, helicorderRun } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { parseRecords, type RecordLine } from '../support/records.ts';

/** Where nothing tells: the cursors are looked at so often. */
const LOOK_MS = 20;
const STREAMS = ['plant/x-0', 'plant/x-1'];
const MANY = 8;

/** @param copy keys of the copy besides its ends; null: nothing is copied */
function configured(dir: string, copy: string | null = ''): string {
  const path = join(dir, `helicorder${copy === null ? '-alone' : ''}.yaml`);
  const lines = [
    `store: {dir: ${join(dir, 'a')}, flush: 20ms}`,
    'sources:',
    '  - {source: synthetic, stream: plant/x, count: 2, rate: 500}',
    ...(copy === null ? [] : ['copies:', `  - {from: plant/*, to: ${join(dir, 'b')}${copy}}`]),
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/** Resolves once a store holds so many records of each stream. */
async function arrived(dir: string, count: number): Promise<void> {
  const isThere = (): boolean => {
    if (!nodeFileSystem.exists(join(dir, 'mark'))) return false;
    const store = Store.open(dir);
    const { streams } = store.reader.state;
    store.close();
    const enough = [...streams.values()].filter(({ nextOffset }) => nextOffset >= count);
    return enough.length === STREAMS.length;
  };
  while (!isThere()) await sleep(LOOK_MS);
}

function records(dir: string, stream: string): Promise<string> {
  return helicorderOut(['stream', 'cat', stream, '--data-dir', dir, '--format', 'ndjson-records']);
}

function parsed(text: string): RecordLine[] {
  return parseRecords(text.split('\n'));
}

/** Resolves once the copies of so many streams have come to an offset. */
async function copied(dir: string, beyond: number, streams = STREAMS.length): Promise<void> {
  const isDone = (): boolean => {
    const store = Store.open(dir);
    const offsets = [...store.reader.state.cursors.values()].map(({ offset }) => Number(offset));
    store.close();
    return offsets.filter((offset) => offset > beyond).length >= streams;
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

test('begin and cursor: only what comes from then on, under a name of its own', async () => {
  const dir = temporaryDirectory();
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const alone = configured(dir, null);
  await helicorderOut(['run', '--config', alone, '--duration', '500ms', '--quiet']);
  const before = parsed(await records(a, STREAMS[0]!)).length;
  const told = ', begin: tail, cursor: "edge-{stream}", batchRecords: 100';
  const run = ['run', '--config', configured(dir, told), '--quiet', '--json'];
  for (let more = 1; more <= 2; more++) {
    const recorder = helicorder(run);
    await recorder.stdout.next();
    await arrived(b, more * 300);
    await recorder.kill();
  }
  const { cursors } = await helicorderJson<{ cursors: CursorInfo[] }>([
    ...['cursor', 'ls', '--data-dir', a],
  ]);
  expect(cursors.map(({ name, stream }) => [name, stream])).toEqual(
    STREAMS.map((stream) => [`edge-${stream.replace('/', '.')}`, stream]),
  );
  for (const stream of STREAMS) {
    // all of one writer: what is not there at the beginning tells where the copy began
    const [there, here] = [await records(a, stream), await records(b, stream)].map(parsed);
    const base = Number(here![0]!.seq) - 1;
    expect(base).toBeGreaterThanOrEqual(before);
    const expected = there!.slice(base, base + here!.length).map((record, offset) => {
      return { ...record, offset: String(offset) };
    });
    expect(here).toEqual(expected);
  }
});

test('a stream cp that is refused leaves no cursor behind', async () => {
  const dir = temporaryDirectory();
  const [a, file] = [join(dir, 'a'), join(dir, 'file')];
  writeFileSync(file, '');
  await helicorderRun(['stream', 'write', 'a/events', '--data-dir', a], 'one\ntwo\n');
  const run = ['run', '--source', 'synthetic', '--stream', 'a/x', '--data-dir', a, '--quiet'];
  await helicorderOut([...run, '--duration', '100ms']);
  const refused = [
    ['a/x', '--to-data-dir', file],
    ['a/x', '--to-data-dir', join(file, 'below')],
    ['a/x', 'a/events'],
    ['a/events', 'a/x'],
  ];
  for (const words of refused) {
    const { code, stderr } = await helicorderRun(['stream', 'cp', ...words, '--data-dir', a]);
    expect([words, code], stderr).toEqual([words, 64]);
  }
  expect(await helicorderJson(['cursor', 'ls', '--data-dir', a])).toEqual({ cursors: [] });
});

test('a recorder comes before any number of copies that keep its store', async () => {
  const [a, b] = [temporaryDirectory(), temporaryDirectory()];
  const words = ['--data-dir', a, '--source', 'synthetic', '--stream', 'plant/x', '--quiet'];
  const run = ['run', ...words, '--count', String(MANY)];
  await helicorderOut([...run, '--duration', '100ms']);
  const ends = ['--data-dir', a, '--to-data-dir', b];
  const copies = Array.from({ length: MANY }, (_, i) =>
    helicorder(['stream', 'cp', `plant/x-${i}`, ...ends, '--follow', '--quiet']),
  );
  for (let start = 0; start < 2; start++) {
    // all of them have looked for an owner by then
    await copied(a, 0, MANY);
    const recorder = helicorder([...run, '--json']);
    await recorder.stdout.next();
    await recorder.kill();
  }
  for (const copy of copies) copy.signal('SIGTERM');
  for (const copy of copies) expect(await copy.ended).toMatchObject({ code: 0 });
});

/** Resolves once the recorder of a store says so in its status. */
async function warned(dir: string, sentence: string): Promise<void> {
  for (;;) {
    const words = ['status', '--data-dir', dir];
    const { warnings } = await helicorderJson<{ warnings: string[] }>(words);
    if (warnings.some((warning) => warning.includes(sentence))) return;
    await sleep(LOOK_MS);
  }
}

test('a stream that is recorded takes no copy, and its recorder goes on', async () => {
  const dir = temporaryDirectory();
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const source = ['--source', 'synthetic', '--stream', 'plant/x', '--count', '2', '--quiet'];
  const live = helicorder(['run', '--data-dir', b, ...source, '--rate', '1000', '--json']);
  await live.stdout.next();
  const copying = helicorder(['run', '--config', configured(dir), '--quiet', '--json']);
  await copying.stdout.next();
  const [stream] = STREAMS as [string];
  const refusal = `${stream} is being recorded: choose another stream, or end what writes`;
  await warned(a, `the copy of ${stream} to ${b}: ${refusal}`);
  const copy = ['stream', 'cp', stream, '--data-dir', a, '--to-data-dir', b];
  for (const follow of [[], ['--follow']]) {
    const refused = await helicorderRun([...copy, ...follow]);
    expect(refused).toMatchObject({ code: 64 });
    expect(refused.stderr).toContain(refusal);
  }
  const count = parsed(await records(b, stream)).length;
  await arrived(b, count + 500);
  for (const recorder of [copying, live]) {
    recorder.signal('SIGTERM');
    expect(await recorder.ended).toMatchObject({ code: 0 });
  }
  for (const store of [a, b]) {
    expect(await helicorderJson(['verify', '--data-dir', store])).toMatchObject({ ok: true });
  }
});

test('a writer of the target keeps its name, and its numbers', async () => {
  const [a, b] = [temporaryDirectory(), temporaryDirectory()];
  const write = (dir: string, lines: string, ...words: string[]): Promise<string> =>
    helicorderOut(['stream', 'write', 'x/a', '--data-dir', dir, ...words], lines);
  await write(a, 'a1\na2\na3\n');
  await write(b, '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n');
  const copy = ['stream', 'cp', 'x/a', '--data-dir', a, '--to-data-dir', b];
  for (const follow of [[], ['--follow']]) {
    const refused = await helicorderRun([...copy, ...follow]);
    expect(refused).toMatchObject({ code: 64 });
    expect(refused.stderr).toContain('x/a has a writer stdin of its own');
  }
  expect(await write(b, 'next\n', '--ack')).toContain('"lastSeq":"10"');
  await helicorderOut(['stream', 'cp', 'x/a', 'x/of-a', ...copy.slice(3)]);
  const words = ['stream', 'write', 'x/of-a', '--data-dir', b];
  const local = await helicorderRun(words, 'not here\n');
  expect(local).toMatchObject({ code: 64 });
  expect(local.stderr).toContain('x/of-a holds records of a writer stdin of another store');
  await helicorderOut([...words, '--writer', 'own'], 'here\n');
  expect(parsed(await records(b, 'x/of-a')).map(({ seq }) => seq)).toEqual(['1', '2', '3', '1']);
  expect(await helicorderJson(['verify', '--data-dir', b])).toMatchObject({ ok: true });
});
