/**
 * What a recorder has to endure besides crashes: being stopped, a wall clock that jumps, a tenth of
 * a processor, a reader that has fallen asleep. All of it costs at most ticks that are counted.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { NANOS_PER_SECOND } from '../../engine/base/constants.ts';
import { KEEP_ALL } from '../../engine/base/retention.ts';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, type Program, type ProgramOptions } from '../support/cli.ts';
import { canLimitCpu, limitCpu } from '../support/cpu-quota.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { denseLine } from '../support/pen.ts';
import { checkSamples, parseRecords, type RecordLine } from '../support/records.ts';
import { upkeepToTheEnd } from '../support/sealing.ts';
import { segmentNumbers } from '../support/segments.ts';
import { buildShim, canShim } from '../support/shims.ts';
import { skipLoudly } from '../support/skip.ts';
import { beginEvents, openWriter, recordLines } from '../support/stores.ts';

const STREAM = 'endure/box';
/** 150 of them fill more than four segments of 1 MiB. */
const line = denseLine(25_000);
const isSoak = process.env['HELICORDER_SOAK'] !== undefined;
const STOPPED_SECONDS = isSoak ? 30 : 5;
const CPU_SHARE = 0.1;
const LIMITED_SECONDS = isSoak ? 30 : 5;
const YEAR_SECONDS = 365 * 24 * 3600;
const HOUR_SECONDS = 3600;

const testOnClock = skipLoudly(!canShim, 'steps of the clock: there is no C compiler (cc)');
const testOnQuota = skipLoudly(!canLimitCpu, 'a tenth of a processor: no control group to limit');

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', STREAM],
  ...['--flush-ms', '20', '--json'],
];

const uptimeOf = (line: string): number => (JSON.parse(line) as RecorderStatus).uptimeSeconds;
const samplesOf = (line: string): number => Number((JSON.parse(line) as RecorderStatus).samples);

/** A recorder that has samples. */
async function recording(
  dir: string,
  options: ProgramOptions = {},
  ...more: string[]
): Promise<Program> {
  const run = helicorder([...recorder(dir), ...more], options);
  await moreSamples(run, 200);
  return run;
}

/** Until it has so many samples more than it said last. */
async function moreSamples(run: Program, count: number): Promise<void> {
  const last = run.stdout.all.at(-1);
  const wanted = (last === undefined ? 0 : samplesOf(last)) + count;
  await run.stdout.next((line) => samplesOf(line) >= wanted);
}

/** Ends it and holds all it has recorded against the invariants. @returns the records */
async function checkedRecords(run: Program, dir: string): Promise<RecordLine[]> {
  run.signal('SIGTERM');
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  const records = parseRecords(await recordLines(dir, STREAM, 0));
  const { samples, gapTicks, scheduled } = checkSamples(records);
  expect(samples + gapTicks).toBe(scheduled);
  const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
  expect(report).toMatchObject({ ok: true, damage: [] });
  return records;
}

const gapsOf = (records: readonly RecordLine[]): RecordLine[] =>
  records.filter(({ type }) => type === 'gap');

test(`SIGSTOP for ${STOPPED_SECONDS} s costs the ticks of that time, and all are counted`, async () => {
  const dir = temporaryDirectory();
  const run = await recording(dir);
  run.signal('SIGSTOP');
  await sleep(STOPPED_SECONDS * 1000);
  run.signal('SIGCONT');
  await moreSamples(run, 500);
  const gaps = gapsOf(await checkedRecords(run, dir));
  const longest = Math.max(...gaps.map(({ ticks }) => Number(ticks)));
  expect(longest, 'one gap as long as the stop').toBeGreaterThan(STOPPED_SECONDS * 1000 - 100);
  const reasons = new Set(gaps.map(({ reason }) => reason));
  expect([...reasons].filter((reason) => !['late', 'overflow'].includes(reason))).toEqual([]);
});

