/** Opaque events: what goes in by lines, frames and files comes out byte for byte. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EVENT_MAX_BYTES } from '../../engine/base/constants.ts';
import type { StreamInfo } from '../../engine/tools/types.ts';
import {
  helicorder,
  helicorderInto,
  helicorderJson,
  helicorderOut,
  helicorderRun,
  Program,
} from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { parseRecords } from '../support/records.ts';

const STREAM = 'test/events';
const write = (dir: string, ...more: string[]): string[] => [
  ...['stream', 'write', STREAM, '--data-dir', dir, ...more],
];
const cat = (dir: string, ...more: string[]): string[] => [
  ...['stream', 'cat', STREAM, '--data-dir', dir, ...more],
];

/** Length before content, 32 bits, little-endian. */
function framed(blobs: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    blobs.flatMap((blob) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(blob.length);
      return [length, blob];
    }),
  );
}

describe('lines', () => {
  test('each line is an event without its line feed: empty ones, a last open one too', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(write(dir), 'one\n\ntwo\r\n\tthree ü\nopen');
    const records = parseRecords(
      (await helicorderOut(cat(dir, '--format', 'ndjson-records'))).split('\n'),
    );
    expect(records.map(({ data }) => data)).toEqual(['one', '', 'two\r', '\tthree ü', 'open']);
    expect(records.map(({ seq }) => seq)).toEqual(['1', '2', '3', '4', '5']);
    expect(records.map(({ type, writer }) => [type, writer])).toEqual(
      Array(5).fill(['event', 'stdin']),
    );
    expect(await helicorderOut(cat(dir))).toBe('one\n\ntwo\r\n\tthree ü\nopen\n');
  });

  test('an empty input is no event', async () => {
    const dir = temporaryDirectory();
    const acknowledgements = await helicorderOut(write(dir, '--ack'));
    expect(JSON.parse(acknowledgements)).toEqual({
      writer: 'stdin',
      epoch: expect.stringMatching(/^\d+$/) as string,
      lastSeq: '0',
    });
    expect(await helicorderOut(cat(dir))).toBe('');
    const info = await helicorderJson<StreamInfo>([
      'stream',
      'info',
      STREAM,
      '--data-dir',
      dir,
      '--json',
    ]);
    const { epoch } = JSON.parse(acknowledgements) as { epoch: string };
    expect(info.writers, 'it was opened once').toEqual([{ id: 'stdin', epoch, lastSeq: '0' }]);
  });

  test('two writers number their events apart, in one stream', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(write(dir, '--writer', 'left'), 'l1\nl2\n');
    await helicorderOut(write(dir, '--writer', 'right'), 'r1\n');
    const again = await helicorderOut(write(dir, '--writer', 'left', '--ack'), 'l3\n');
    const [opened, acknowledged] = again
      .split('\n')
      .map((line) => line && (JSON.parse(line) as object));
    expect(opened).toMatchObject({ writer: 'left', lastSeq: '2' });
    expect(acknowledged).toEqual({ seq: '3', offset: '3' });
    expect(await helicorderOut(cat(dir))).toBe('l1\nl2\nr1\nl3\n');
    const info = await helicorderJson<StreamInfo>(['stream', 'info', STREAM, '--data-dir', dir]);
    expect(info.writers.map(({ id, lastSeq }) => [id, lastSeq]).sort()).toEqual([
      ['left', '3'],
      ['right', '1'],
    ]);
    const epochs = parseRecords(
      (await helicorderOut(cat(dir, '--format', 'ndjson-records'))).split('\n'),
    ).map(({ epoch }) => Number(epoch));
    expect(epochs[3]).toBeGreaterThan(epochs[0]!);
  });
});

