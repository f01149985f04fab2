/**
 * `stream cp --where` and `--transform` as a user has them: what the target prints is what a filter
 * of the source's records gives, one-shot and while it is recorded, before and after sealing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { Store } from '../../engine/store/store.ts';
import { cat } from '../../engine/tools/cat.ts';
import { gaps } from '../../engine/tools/gaps.ts';
import type { StreamInfo } from '../../engine/tools/types.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderJson, helicorderOut, helicorderRun } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { parseRecords, type RecordLine } from '../support/records.ts';
import { sealAllThereIs } from '../support/sealing.ts';
import { openWriter, recordLines } from '../support/stores.ts';
import { userPackage } from '../support/user-package.ts';

const STREAM = 'plant/x';
const WHERE = 'Ch0 > 0 && Ch1 <= 4';
const RUN = ['run', '--source', 'synthetic', '--stream', STREAM, '--channels', '3', '--quiet'];

function isKept({ values }: RecordLine): boolean {
  return Number(values['Ch0']) > 0 && Number(values['Ch1']) <= 4;
}

async function records(dir: string, stream = STREAM): Promise<RecordLine[]> {
  return parseRecords(await recordLines(dir, stream, 0));
}

/** Each record by itself; of those left out, only what stays of them. */
function singly(all: readonly RecordLine[]): unknown[] {
  return all.flatMap((record) => {
    if (record.type !== 'gap' || record.reason !== 'filtered') return [record];
    return Array.from({ length: Number(record.records) }, (_, i) =>
      leftOut(record, Number(record.offset) + i, Number(record.firstTick) + i),
    );
  });
}

function leftOut({ writer, epoch }: RecordLine, offset: number, tick: number): unknown {
  return { offset, writer, epoch, tick, left: true };
}

/** What a derived copy must hold, by a filter of the test's own. */
function filtered(all: readonly RecordLine[]): unknown[] {
  return all.map((record) =>
    record.type !== 'sample' || isKept(record)
      ? record
      : leftOut(record, Number(record.offset), Number(record.tick)),
  );
}

async function seal(dir: string): Promise<void> {
  const writer = openWriter(dir);
  await sealAllThereIs(nodeFileSystem, writer);
  expect(writer.state.sealedEnd).toBeGreaterThan(0);
  writer.close();
}

async function expectFiltered(from: string, to: string): Promise<void> {
  const [there, here] = [await records(from), await records(to)];
  expect(singly(here)).toEqual(filtered(there));
  const left = there.filter((record) => record.type === 'sample' && !isKept(record)).length;
  expect(left).toBeGreaterThan(100);
  const [source, target] = [Store.open(from), Store.open(to)];
  const { ticksScheduled, gaps: listed } = await gaps(source, STREAM);
  const account = await gaps(target, STREAM);
  [source, target].forEach((store) => store.close());
  expect(account).toMatchObject({ ticksScheduled, gaps: listed, balanced: true });
  expect(account.gapsByReason.at(-1)).toMatchObject({ reason: 'filtered', ticks: String(left) });
  expect(await verify(to)).toMatchObject({ ok: true, damage: [] });
}

/** Events with their ledger, from the one on that holds an offset. */
async function events(dir: string, from = 0): Promise<string> {
  const store = Store.open(dir);
  const form = { follow: false, withLedger: true, onDamage: () => undefined };
  let text = '';
  for await (const line of cat(store, { stream: STREAM, from, ...form })) text += String(line);
  store.close();
  return text;
}

