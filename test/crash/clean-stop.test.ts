/** SIGTERM and SIGINT: what was sampled is durable, and the next start knows that it was an end. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SIGNAL_REPEAT_MS } from '../../engine/base/constants.ts';
import { Store } from '../../engine/store/store.ts';
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

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('drains, ends the run, closes the store, prints a summary and exits 0', async () => {
    const dir = temporaryDirectory();
    const run = await recording(dir);
    run.signal(signal);
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/stopped cleanly .*\d+ samples of \d+ ticks scheduled/);
    const { state } = Store.open(dir).reader;
    expect(state.clean, 'the log ends with a shutdown entry').toBe(true);
    expect([...state.runs.values()].map(({ endReason }) => endReason)).toEqual(['stopped']);
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

/** A device whose driver does not come back from a read: a pipe into which nobody writes. */
async function stuckRecording(dir: string): Promise<Program> {
  const pipe = join(dir, 'device');
  execFileSync('mkfifo', [pipe]);
  // open for reading and writing, so that nobody waits for the other end; one reading to begin with
  const end = openSync(pipe, 'r+');
  onTestFinished(() => closeSync(end));
  writeSync(end, '1\n');
  const config = join(dir, 'stuck.yaml');
  const channels = `[{name: X, path: ${pipe}}]`;
  writeFileSync(
    config,
    `sources:\n  - {source: synthetic, stream: ${STREAM}}\n` +
      `  - {source: sysfs, stream: stop/stuck, channels: ${channels}}\n`,
  );
  const run = helicorder(['run', '--config', config, '--data-dir', dir, '--json']);
  await run.stdout.next((line) => Number((JSON.parse(line) as RecorderStatus).samples) > 0);
  return run;
}

test('a later second signal ends a recorder that cannot drain; the accepted stays', async () => {
  const dir = temporaryDirectory();
  const run = await stuckRecording(dir);
  const words = ['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'];
  const accepted = (await helicorderOut(words)).split('\n').slice(0, -1);
  expect(accepted.length).toBeGreaterThan(0);

  run.signal('SIGTERM');
  await sleep(2 * SIGNAL_REPEAT_MS);
  run.signal('SIGTERM');
  const { code, signal, stderr } = await run.ended;
  expect([code, signal], stderr).toEqual([143, null]);
  const kept = (await helicorderOut(words)).split('\n').slice(0, accepted.length);
  expect(kept).toEqual(accepted);
});