describe('frames', () => {
  test('any bytes go through length32 unchanged', async () => {
    const dir = temporaryDirectory();
    const random = new SeededRandom(SEED);
    const blobs = [0, 1, 4, 255, 4096, 70_000].map((length) => random.bytes(length));
    await helicorderRun(write(dir, '--framing', 'length32'), framed(blobs));
    const { stdoutBytes, code } = await helicorderRun(cat(dir, '--delimiter', ''));
    expect(code).toBe(0);
    expect(Buffer.compare(stdoutBytes, Buffer.concat(blobs)), `HELICORDER_SEED=${SEED}`).toBe(0);
    const lines = (await helicorderOut(cat(dir, '--format', 'ndjson-records'))).split('\n');
    expect(parseRecords(lines)).toHaveLength(blobs.length);
  });

  test('an input that ends within a frame: exit 64, the whole ones are kept', async () => {
    const dir = temporaryDirectory();
    const input = framed([Buffer.from('whole'), Buffer.from('cut')]).subarray(0, -1);
    const { code, stderr } = await helicorderRun(write(dir, '--framing', 'length32'), input);
    expect(code, stderr).toBe(64);
    expect(stderr).toContain('within a frame');
    expect(await helicorderOut(cat(dir))).toBe('whole\n');
  });

  test('a length beyond the limit is refused before a byte of it is read', async () => {
    const dir = temporaryDirectory();
    const frame = Buffer.alloc(4);
    frame.writeUInt32LE(0xffff_ffff);
    const input = Buffer.concat([framed([Buffer.from('before')]), frame]);
    const { code, stderr } = await helicorderRun(write(dir, '--framing', 'length32'), input);
    expect(code, stderr).toBe(64);
    expect(stderr).toContain(String(EVENT_MAX_BYTES));
    expect(await helicorderOut(cat(dir))).toBe('before\n');
  });
});

test('--file: the whole file is one event', async () => {
  const dir = temporaryDirectory();
  const file = join(temporaryDirectory(), 'picture');
  const content = new SeededRandom(SEED).bytes(200_000);
  writeFileSync(file, content);
  const acknowledgements = await helicorderOut(write(dir, '--file', file, '--ack'));
  expect(acknowledgements.split('\n')[1]).toBe('{"seq":"1","offset":"0"}');
  const { stdoutBytes } = await helicorderRun(cat(dir, '--delimiter', ''));
  expect(Buffer.compare(stdoutBytes, readFileSync(file)), `HELICORDER_SEED=${SEED}`).toBe(0);

  for (const unreadable of [`${file}s`, dir]) {
    const { code, stderr } = await helicorderRun(write(dir, '--file', unreadable));
    expect(code, stderr).toBe(64);
    expect(stderr).toContain(unreadable);
  }
});

test('--file: a FIFO, with or without a writer, is refused by what to do instead', async () => {
  const dir = temporaryDirectory();
  const fifo = join(temporaryDirectory(), 'fifo');
  await new Program('mkfifo', [fifo]).ended;
  const isRefused = async (): Promise<void> => {
    const { code, stderr } = await helicorderRun(write(dir, '--file', fifo));
    expect(code, stderr).toBe(64);
    expect(stderr).toContain(`--file ${fifo} cannot be read: it is a pipe`);
    expect(stderr).toContain('standard input');
  };
  await isRefused();
  const feeder = new Program('sh', ['-c', 'exec 3<>"$0"; echo a line >&3; echo; cat', fifo]);
  await feeder.stdout.next();
  await isRefused();
});

describe('the largest event', () => {
  test('8 MiB is taken, a byte more refused with exit 64; what came before stays', async () => {
    const dir = temporaryDirectory();
    const noise = new SeededRandom(SEED).bytes(65_536);
    const largest = Buffer.alloc(EVENT_MAX_BYTES, noise);
    const tooLarge = new Uint8Array(EVENT_MAX_BYTES + 1);
    const input = framed([Buffer.from('first'), largest, Buffer.from('third'), tooLarge]);
    const { code, stdout, stderr } = await helicorderRun(
      write(dir, '--framing', 'length32', '--ack'),
      input,
    );
    expect(code, stderr).toBe(64);
    expect(stderr).toContain(String(EVENT_MAX_BYTES + 1));
    expect(stdout.split('\n').slice(1, -1)).toEqual(
      [0, 1, 2].map((i) => `{"seq":"${i + 1}","offset":"${i}"}`),
    );
    const { stdoutBytes } = await helicorderRun(
      cat(dir, '--from', '1', '--to', '2', '--delimiter', ''),
    );
    expect(Buffer.compare(stdoutBytes, largest), `HELICORDER_SEED=${SEED}`).toBe(0);
    expect(await helicorderOut(cat(dir, '--from', '2'))).toBe('third\n');
    expect(await helicorderJson(['verify', '--data-dir', dir])).toMatchObject({ ok: true });
  });

  test('a line without an end is refused once it is too long, not when memory ends', async () => {
    const dir = temporaryDirectory();
    const writer = helicorder(write(dir));
    writer.write('kept\n');
    writer.write(new Uint8Array(EVENT_MAX_BYTES + 65_536).fill(0x61));
    const { code, stderr } = await writer.ended;
    expect(code, stderr).toBe(64);
    expect(await helicorderOut(cat(dir))).toBe('kept\n');
  });
});

