/**
 * Followers: readers in processes of their own that wait at the end of a stream.
 *
 * A follower prints what is durable, never more; it ends with exit code 0 when the owner of the
 * store has gone, having printed all of it. An owner that begins within the moment in which the
 * follower still waits is followed as if it were the same; there is no promise that it is.
 */
import { readFileSync, statSync, watch, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Appender } from '../../engine/store/appender.ts';
import {
  helicorder,
  helicorderInto,
  helicorderOut,
  nextOwner,
  type Program,
} from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { checkSamples, parseRecords } from '../support/records.ts';

const LINES = 'test/lines';
const BOX = 'test/box';

const cat = (dir: string, stream: string, ...more: string[]): string[] => [
  ...['stream', 'cat', stream, '--data-dir', dir, ...more],
];
const run = (dir: string, ...more: string[]): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', BOX, '--flush-ms', '20'],
  ...more,
];

/** An owner that appends what it is given. */
async function writerOf(dir: string): Promise<Program> {
  const writer = helicorder(['stream', 'write', LINES, '--data-dir', dir, '--ack']);
  await writer.stdout.next();
  return writer;
}

/** Resolves once something is written into the file. */
function firstChange(file: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(file, () => {
      if (statSync(file).size === 0) return;
      watcher.close();
      resolve();
    });
  });
}

describe('a follower of lines', () => {
  test('prints each once it is durable, in order, and ends when its writer has', async () => {
    const dir = temporaryDirectory();
    const writer = await writerOf(dir);
    writer.write('line 0\n');
    await writer.stdout.next();
    const follower = helicorder(cat(dir, LINES, '--follow'));
    expect(await follower.stdout.next()).toBe('line 0');
    for (let i = 1; i <= 20; i++) {
      writer.write(`line ${i}\n`);
      expect(await follower.stdout.next()).toBe(`line ${i}`);
    }
    writer.endInput('the end\n');
    expect((await writer.ended).code).toBe(0);
    const { code, stdout, stderr } = await follower.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(await helicorderOut(cat(dir, LINES)));
    expect(stdout.endsWith('line 20\nthe end\n')).toBe(true);
  });

  test('--from tail prints only what comes after; --max-events ends it', async () => {
    const dir = temporaryDirectory();
    const writer = await writerOf(dir);
    writer.write('before\n');
    await writer.stdout.next();
    const everything = helicorder(cat(dir, LINES, '--follow', '--max-events', '3'));
    const follower = helicorder(cat(dir, LINES, '--follow', '--from', 'tail', '--max-events', '2'));
    expect(await everything.stdout.next()).toBe('before');
    // the second follower says nothing of when it is ready: lines go on until it has its two
    let count = 0;
    const feeding = setInterval(() => writer.write(`after ${count++}\n`), 20);
    const { code, stdout, stderr } = await follower.ended;
    clearInterval(feeding);
    expect(code, stderr).toBe(0);
    const [first, second, rest] = stdout.split('\n');
    expect(first).toMatch(/^after \d+$/);
    expect(second).toBe(`after ${Number(first!.slice('after '.length)) + 1}`);
    expect(rest).toBe('');
    expect((await everything.ended).stdout).toBe('before\nafter 0\nafter 1\n');
    writer.endInput();
    await writer.ended;
  });

  test('without an owner there is nothing to wait for', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(['stream', 'write', LINES, '--data-dir', dir], 'one\ntwo\n');
    expect(await helicorderOut(cat(dir, LINES, '--follow'))).toBe('one\ntwo\n');
  });

  test('a signal ends it between two events, with exit code 0', async () => {
    const dir = temporaryDirectory();
    const writer = await writerOf(dir);
    writer.write('line\n');
    const follower = helicorder(cat(dir, LINES, '--follow'));
    await follower.stdout.next();
    follower.signal('SIGINT');
    const { code, stdout, stderr } = await follower.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe('line\n');
    writer.endInput();
    expect((await writer.ended).code).toBe(0);
  });
});

describe('a reader of history that prints into a file', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('ends soon at %s, with whole lines', async (signal) => {
    const dir = temporaryDirectory();
    const appender = Appender.open(dir, { stream: LINES, writer: 'w' });
    const event = Buffer.from('{"a":12345,"text":"abcdefghijklmnopqrstuvwxyz"}');
    for (let i = 0; i < 50; i++) await appender.append(Array<Uint8Array>(20_000).fill(event));
    appender.close();
    const file = `${temporaryDirectory()}/lines`;
    writeFileSync(file, '');
    const begun = firstChange(file);
    const reader = helicorderInto(file, cat(dir, LINES, '--format', 'ndjson-records'));
    await begun;
    reader.signal(signal);
    const { code, stderr } = await reader.ended;
    expect(code, stderr).toBe(0);
    const text = readFileSync(file, 'utf8');
    const lines = parseRecords(text.split('\n'));
    expect(text.endsWith('\n')).toBe(true);
    expect(lines.length).toBeLessThan(1_000_000);
    expect(lines.at(-1)?.offset).toBe(String(lines.length - 1));
  });
});

describe('a follower of samples', () => {
  test('prints whole events, the short last one once the run is over', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(run(dir, '--samples-per-event', '100', '--duration', '50ms'));
    const owner = nextOwner(dir);
    const recorder = helicorder(run(dir));
    await owner;
    const follower = helicorder(cat(dir, BOX, '--follow'));
    for (let events = 0; events < 6; events++) await follower.stdout.next();
    recorder.signal('SIGTERM');
    const ended = await recorder.ended;
    expect(ended.code, ended.stderr).toBe(0);
    const { code, stdout, stderr } = await follower.ended;
    expect(code, stderr).toBe(0);
    const lengths = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { Ch0: number[] }).Ch0.length);
    // however long the first run was: only its last one may be short, and the last of all
    const short = lengths.slice(0, -1).filter((length) => length !== 100);
    expect(short.length, lengths.join()).toBeLessThanOrEqual(1);
    expect(stdout).toBe(await helicorderOut(cat(dir, BOX)));
  });

  test('a recorder killed and started again: what was printed is what is there', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(run(dir, '--duration', '50ms'));
    const owner = nextOwner(dir);
    const recorder = helicorder(run(dir));
    await owner;
    const follower = helicorder(cat(dir, BOX, '--follow', '--format', 'ndjson-records'));
    for (let records = 0; records < 100; records++) await follower.stdout.next();
    const nextOne = nextOwner(dir);
    recorder.signal('SIGKILL');
    const successor = helicorder(run(dir));
    await nextOne;
    successor.signal('SIGTERM');
    await successor.ended;
    const { code, stdout, stderr } = await follower.ended;
    expect(code, stderr).toBe(0);
    const all = await helicorderOut(cat(dir, BOX, '--format', 'ndjson-records'));
    expect(all.startsWith(stdout)).toBe(true);
    checkSamples(parseRecords(all.split('\n')));
  });
});
