/** SIGTERM and SIGINT: what was sampled is durable, and the next start knows that it was an end. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { checkSamples, parseRecords, type RecordLine } from '../support/records.ts';

const STREAM = 'stop/box';

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', STREAM],
  ...['--flush-ms', '20', '--json'],
];

/** A recorder that has samples. */
async function recording(dir: string): Promise<Program> {
  const run = helicorder(recorder(dir));
  await run.stdout.next((line) => Number((JSON.parse(line) as RecorderStatus).samples) > 0);
  return run;
}

async function recordsOf(dir: string): Promise<RecordLine[]> {
  const words = ['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'];
  return parseRecords((await helicorderOut(words)).split('\n'));
}

function newestSegment(dir: string): Buffer {
  const log = join(dir, 'log');
  const segments = readdirSync(log).filter((name) => /^\d{20}\.seg$/.test(name));
  return readFileSync(join(log, segments.sort().at(-1)!));
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('drains, ends the run, closes the store, prints a summary and exits 0', async () => {
    const dir = temporaryDirectory();
    const run = await recording(dir);
    run.signal(signal);
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/stopped cleanly .*\d+ samples of \d+ ticks scheduled/);
    expect(newestSegment(dir).includes('"reason":"SIG')).toBe(true);
    const [, samples] = /(\d+) samples/.exec(stderr)!;
    const account = checkSamples(await recordsOf(dir));
    expect(account.samples).toBe(Number(samples));
  });

  test('the next start counts the time between as gap(stopped), in ticks', async () => {
    const dir = temporaryDirectory();
    for (let life = 0; life < 2; life++) {
      const run = await recording(dir);
      run.signal(signal);
      expect((await run.ended).code).toBe(0);
    }
    const account = checkSamples(await recordsOf(dir));
    expect(account.epochs).toHaveLength(2);
    expect(account.between.map(({ reason }) => reason)).toEqual(['stopped']);
    expect(Number(account.between[0]!.ticks)).toBeGreaterThan(0);
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report.ok).toBe(true);
    const [stream] = report.streams;
    expect(Number(stream!.ticksScheduled)).toBe(account.scheduled);
    expect(Number(stream!.samples)).toBe(account.samples);
  });

  test('twice within a millisecond, as npm sends Ctrl-C, is once', async () => {
    const dir = temporaryDirectory();
    const run = await recording(dir);
    run.signal(signal);
    run.signal(signal);
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('stopped cleanly');
  });
});

test('a later signal ends a recorder that cannot drain and loses nothing accepted', async () => {
  const dir = temporaryDirectory();
  mkdirSync(dir, { recursive: true });
  const run = await recording(dir);
  const words = ['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'];
  const accepted = (await helicorderOut(words)).split('\n').slice(0, -1);
  expect(accepted.length).toBeGreaterThan(0);
  run.signal('SIGTERM');
  run.signal('SIGTERM');
  await run.ended;
  const kept = (await helicorderOut(words)).split('\n').slice(0, accepted.length);
  expect(kept).toEqual(accepted);
});