describe('cat of opaque events', () => {
  async function tenEvents(): Promise<string> {
    const dir = temporaryDirectory();
    const input = Array.from({ length: 10 }, (_, i) => `event ${i}\n`).join('');
    await helicorderOut(write(dir), input);
    return dir;
  }
  const lines = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => `event ${from + i}\n`).join('');

  test('--from, --to and --max-events cut exactly', async () => {
    const dir = await tenEvents();
    expect(await helicorderOut(cat(dir, '--from', '3', '--to', '6'))).toBe(lines(3, 6));
    expect(await helicorderOut(cat(dir, '--from', '3', '--max-events', '2'))).toBe(lines(3, 5));
    expect(await helicorderOut(cat(dir, '--max-events', '0'))).toBe('');
    expect(await helicorderOut(cat(dir, '--from', '10'))).toBe('');
    expect(await helicorderOut(cat(dir, '--from', 'tail'))).toBe('');
    expect(await helicorderOut(cat(dir, '--from', 'start', '--to', '1'))).toBe(lines(0, 1));
    const records = await helicorderOut(
      cat(dir, '--format', 'ndjson-records', '--from', '4', '--to', '6'),
    );
    expect(parseRecords(records.split('\n')).map(({ offset }) => offset)).toEqual(['4', '5']);
    const two = await helicorderOut(
      cat(dir, '--format', 'ndjson-records', '--from', '4', '--max-events', '2'),
    );
    expect(two).toBe(records);
  });

  test('--delimiter stands behind each event', async () => {
    const dir = await tenEvents();
    expect(await helicorderOut(cat(dir, '--to', '2', '--delimiter', '\\0'))).toBe(
      'event 0\0event 1\0',
    );
    expect(await helicorderOut(cat(dir, '--to', '2', '--delimiter', ', '))).toBe(
      'event 0, event 1, ',
    );
  });

  test('what has no columns is neither JSON events nor CSV: exit 64', async () => {
    const dir = await tenEvents();
    for (const format of ['json', 'csv']) {
      const { code, stdout, stderr } = await helicorderRun(cat(dir, '--format', format));
      expect(code, stderr).toBe(64);
      expect(stderr).toContain('raw');
      expect(stdout).toBe('');
    }
  });

  test('a format or place that does not exist: exit 64 and what there is', async () => {
    const dir = await tenEvents();
    const format = await helicorderRun(cat(dir, '--format', 'jsno'));
    expect(format.code).toBe(64);
    expect(format.stderr).toContain('ndjson-records');
    const place = await helicorderRun(cat(dir, '--from', 'middle'));
    expect(place.code).toBe(64);
    expect(place.stderr).toMatch(/offset, start or tail/);
  });
});

test('a reader that goes away ends cat quietly', async () => {
  const dir = temporaryDirectory();
  await helicorderOut(write(dir), `${'x'.repeat(1000)}\n`.repeat(5000));
  const reader = helicorder(cat(dir));
  await reader.stdout.next();
  reader.child.stdout!.destroy();
  const { code, stderr } = await reader.ended;
  expect(code, stderr).toBe(0);
  expect(stderr).toBe('');
});

test.each([
  ['the version', ['--version']],
  ['help', ['stream', 'ls', '--help']],
])('%s that a full disk does not take exits 74', async (_, words) => {
  const { code, stderr } = await helicorderInto('/dev/full', words).ended;
  expect(code, stderr).toBe(74);
  expect(stderr).toContain('standard output cannot be written: ENOSPC');
});