test('one-shot and continued: the filtered source, in the log and in chunks', async () => {
  const [a, b, c] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()];
  // of the smallest segments, to be sealed
  for (const dir of [a, b]) openWriter(dir).close();
  const copy = ['stream', 'cp', STREAM, '--where', WHERE, '--data-dir', a];
  for (let run = 0; run < 2; run++) {
    await helicorderOut([...RUN, '--data-dir', a, '--rate', '2000', '--duration', '700ms']);
    await helicorderOut([...copy, '--to-data-dir', b]);
    await expectFiltered(a, b);
  }
  const text = await events(b);
  const lines = text.split(/(?<=\n)/);
  expect(lines.length).toBeGreaterThan(2);
  // whoever begins in the middle sees the same events, and the first one whole
  for (const [index, line] of lines.entries()) {
    const { lastOffset } = JSON.parse(line) as { lastOffset: string };
    expect((await events(b, Number(lastOffset))) === lines.slice(index).join('')).toBe(true);
  }
  await seal(b);
  await expectFiltered(a, b);
  expect(await events(b)).toBe(text);
  // cut by a chunk's batches, and not by those of the log: the same records
  await seal(a);
  await helicorderOut([...copy, '--to-data-dir', c]);
  await expectFiltered(a, c);
  const again = await helicorderJson([...copy, '--to-data-dir', c]);
  expect(again).toMatchObject({ records: '0', done: true });
}, 300_000);

test('while a recorder owns the source and another one the target, and by both themselves', async () => {
  const dir = temporaryDirectory();
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const config = join(dir, 'helicorder.yaml');
  const lines = [
    `store: {dir: ${a}, flush: 20ms}`,
    `sources: [{source: synthetic, stream: ${STREAM}, rate: 1000, channels: 3}]`,
    `copies: [{from: plant/*, to: ${b}, where: "${WHERE}"}]`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const own = ['run', '--data-dir', b, '--source', 'synthetic', '--stream', 'own/y', '--quiet'];
  const target = helicorder([...own, '--rate', '10', '--json']);
  await target.stdout.next();
  const source = helicorder(['run', '--config', config, '--quiet', '--json']);
  await source.stdout.next();
  const other = ['--data-dir', a, '--to-data-dir', b, '--where', WHERE];
  const follow = helicorder(['stream', 'cp', STREAM, 'plant/second', ...other, '--follow']);
  await until(() => acked(a).length === 2 && Math.min(...acked(a)) >= 500);
  source.signal('SIGTERM');
  expect(await source.ended).toMatchObject({ code: 0 });
  follow.signal('SIGTERM');
  expect(await follow.ended).toMatchObject({ code: 0 });
  target.signal('SIGTERM');
  expect(await target.ended).toMatchObject({ code: 0 });
  await helicorderOut(['stream', 'cp', STREAM, ...other]);
  await helicorderOut(['stream', 'cp', STREAM, 'plant/second', ...other]);
  await expectFiltered(a, b);
  expect(await records(b, 'plant/second')).toEqual(await records(b));
}, 300_000);

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(50);
}

/** Offsets that the copies of a store have come to. */
function acked(dir: string): number[] {
  const store = Store.open(dir);
  const offsets = [...store.reader.state.cursors.values()].map(({ offset }) => Number(offset));
  store.close();
  return offsets;
}

test('the transform of the documentation, with options', async () => {
  const transform = join(userPackage('magnitude'), 'magnitude.js');
  const [a, b] = [join(temporaryDirectory(), 'a'), join(temporaryDirectory(), 'b')];
  await helicorderOut([...RUN, '--data-dir', a, '--rate', '1000', '--duration', '500ms']);
  const ends = ['--data-dir', a, '--to-data-dir', b, '--transform', transform];
  const options = ['--transform-options', '{"axes": ["Ch0", "Ch1", "Ch2"], "least": 3}'];
  await helicorderOut(['stream', 'cp', STREAM, ...ends, ...options]);
  const [there, here] = [await records(a), singly(await records(b))];
  const expected = there.map((record) => {
    if (record.type !== 'sample') return record;
    const [x, y, z] = ['Ch0', 'Ch1', 'Ch2'].map((name) => Number(record.values[name]));
    const Magnitude = Math.fround(Math.sqrt(0 + x! * x! + y! * y! + z! * z!));
    if (Magnitude >= 3) return { ...record, values: { Magnitude } };
    return leftOut(record, Number(record.offset), Number(record.tick));
  });
  expect(here).toEqual(expected);
  const missing = await helicorderRun(['stream', 'cp', STREAM, ...ends]);
  expect(missing).toMatchObject({ code: 64 });
  expect(missing.stderr).toContain('transform magnitude, schema: there is no channel X');
}, 300_000);

