/**
 * Resident memory of a recorder that has run for a while stays what it is: a recorder runs for
 * months. The kernel's figure (VmRSS), against that of the same process ten minutes before.
 */
import { expect } from 'vitest';
import { defined } from '../../engine/base/assert.ts';
import { processRssMib } from '../../bench/machine.ts';
import { median } from '../../bench/stats.ts';
import type { RecorderStatus } from '../../engine/tools/types.ts';
import { helicorder } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { skipLoudly } from '../support/skip.ts';

const SECONDS = 18 * 60;
/**
 * Until then it grows, by 20 to 30 MiB behind the second minute: V8 and the allocator take what
 * sealing needs, once a segment, and keep some of it. What comes then is what is held flat.
 */
const WARM_SECONDS = 8 * 60;
/** Two segments are sealed meanwhile, by a thread that takes 10 to 30 MiB and goes: a median. */
const WINDOW_SECONDS = 2 * 60;
const GROWTH_MAX_MIB = 8;
const GRACE_MS = 60_000;

interface Reading {
  seconds: number;
  rssMib: number;
}

const testOverMinutes = skipLoudly(
  process.env['HELICORDER_SOAK'] === undefined,
  'takes 18 minutes: only with HELICORDER_SOAK=1 (npm run test:soak)',
);

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--count', '32', '--rate', '1000'],
  ...['--duration', `${SECONDS}s`, '--json'],
];

function medianBetween(readings: readonly Reading[], from: number, to: number): number {
  const inside = readings.filter(({ seconds }) => seconds >= from && seconds < to);
  defined(inside[0], `a reading between ${from} and ${to} s`);
  return median(inside.map(({ rssMib }) => rssMib));
}

testOverMinutes(
  `memory of 32 sources at 1 kHz grows by at most ${GROWTH_MAX_MIB} MiB in ten minutes`,
  async () => {
    const run = helicorder(recorder(temporaryDirectory()), { lifeMs: SECONDS * 1000 + GRACE_MS });
    const readings: Reading[] = [];
    // it says each second how long it has been running: that is the clock, as it is of its life
    for (let seconds = 0; seconds < SECONDS - 2;) {
      seconds = (JSON.parse(await run.stdout.next()) as RecorderStatus).uptimeSeconds;
      const rssMib = defined(processRssMib(run.child.pid!), 'its memory');
      readings.push({ seconds, rssMib });
    }
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);

    const early = medianBetween(readings, WARM_SECONDS, WARM_SECONDS + WINDOW_SECONDS);
    const late = medianBetween(readings, SECONDS - WINDOW_SECONDS, SECONDS);
    const minutes = readings.filter(({ seconds }, i) => {
      return Math.floor(seconds / 60) !== Math.floor((readings[i - 1]?.seconds ?? 0) / 60);
    });
    const course = minutes.map(({ rssMib }) => rssMib.toFixed(1)).join(', ');
    const figures = `${early.toFixed(1)} → ${late.toFixed(1)} MiB (each minute: ${course})`;
    process.stdout.write(`resident memory of 32 sources over ten minutes: ${figures}\n`);
    expect(late - early, figures).toBeLessThanOrEqual(GROWTH_MAX_MIB);
  },
  SECONDS * 1000 + 2 * GRACE_MS,
);
