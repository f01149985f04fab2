/**
 * A recorder killed −9 at random moments, again and again over one store.
 *
 * The oracle stands outside: a follower in a process of its own prints records as they become
 * durable. What it had printed when the recorder died was accepted and must be there for ever.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderOut, nextOwner } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { recordLines } from '../support/stores.ts';

const STREAMS = ['crash/box-0', 'crash/box-1', 'crash/box-2'];
const ROUNDS = repeats(100);
/** In about this time a recorder has started: moments are chosen from it. */
const START_MS = 600;

const recordsOf = (dir: string, stream: string, from: number): string[] => [
  ...['stream', 'cat', stream, '--data-dir', dir, '--format', 'ndjson-records'],
  ...['--from', String(from)],
];

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--count', '3'],
  ...['--stream', 'crash/box', '--flush-ms', '10', '--quiet'],
];

/** Records until a moment that nobody chose. @returns what a follower of `stream` saw by then */
async function recordAndKill(
  dir: string,
  stream: string,
  from: number,
  random: SeededRandom,
): Promise<string[]> {
  if (random.below(5) === 0) {
    // also while it starts, when there is nothing to follow yet
    const run = helicorder(recorder(dir));
    await sleep(random.next() * START_MS);
    await run.kill();
    return [];
  }
  const owner = nextOwner(dir);
  const run = helicorder(recorder(dir));
  await owner;
  const follower = helicorder([...recordsOf(dir, stream, from), '--follow']);
  const wanted = random.below(300);
  for (let seen = 0; seen <= wanted; seen++) await follower.stdout.next();
  await sleep(random.next() * 10);
  await run.kill();
  const { code, stderr } = await follower.ended;
  expect(code, `the follower of a killed recorder: ${stderr}`).toBe(0);
  return follower.stdout.all;
}

test(
  `${ROUNDS} kills: all that was durable is there, byte-identical, once, and every tick accounted for`,
  async () => {
    const dir = temporaryDirectory();
    const random = new SeededRandom(SEED);
    mkdirSync(dir, { recursive: true });
    await helicorderOut([...recorder(dir), '--duration', '50ms']);
    const lengths = new Map(STREAMS.map((stream) => [stream, 0]));

    for (let round = 0; round < ROUNDS; round++) {
      const stream = STREAMS[random.below(STREAMS.length)]!;
      const from = lengths.get(stream)!;
      const seen = await recordAndKill(dir, stream, from, random);
      count('kills');
      const kept = await recordLines(dir, stream, from);
      const where = `${stream}, round ${round}, HELICORDER_SEED=${SEED}`;
      expect(kept.slice(0, seen.length), where).toEqual(seen);
      lengths.set(stream, from + kept.length);

      const report = await verify(dir);
      expect(report.damage, where).toEqual([]);
      expect(report.ok, where).toBe(true);
      for (const { ticksScheduled, samples, gaps } of report.streams) {
        const gapTicks = gaps.reduce((sum, { ticks }) => sum + Number(ticks), 0);
        expect(Number(samples) + gapTicks, where).toBe(Number(ticksScheduled));
      }
    }

    for (const stream of STREAMS) {
      const records = parseRecords((await helicorderOut(recordsOf(dir, stream, 0))).split('\n'));
      const { samples, gapTicks, scheduled, between } = checkSamples(records);
      expect(samples + gapTicks).toBe(scheduled);
      expect(between[0]?.reason).toBe('stopped');
      expect(new Set(between.slice(1).map(({ reason }) => reason))).toEqual(new Set(['crash']));
    }
  },
  60_000 * (ROUNDS + 1),
);
