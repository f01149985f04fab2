/** Other processes change a store while `run` owns it, and take the lock when nobody does. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type {
  CursorInfo,
  GapsReport,
  ReloadReport,
  RecorderStatus,
  VerifyReport,
} from '../../engine/tools/types.ts';
import { ruleFor } from '../../engine/base/retention.ts';
import { Store } from '../../engine/store/store.ts';
import {
  helicorder,
  helicorderJson,
  helicorderOut,
  helicorderRun,
  nextOwner,
  type Program,
} from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Many programs start and end beside it. */
const LIFE_MS = 400_000;

async function startRun(dir: string, ...words: string[]): Promise<Program> {
  const isThere = nextOwner(dir, 'control');
  const program = helicorder(['run', '--data-dir', dir, ...words], { cwd: dir, lifeMs: LIFE_MS });
  await isThere;
  return program;
}

async function stop(program: Program): Promise<void> {
  program.signal('SIGTERM');
  const { code, stderr } = await program.ended;
  expect(code, stderr).toBe(0);
}

/** `helicorder ARGS…` in the store of `dir`: exit code and stderr. */
async function outcome(dir: string, ...words: string[]): Promise<[number | null, string]> {
  const { code, stderr } = await helicorderRun([...words, '--data-dir', dir]);
  return [code, stderr];
}

/** The same story with an owner and without one. */
async function changes(dir: string, scope: string): Promise<void> {
  const stream = `${scope}/notes`;
  const at = ['--data-dir', dir];
  const written = await helicorderOut(['stream', 'write', stream, '--ack', ...at], 'a\nb\nc\nd\n');
  const lines = written.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    { writer: 'stdin', epoch: expect.any(String), lastSeq: '0' },
    ...[1, 2, 3, 4].map((seq) => ({ seq: String(seq), offset: String(seq - 1) })),
  ]);

  await helicorderOut(['cursor', 'set', 'reader', stream, '1', ...at]);
  const shown = await helicorderJson<CursorInfo>(['cursor', 'show', 'reader', ...at]);
  expect(shown).toMatchObject({ name: 'reader', stream, offset: '1', lagRecords: '3' });
  expect(await outcome(dir, 'cursor', 'set', 'reader', stream, '5')).toEqual([
    64,
    expect.stringContaining('from 0 to 4'),
  ]);
  const removed = await helicorderJson(['cursor', 'rm', 'reader', ...at]);
  expect(removed).toEqual({ name: 'reader' });
  expect(await helicorderJson(['cursor', 'ls', ...at])).toEqual({ cursors: [] });
  expect(await outcome(dir, 'cursor', 'rm', 'reader')).toEqual([
    64,
    expect.stringContaining('no cursor reader'),
  ]);

  expect(await outcome(dir, 'stream', 'trim', stream, '--to', '9', '--yes')).toEqual([
    64,
    expect.stringContaining('ends at 4'),
  ]);
  await helicorderOut(['stream', 'trim', stream, '--before', '2000-01-01', '--yes', ...at]);
  expect(await helicorderOut(['stream', 'cat', stream, ...at])).toBe('a\nb\nc\nd\n');
  const both = ['--to', '2', '--before', '-1h', '--yes'];
  expect(await outcome(dir, 'stream', 'trim', stream, ...both)).toEqual([
    64,
    expect.stringContaining('either --to OFFSET or --before TIME'),
  ]);
  await helicorderOut(['stream', 'trim', stream, '--to', '2', '--yes', ...at]);
  // what has gone already goes once
  await helicorderOut(['stream', 'trim', stream, '--to', '1', '--yes', ...at]);
  expect(await helicorderOut(['stream', 'cat', stream, ...at])).toBe('c\nd\n');
  expect(await outcome(dir, 'stream', 'rm', stream)).toEqual([
    64,
    expect.stringContaining('say --yes'),
  ]);
  await helicorderOut(['stream', 'rm', stream, '--yes', ...at]);
  const { streams } = await helicorderJson<{ streams: { scope: string }[] }>([
    'stream',
    'ls',
    ...at,
  ]);
  expect(streams.filter((one) => one.scope === scope)).toEqual([]);
}

test(
  'everything that changes a store works through its owner, and without one',
  { timeout: LIFE_MS },
  async () => {
    const dir = temporaryDirectory();
    const run = await startRun(dir, '--source', 'synthetic', '--stream', 'plant/s');
    await changes(dir, 'beside');
    expect(await outcome(dir, 'stream', 'rm', 'plant/s', '--yes')).toEqual([
      64,
      expect.stringContaining('is being recorded'),
    ]);
    expect(await outcome(dir, 'stream', 'write', 'plant/s')).toEqual([
      64,
      expect.stringContaining('holds samples'),
    ]);
    const status = await helicorderJson<RecorderStatus>(['status', '--data-dir', dir]);
    expect(status).toMatchObject({ state: 'recording', sources: 1, warnings: [] });
    expect(Number(status.samples)).toBeGreaterThan(0);
    await stop(run);
    await changes(dir, 'alone');
    // what is refused leaves the store as well ended as it was
    expect((await outcome(dir, 'cursor', 'rm', 'none'))[0]).toBe(64);
    const info = await helicorderJson(['store', 'info', '--data-dir', dir]);
    expect(info).toMatchObject({ clean: true });
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  },
);

test('status and reload of a store that nobody owns: a sentence, and 69', async () => {
  const dir = temporaryDirectory();
  for (const word of ['status', 'reload']) {
    expect(await outcome(dir, word)).toEqual([69, expect.stringContaining('no recorder runs on')]);
  }
});

