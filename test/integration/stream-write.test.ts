/**
 * A long `stream write` that nobody else owns the store beside is an owner like any other: it
 * serves other processes, seals, keeps to what the store was told, and makes room for a recorder.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import type { CursorInfo, RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { denseLine } from '../support/pen.ts';

const STREAM = 'plant/journal';
const LIFE_MS = 300_000;

/** A producer that owns the store, once its writer is open. */
async function producer(dir: string, stream = STREAM): Promise<Program> {
  const words = ['stream', 'write', stream, '--ack', '--data-dir', dir];
  const writer = helicorder(words, { lifeMs: LIFE_MS });
  await writer.stdout.next();
  return writer;
}

async function finish(writer: Program): Promise<void> {
  writer.endInput();
  const { code, stderr } = await writer.ended;
  expect(code, stderr).toBe(0);
}

async function acknowledged(writer: Program, seq: number): Promise<void> {
  await writer.stdout.next((line) => (JSON.parse(line) as { seq?: string }).seq === String(seq));
}

/** Store of small segments that was told what to keep. */
async function smallStore(dir: string, budget: string, retention = ''): Promise<void> {
  const config = `${dir}.yaml`;
  const store = `{dir: ${dir}, segmentSize: 1MiB, budget: {bytes: ${budget}}}`;
  const sources = '[{source: synthetic, stream: plant/box}]';
  writeFileSync(config, `store: ${store}\nsources: ${sources}\n${retention}`);
  await helicorderOut(['run', '--config', config, '--duration', '50ms']);
}

test('it serves other processes', { timeout: LIFE_MS }, async () => {
  const dir = join(temporaryDirectory(), 'store');
  const at = ['--data-dir', dir];
  const writer = await producer(dir);
  writer.write('one\ntwo\n');
  await acknowledged(writer, 2);
  await helicorderOut(['stream', 'write', 'plant/notes', ...at], 'a note\n');
  await helicorderOut(['cursor', 'set', 'reader', STREAM, '1', ...at]);
  const cursor = await helicorderJson<CursorInfo>(['cursor', 'show', 'reader', ...at]);
  expect(cursor).toMatchObject({ offset: '1', lagRecords: '1' });
  await helicorderOut(['stream', 'trim', STREAM, '--to', '1', '--yes', ...at]);
  const status = await helicorderJson<RecorderStatus>(['status', ...at]);
  expect(status).toMatchObject({ sources: 0, warnings: [] });
  await finish(writer);
  expect(await helicorderOut(['stream', 'cat', STREAM, ...at])).toBe('two\n');
  expect(await helicorderOut(['stream', 'cat', 'plant/notes', ...at])).toBe('a note\n');
});

test('it seals, and lets go of what the store was told', { timeout: LIFE_MS }, async () => {
  const dir = join(temporaryDirectory(), 'store');
  const rule = '{stream: plant/journal, onFull: drop-oldest}';
  await smallStore(dir, '16MiB', `streams: [${rule}]\n`);
  const writer = await producer(dir);
  const line = denseLine(60_000);
  // more than the budget has room for, also in chunks
  const count = Math.ceil((20 * MIB) / 60_000);
  for (let seq = 1; seq <= count; seq++) {
    writer.write(`${line(seq)}\n`);
    await acknowledged(writer, seq);
  }
  const chunks = readdirSync(join(dir, 'chunks')).filter((name) => name.endsWith('.chunk'));
  expect(chunks.length).toBeGreaterThan(0);
  await finish(writer);
  const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
  expect(report).toMatchObject({ ok: true, damage: [] });
  const lines = (await helicorderOut(['stream', 'cat', STREAM, '--data-dir', dir])).split('\n');
  const kept = lines.slice(0, -1).map((text) => Number(text.split(' ')[0]));
  expect(kept[0]).toBeGreaterThan(1);
  expect(kept).toEqual(kept.map((_, i) => count - kept.length + 1 + i));
});

test(
  'it makes room for a recorder, goes on through it, and its lines are there once',
  { timeout: LIFE_MS },
  async () => {
    const dir = join(temporaryDirectory(), 'store');
    const writer = await producer(dir);
    let fed = 0;
    const feed = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) writer.write(`line ${++fed}\n`);
      await acknowledged(writer, fed);
    };
    await feed(100);
    const run = helicorder(
      ['run', '--source', 'synthetic', '--stream', 'plant/box', '--json', '--data-dir', dir],
      { lifeMs: LIFE_MS },
    );
    let isRecording = false;
    const recording = run.stdout
      .next((line) => (JSON.parse(line) as RecorderStatus).state === 'recording')
      .then(() => (isRecording = true));
    while (!isRecording) await feed(10);
    await recording;
    await feed(100);
    await finish(writer);
    run.signal('SIGTERM');
    expect((await run.ended).code).toBe(0);
    const expected = Array.from({ length: fed }, (_, i) => `line ${i + 1}\n`).join('');
    expect(await helicorderOut(['stream', 'cat', STREAM, '--data-dir', dir])).toBe(expected);
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  },
);