test('a routing key of its own, and all else as it is', async () => {
  const [a, b] = [join(temporaryDirectory(), 'a'), join(temporaryDirectory(), 'b')];
  await helicorderOut([...RUN, '--data-dir', a, '--rate', '1000', '--duration', '200ms']);
  const ends = ['--input-controller', a, '--output-controller', b, '--fixedRoutingKey', 'rig-7'];
  await helicorderOut(['stream-to-stream', '--input-stream', STREAM, ...ends]);
  expect(await records(b)).toEqual(await records(a));
  const cat = await helicorderOut(['stream', 'cat', STREAM, '--data-dir', b]);
  const events = cat
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(events.length).toBeGreaterThan(0);
  for (const event of events) expect(event).toMatchObject({ RemoteAddr: 'rig-7' });
  const long = ['--fixedRoutingKey', 'k'.repeat(256), '--cursor', 'c'];
  const refused = await helicorderRun(['stream', 'cp', STREAM, 'x/y', '--data-dir', a, ...long]);
  expect(refused).toMatchObject({ code: 64 });
  expect(refused.stderr).toContain('1 to 255 characters');
});

test('what cannot be derived is said at once', async () => {
  const dir = temporaryDirectory();
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  await helicorderOut([...RUN, '--data-dir', a, '--rate', '1000', '--duration', '200ms']);
  await helicorderRun(['stream', 'write', 'plant/notes', '--data-dir', a], 'one\ntwo\n');
  const refused = async (words: string[], code = 64): Promise<string> => {
    const ended = await helicorderRun(words);
    expect(ended, words.join(' ')).toMatchObject({ code });
    return ended.stderr;
  };
  const cp = (...words: string[]): string[] => {
    return ['stream', 'cp', ...words, '--data-dir', a, '--to-data-dir', b];
  };
  expect(await refused(cp(STREAM, '--where', 'Ch7 > 0'))).toContain('did you mean Ch0?');
  expect(await refused(cp('plant/notes', '--where', 'Ch0 > 0'))).toContain('opaque events');
  expect(await refused(cp(STREAM, '--transform', 'no.js'))).toContain(
    'no.js: there is no such file',
  );
  expect(await refused(cp(STREAM, '--transform-options', '{}'))).toContain('needs a --transform');

  await helicorderOut(cp(STREAM, '--where', 'Ch0 > 0', '--cursor', 'mine'));
  const other = cp(STREAM, '--where', 'Ch0 > 1');
  expect(await refused([...other, '--cursor', 'mine'])).toContain(
    'cursor mine is of a copy with another',
  );
  expect(await refused(cp(STREAM, '--cursor', 'mine'))).toContain('with --where or --transform');
  expect(await refused(other)).toContain('holds records of x up to seq');
  expect(await refused(cp(STREAM))).toContain('derived (where Ch0 > 0');

  const bad = join(dir, 'bad.mjs');
  const parts = ['name: "bad"', 'options: {}', 'schema: (input) => input', 'batch: () => ({})'];
  writeFileSync(bad, `export default {${parts.join(', ')}}`);
  const wrong = await refused(cp(STREAM, 'plant/bad', '--transform', bad));
  expect(wrong).toMatch(/bad\.mjs: transform bad, over \d+ rows: columns: gives no object/);
  const made = await helicorderJson<{ streams: StreamInfo[] }>(['stream', 'ls', '--data-dir', b]);
  expect(
    made.streams.map(({ name }) => name),
    'no empty one for it',
  ).toEqual(['x']);

  const configured = async (copies: string): Promise<string> => {
    const config = join(dir, 'c.yaml');
    const source = `{source: synthetic, stream: ${STREAM}, channels: 3}`;
    writeFileSync(config, `store: {dir: ${a}}\nsources: [${source}]\ncopies: [${copies}]\n`);
    return refused(['run', '--config', config, '--duration', '1s'], 78);
  };
  expect(await configured(`{from: plant/*, to: ${b}, where: "Ch0 >"}`)).toContain(
    'copies[0].where',
  );
  expect(await configured(`{from: plant/*, to: ${b}, where: Ch7 > 0}`)).toContain(
    'did you mean Ch0?',
  );
  const file = `{from: plant/*, to: ${b}, transform: {file: no.js}}`;
  expect(await configured(file)).toContain('there is no such file');
}, 300_000);
