/**
 * Followers in processes of their own beside a recorder that seals and recycles under them: one
 * that keeps up, and one that sleeps while what it has come to goes into chunks and its segments
 * are written anew. Each record comes once, in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { helicorder, helicorderOut, nextOwner, type Program } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { segmentNumbers } from '../support/segments.ts';

const STREAM = 'plant/box';
const LIFE_MS = 300_000;
const LOOK_MS = 50;

/** A group of 4 KiB for each of 200 samples per second fills small segments soon. */
const RUN = [
  ...['run', '--source', 'synthetic', '--stream', STREAM, '--rate', '200'],
  ...['--flush-ms', '1', '--segment-size', '1MiB', '--data-dir'],
];

const CAT = ['stream', 'cat', STREAM, '--format', 'ndjson-records', '--data-dir'];

/** Resolves once all segments before that number were sealed and let go of. */
async function recycled(dir: string, segment: number): Promise<void> {
  while ((segmentNumbers(dir)[0] ?? 0) < segment) await sleep(LOOK_MS);
}

async function ended(follower: Program): Promise<string> {
  const { code, stdout, stderr } = await follower.ended;
  expect(code, stderr).toBe(0);
  return stdout;
}

/** The first line in which what a follower saw is not what is there. */
function firstDifference(seen: string, there: string): object | undefined {
  const [lines, expected] = [seen.split('\n'), there.split('\n')];
  const at = expected.findIndex((line, i) => line !== lines[i]);
  if (at < 0 && lines.length === expected.length) return undefined;
  return { seen: lines[at], there: expected[at], lines: lines.length, expected: expected.length };
}

test('followers across sealing get each record once', { timeout: LIFE_MS }, async () => {
  const dir = temporaryDirectory();
  const isThere = nextOwner(dir, 'control');
  const run = helicorder([...RUN, dir], { lifeMs: LIFE_MS });
  await isThere;
  const follow = (): Program => helicorder([...CAT, dir, '--follow'], { lifeMs: LIFE_MS });
  const [awake, asleep] = [follow(), follow()];
  // once its pipe is full it stands where it is
  await asleep.stdout.next();
  asleep.child.stdout!.pause();
  await recycled(dir, 6);
  // a little way into what has gone into chunks by now, and another sleep there
  const before = asleep.stdout.all.length;
  asleep.child.stdout!.resume();
  await asleep.stdout.next(() => asleep.stdout.all.length > before + 100);
  asleep.child.stdout!.pause();
  await recycled(dir, 10);
  asleep.child.stdout!.resume();
  run.signal('SIGTERM');
  expect((await run.ended).code).toBe(0);
  const lines = await Promise.all([ended(awake), ended(asleep)]);
  const all = await helicorderOut([...CAT, dir]);
  for (const one of lines) expect(firstDifference(one, all)).toBeUndefined();
  const { samples, gapTicks, scheduled } = checkSamples(parseRecords(all.split('\n')));
  expect(samples + gapTicks).toBe(scheduled);
});
