/**
 * The kernel kills a recorder that has more memory than its control group may have; it is begun
 * anew, as a service manager does it. Everything acknowledged is there, once.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { REPOSITORY, Program, helicorder, helicorderJson } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { canLimitMemory, memoryGroup } from '../support/memory-limit.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { skipLoudly } from '../support/skip.ts';
import { recordLines } from '../support/stores.ts';

const STREAM = 'memory/box';
const LOOK_AGAIN_MS = 20;
const LIVES = process.env['HELICORDER_SOAK'] ? 20 : 2;

const testOnLimit = skipLoudly(!canLimitMemory, 'out of memory: no control group to limit');

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', STREAM],
  ...['--flush-ms', '20', '--json'],
];
const samplesOf = (line: string): number => Number((JSON.parse(line) as RecorderStatus).samples);

/** Until the kernel kills it. @returns records that were readable, so acknowledged, before */
async function killedLife(dir: string): Promise<string[]> {
  const group = memoryGroup();
  const [command, ...enter] = group.entered;
  const program = [process.execPath, join(REPOSITORY, 'dist/cli/main.js')];
  const run = new Program(command!, [...enter, ...program, ...recorder(dir)]);
  await run.stdout.next((line) => samplesOf(line) >= 500);
  const acknowledged = await recordLines(dir, STREAM, 0);
  let isOver = false;
  const ended = run.ended.finally(() => (isOver = true));
  while (!isOver) {
    group.tighten();
    await Promise.race([ended, sleep(LOOK_AGAIN_MS)]);
  }
  const { signal, stderr } = await ended;
  expect(signal, stderr).toBe('SIGKILL');
  expect(group.kills(), 'killed by the kernel, for its memory').toBeGreaterThan(0);
  count('kills');
  return acknowledged;
}

testOnLimit('a recorder killed for its memory loses nothing that was acknowledged', async () => {
  const dir = temporaryDirectory();
  for (let life = 0; life < LIVES; life++) {
    const acknowledged = await killedLife(dir);
    const ended = await helicorder([...recorder(dir), '--duration', '200ms']).ended;
    expect(ended.code, ended.stderr).toBe(0);
    const lines = await recordLines(dir, STREAM, 0);
    expect(lines.slice(0, acknowledged.length)).toEqual(acknowledged);
    const { samples, gapTicks, scheduled } = checkSamples(parseRecords(lines));
    expect(samples + gapTicks).toBe(scheduled);
  }
  const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
  expect(report).toMatchObject({ ok: true, damage: [] });
});
