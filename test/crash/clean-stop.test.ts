/**
 * SIGTERM, SIGINT, a terminal that is closed: what was sampled is durable, and the next start knows
 * it was an end.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { SIGNAL_REPEAT_MS } from '../../engine/base/constants.ts';
import { Store } from '../../engine/store/store.ts';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { MAIN, helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { canFreeze, freezableDisk } from '../support/freezer.ts';
import { checkSamples, parseRecords, type RecordLine } from '../support/records.ts';
import { skipLoudly } from '../support/skip.ts';

const STREAM = 'stop/box';
/** Longer than a ring of 1 kHz holds, by the recorder's own clock. */
const RING_SECONDS = 5;
const testOnFreezer = skipLoudly(!canFreeze, 'a disk that stalls: only root may freeze one');

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
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as RecorderStatus;
    expect(last.state, 'the last line has the final counts').toBe('stopped');
    expect(stderr).toMatch(/stopped cleanly .*\d+ samples of \d+ ticks scheduled/);
    const { state } = Store.open(dir).reader;
    expect(state.clean, 'the log ends with a shutdown entry').toBe(true);
    expect([...state.runs.values()].map(({ endReason }) => endReason)).toEqual(['stopped']);
    const [, samples] = /(\d+) samples/.exec(stderr)!;
    expect(last.samples).toBe(samples);
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
});

/** Begins a program on a terminal, closes that once it has printed, and prints how it has ended. */
const ON_A_TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'records of' not in seen and b'samples' not in seen: seen += os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

test('a terminal that is closed: it drains, ends the run and exits 0', async () => {
  const dir = temporaryDirectory();
  const words = ['-c', ON_A_TERMINAL, process.execPath, MAIN, ...recorder(dir)];
  const { stdout } = await promisify(execFile)('python3', words);
  expect(stdout).toBe('0\n');
  expect(Store.open(dir).reader.state.clean).toBe(true);
});

test('SIGHUP without a terminal reads the configuration again', async () => {
  const dir = temporaryDirectory();
  const file = join(dir, 'run.yaml');
  const sources = `sources:\n  - {source: synthetic, stream: ${STREAM}}\n`;
  writeFileSync(file, `${sources}store: {flush: 20ms}\n`);
  const run = helicorder(['run', '--config', file, '--data-dir', join(dir, 'store'), '--json']);
  await run.stdout.next((line) => samplesOf(line) > 0);
  writeFileSync(file, `${sources}store: {flush: 30ms}\n`);
  run.signal('SIGHUP');
  await run.stderr.next((line) => line === 'helicorder: reload: changed store.flush');
  writeFileSync(file, `${sources}store: {flush: 30}\n`);
  run.signal('SIGHUP');
  await run.stderr.next((line) => /^helicorder: reload: .*run.yaml:3: store.flush/.test(line));
  const before = samplesOf(run.stdout.all.at(-1)!);
  await run.stdout.next((line) => samplesOf(line) > before);
  run.signal('SIGTERM');
  expect((await run.ended).code).toBe(0);
});

test('SIGINT twice within a millisecond, as npm sends Ctrl-C, is once', async () => {
  const dir = temporaryDirectory();
  const run = await recording(dir);
  run.signal('SIGINT');
  run.signal('SIGINT');
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('stopped cleanly');
});

testOnFreezer(
  'a second signal ends a recorder that cannot drain; accepted data stays',
  async () => {
    const disk = freezableDisk();
    const dir = join(disk.dir, 'store');
    const run = await recording(dir);
    const words = ['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'];
    const accepted = (await helicorderOut(words)).split('\n').slice(0, -1);
    expect(accepted.length).toBeGreaterThan(0);

    disk.freeze();
    run.signal('SIGTERM');
    // the one thing here that is a time by its nature: sooner, it would be the same signal
    await sleep(2 * SIGNAL_REPEAT_MS);
    run.signal('SIGTERM');
    disk.thaw();
    const { code, signal, stderr } = await run.ended;
    expect([code, signal], stderr).toEqual([143, null]);
    const kept = (await helicorderOut(words)).split('\n').slice(0, accepted.length);
    expect(kept).toEqual(accepted);
  },
);

testOnFreezer(
  'a disk that stalls: the ring holds on, what it cannot is gap(overflow)',
  async () => {
    const disk = freezableDisk();
    const dir = join(disk.dir, 'store');
    const run = await recording(dir);
    disk.freeze();
    const uptime = (line: string): number => (JSON.parse(line) as RecorderStatus).uptimeSeconds;
    const since = uptime(run.stdout.all.at(-1)!);
    await run.stdout.next((line) => uptime(line) > since + RING_SECONDS);
    disk.thaw();
    await run.stdout.next((line) => samplesOf(line) > 2000);
    run.signal('SIGTERM');
    expect((await run.ended).code).toBe(0);
    const records = await recordsOf(dir);
    const { samples, gapTicks, scheduled } = checkSamples(records);
    expect(samples + gapTicks).toBe(scheduled);
    const reasons = records.filter(({ type }) => type === 'gap').map(({ reason }) => reason);
    expect(reasons).toContain('overflow');
    expect(reasons).not.toContain('full');
    expect(await helicorderJson(['verify', '--data-dir', dir])).toMatchObject({ ok: true });
  },
);

function samplesOf(status: string): number {
  return Number((JSON.parse(status) as RecorderStatus).samples);
}