test('only a second owner is told that the store is in use', async () => {
  const dir = temporaryDirectory();
  const run = await startRun(dir, '--source', 'synthetic');
  expect((await outcome(dir, 'run', '--source', 'synthetic'))[0]).toBe(75);
  await stop(run);
});

test('a writer opened again elsewhere is fenced', async () => {
  const dir = temporaryDirectory();
  const run = await startRun(dir, '--source', 'synthetic');
  const words = ['stream', 'write', 'a/b', '--writer', 'pen', '--ack', '--data-dir', dir];
  const first = helicorder(words);
  await first.stdout.next();
  first.write('one\n');
  expect(JSON.parse(await first.stdout.next())).toEqual({ seq: '1', offset: '0' });
  const second = helicorder(words);
  expect(JSON.parse(await second.stdout.next())).toMatchObject({ lastSeq: '1' });
  first.write('two\n');
  const { code, stderr } = await first.ended;
  expect([code, stderr]).toEqual([69, expect.stringContaining('was opened again elsewhere')]);
  second.endInput('deux\n');
  expect((await second.ended).code).toBe(0);
  expect(await helicorderOut(['stream', 'cat', 'a/b', '--data-dir', dir])).toBe('one\ndeux\n');
  await stop(run);
});

test('a producer with nothing to say learns that its owner has ended', async () => {
  const dir = temporaryDirectory();
  const run = await startRun(dir, '--source', 'synthetic');
  const writer = helicorder(['stream', 'write', 'a/b', '--ack', '--data-dir', dir]);
  await writer.stdout.next();
  await stop(run);
  const { code, stderr } = await writer.ended;
  expect([code, stderr]).toEqual([69, expect.stringContaining('the owner of the store has')]);
});

test(
  'reload: groups that change begin anew, others go on without a gap, nonsense changes nothing',
  { timeout: LIFE_MS },
  async () => {
    const dir = temporaryDirectory();
    const config = join(dir, 'config.yaml');
    const source = (name: string, rate: number, more = ''): string =>
      `  - {source: synthetic, stream: s/${name}, rate: ${rate}${more}}\n`;
    const write = (text: string): void => writeFileSync(config, text);
    const reload = () => helicorderJson<ReloadReport>(['reload', '--data-dir', dir]);
    write(`sources:\n${source('kept', 100)}${source('changed', 50)}${source('ended', 20)}`);
    const run = await startRun(dir, '--config', config);

    write(`sources:\n${source('kept', 100)}${source('changed', 50, ', ratee: 1')}`);
    expect(await outcome(dir, 'reload')).toEqual([78, expect.stringContaining('ratee')]);
    write(`store: {segmentSize: 1MiB}\ncpu: 1\nsources:\n${source('kept', 100)}`);
    expect(await outcome(dir, 'reload')).toEqual([
      78,
      expect.stringContaining('to change store.segmentSize, cpu, stop and start the recorder'),
    ]);
    const nothing = { started: [], ended: [], restarted: [], settings: [], warnings: [] };
    write(`sources:\n${source('kept', 100)}${source('changed', 50)}${source('ended', 20)}`);
    expect(await reload()).toEqual(nothing);

    const keeps = ', retain: {age: 1h}, onFull: drop-oldest';
    const next = [source('kept', 100), source('changed', 50, ', seed: 7')];
    next.push(source('begun', 10, keeps));
    write(`store: {flush: 50ms}\nsources:\n${next.join('')}`);
    expect(await reload()).toEqual({
      started: ['begun'],
      ended: ['ended'],
      restarted: ['changed'],
      settings: ['store.flush', 'retain, onFull or class'],
      warnings: [],
    });
    expect(await reload()).toEqual(nothing);
    const store = Store.open(dir);
    const rule = ruleFor(store.reader.state.retention!.rules, 's/begun');
    expect(rule).toMatchObject({ ageMs: 3_600_000, onFull: 'drop-oldest' });
    store.close();
    await expect
      .poll(async () => (await outcome(dir, 'stream', 'info', 's/begun'))[1], { timeout: 100_000 })
      .toBe('');
    const status = await helicorderJson<RecorderStatus>(['status', '--data-dir', dir]);
    expect(status.sources).toBe(3);
    await stop(run);

    const reasons = async (name: string): Promise<string[]> => {
      const report = await helicorderJson<GapsReport>(['gaps', `s/${name}`, '--data-dir', dir]);
      expect(report.balanced, name).toBe(true);
      return report.gapsByReason.map(({ reason }) => reason).filter((reason) => reason !== 'late');
    };
    expect(await reasons('kept')).toEqual([]);
    expect(await reasons('changed')).toEqual(['stopped']);
    expect(await reasons('begun')).toEqual([]);
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  },
);

test('reload beside a device that is away: its source goes on as gap(device)', async () => {
  const dir = temporaryDirectory();
  const config = join(dir, 'config.yaml');
  const source = (name: string): string =>
    `  - {source: sysfs, stream: s/${name}, rate: 50, channels: [{name: V, path: ${dir}/${name}}]}\n`;
  for (const name of ['away', 'added']) writeFileSync(join(dir, name), '1\n');
  writeFileSync(config, `sources:\n${source('away')}`);
  const run = await startRun(dir, '--config', config);
  unlinkSync(join(dir, 'away'));
  writeFileSync(config, `sources:\n${source('away')}${source('added')}`);
  const report = await helicorderJson<ReloadReport>(['reload', '--data-dir', dir]);
  expect(report).toMatchObject({ started: ['added'], restarted: ['away'] });
  const device = async (): Promise<number> => {
    const status = await helicorderJson<RecorderStatus>(['status', '--data-dir', dir]);
    return Number(status.missed.device);
  };
  await expect.poll(device, { timeout: 100_000 }).toBeGreaterThan(0);
  await stop(run);
});