/** A recorder whose wall clock a test sets; its monotonic clock is left alone. */
async function onMovedClock(
  dir: string,
): Promise<{ run: Program; setOffset: (seconds: number) => void }> {
  const work = temporaryDirectory();
  const file = join(work, 'offset');
  const setOffset = (seconds: number): void => {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(seconds)).buffer);
    writeFileSync(file, bytes, { flag: existsSync(file) ? 'r+' : 'w' });
  };
  setOffset(0);
  const env = { LD_PRELOAD: buildShim('clock-shim', work), CLOCK_SHIM_FILE: file };
  return { run: await recording(dir, { env }), setOffset };
}

const secondsOf = ({ timestampNanos }: RecordLine): number =>
  Number(BigInt(timestampNanos) / BigInt(NANOS_PER_SECOND));

testOnClock(
  'a wall clock that jumps a year ahead and an hour back loses, repeats and reorders nothing',
  async () => {
    const dir = temporaryDirectory();
    const { run, setOffset } = await onMovedClock(dir);
    setOffset(YEAR_SECONDS);
    await moreSamples(run, 500);
    setOffset(-HOUR_SECONDS);
    await moreSamples(run, 500);
    const records = await checkedRecords(run, dir);
    const times = records.filter(({ type }) => type === 'sample').map(secondsOf);
    const now = times[0]!;
    expect(Math.max(...times) - now, 'the year ahead').toBeGreaterThan(YEAR_SECONDS - 60);
    expect(now - times.at(-1)!, 'the hour back').toBeGreaterThan(HOUR_SECONDS - 60);
    // the clock is of no account for the schedule
    const reasons = new Set(gapsOf(records).map(({ reason }) => reason));
    expect([...reasons].filter((reason) => reason !== 'late')).toEqual([]);
  },
);

testOnQuota('with a tenth of a processor every tick is sampled or counted', async () => {
  const dir = temporaryDirectory();
  // real-time threads are not what a quota limits
  const run = await recording(dir, {}, '--realtime', 'off');
  limitCpu(run.child.pid!, CPU_SHARE);
  const since = uptimeOf(run.stdout.all.at(-1)!);
  await run.stdout.next((line) => uptimeOf(line) > since + LIMITED_SECONDS);
  const before = samplesOf(run.stdout.all.at(-1)!);
  await run.stdout.next((line) => samplesOf(line) > before);
  await checkedRecords(run, dir);
});

test('a reader that has fallen asleep keeps nobody from sealing and letting go', async () => {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const pen = beginEvents(writer, 'endure/lines');
  let lines = 0;
  const append = (count: number): void => {
    for (let i = 0; i < count; i++) writer.appendEvents(pen, [Buffer.from(line(lines++))]);
  };
  append(10);
  const words = ['stream', 'cat', 'endure/lines', '--data-dir', dir, '--follow'];
  const reader = helicorder([...words, '--format', 'ndjson-records']);
  await reader.stdout.next(({ length }) => length > 0);
  reader.signal('SIGSTOP');
  for (let round = 0; round < 3; round++) {
    append(150);
    await upkeepToTheEnd(writer, undefined, [{ ...KEEP_ALL, bytes: 1 }]);
    expect(segmentNumbers(dir), 'the log is recycled').toHaveLength(1);
  }
  const lowWater = writer.state.lowWaterOf(pen.stream.id);
  expect(lowWater, 'what it stood at is let go of').toBeGreaterThan(400);

  reader.signal('SIGCONT');
  append(10);
  writer.close();
  const { code, stderr } = await reader.ended;
  expect(code, stderr).toBe(0);
  const records = parseRecords(reader.stdout.all);
  let next = 0;
  for (const { offset, type, reason, data, records: count = '1' } of records) {
    expect(Number(offset)).toBe(next);
    if (type === 'event') expect(data === line(next), `line ${next}`).toBe(true);
    else expect(reason).toBe('retired');
    next += Number(count);
  }
  expect(next).toBe(lines);
  expect(records.filter(({ type }) => type === 'gap').length).toBeGreaterThan(0);
});
