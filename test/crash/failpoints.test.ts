/**
 * A recorder ends, or a step of it fails, at every edge of durability that the store's code has
 * named (`engine/base/failpoint.ts`): whatever it leaves behind is a store that lacks nothing, and
 * with which the next owner goes on. The tests are made from that table: an edge that the life
 * below does not come to fails its test.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import type { Failpoint, FailpointAction } from '../../engine/base/failpoint.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { removeStream } from '../../engine/store/write/changes.ts';
import { eventRun } from '../../engine/store/write/group-plan.ts';
import type { StoreWriter } from '../../engine/store/write/writer.ts';
import { verify } from '../../engine/tools/verify.ts';
import { actionsAt, edgesOf } from '../support/failpoint-actions.ts';
import { helicorder, helicorderOut, nextOwner, type Ended } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { sharedDirectory, temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { sealAll, upkeepToTheEnd } from '../support/sealing.ts';
import { segmentFile, segmentNumbers } from '../support/segments.ts';
import { openWriter, readEvents } from '../support/stores.ts';

/** Far beyond what a recorder needs to come to an edge: one that lives so long does not. */
const LIFE_MS = 150_000;
const TEST_MS = 200_000;
const LINES_STREAM = 'crash/lines';
const LINES = 60;
const LARGE_BYTES = 40_000;
/** Lines that no codec makes smaller, so that few of them fill a segment of 1 MiB. */
const lines = ((random) =>
  Array.from({ length: LINES }, () => Buffer.from(random.bytes(LARGE_BYTES)).toString('base64')))(
  new SeededRandom(SEED),
);

/** Samples are let go of soon after they were sealed; the producer's lines are kept. */
const CONFIG = `
store: {flush: 4ms, segmentSize: 1MiB}
sources: [{source: synthetic, stream: crash/box, retain: {age: 1s}}]
`;

const base = sharedDirectory();
const config = join(base, 'helicorder.yaml');
writeFileSync(config, CONFIG);
const recorder = (dir: string): string[] => ['run', '--config', config, '--data-dir', dir];

/**
 * A store whose next owner has everything to do: samples in a chunk that are due to go, finished
 * segments that nobody has sealed, one that was being made, neither store.json nor ballast, and
 * what was spilled by a transaction that has never ended.
 */
const template = (
  (making?: Promise<string>) => () =>
    (making ??= makeTemplate())
)();

async function makeTemplate(): Promise<string> {
  const dir = join(base, 'template');
  await helicorderOut([...recorder(dir), '--duration', '50ms']);
  const writer = openWriter(dir);
  fillSegment(writer);
  await sealAll(nodeFileSystem, writer);
  const [pen] = writer.beginRuns([eventRun(LINES_STREAM, 'pen')]);
  for (const line of lines) writer.appendEvents(pen!, [Buffer.from(line)]);
  writer.abandon();
  writeFileSync(segmentFile(dir, segmentNumbers(dir).at(-1)! + 1), new Uint8Array(MIB));
  for (const name of ['store.json', 'ballast']) rmSync(join(dir, name));
  mkdirSync(join(dir, 'txn'), { recursive: true });
  writeFileSync(join(dir, 'txn', '00ff00ff00ff00ff.spill'), new Uint8Array(8192));
  return dir;
}

/** Until the next one is begun, with what is removed at once. */
function fillSegment(writer: StoreWriter): void {
  const [filler] = writer.beginRuns([eventRun('crash/filler', 'filler')]);
  for (const line of lines.slice(0, 30)) writer.appendEvents(filler!, [Buffer.from(line)]);
  const end = writer.group();
  writer.addRunEnd(end, filler!.run, 'stopped');
  writer.commit(end);
  removeStream(writer, 'crash/filler');
}

/** Edges that only the end of an owner comes to. */
const AT_END: readonly Failpoint[] = ['shutdown-entry'];
/**
 * Upkeep is tried again later, the catalog made anew, garbage removed by the next owner: recording
 * goes on.
 */
const isHarmless = (point: Failpoint): boolean => /^(chunk-|catalog|spill-remove)/.test(point);

/** A recorder with one failpoint, until it has been reached. */
async function liveTo(failpoint: string, isAtEnd: boolean, dir: string): Promise<Ended> {
  const isThere = isAtEnd && nextOwner(dir, 'control');
  const env = { HELICORDER_FAILPOINT: failpoint };
  const run = helicorder(recorder(dir), { env, lifeMs: LIFE_MS });
  // a failure that is no end is told on stderr
  const told = run.stderr.next((line) => /warning: .*EIO/.test(line)).catch(() => '');
  await (isThere || Promise.race([run.ended, told]));
  run.signal('SIGTERM');
  return run.ended;
}

function checkEnd(point: Failpoint, action: FailpointAction, ended: Ended): void {
  const { code, signal, stderr } = ended;
  const where = `${point}:${action}: ${stderr}`;
  if (action !== 'error') return expect([code, signal], where).toEqual([null, 'SIGKILL']);
  expect([code, signal], where).toEqual([isHarmless(point) ? 0 : 74, null]);
  expect(stderr, where).toContain(`EIO: failpoint ${point}`);
}

/** Nothing is lost; the next owner goes on and finishes what was begun. */
async function checkStore(dir: string, where: string): Promise<void> {
  const found = await verify(dir);
  const damaged = found.damage.filter(({ file }) => !file.endsWith('store.json'));
  expect(damaged, where).toEqual([]);
  const writer = openWriter(dir);
  await upkeepToTheEnd(writer);
  // before the shutdown entry, which may begin another one
  expect(segmentNumbers(dir), where).toHaveLength(1);
  writer.close();
  const report = await verify(dir);
  expect(report, where).toMatchObject({ ok: true, damage: [] });
  for (const { ticksScheduled, samples, gaps } of report.streams) {
    const gapTicks = gaps.reduce((sum, { ticks }) => sum + Number(ticks), 0);
    expect(Number(samples) + gapTicks, where).toBe(Number(ticksScheduled));
  }
  const isSame = (await readEvents(dir, LINES_STREAM)).join() === lines.join();
  expect(isSame, `${where}: all lines, once`).toBe(true);
  expect(nodeFileSystem.list(join(dir, 'txn')), where).toEqual([]);
  const chunks = nodeFileSystem.list(join(dir, 'chunks'));
  expect(
    chunks.filter((name) => name.startsWith('.')),
    where,
  ).toEqual([]);
}

test.each(edgesOf('recorder'))(
  `$step: $point (HELICORDER_SEED=${SEED})`,
  async ({ point }) => {
    const from = await template();
    const lives = actionsAt(point).map(async (action) => {
      const where = `${point}:${action}`;
      const dir = join(temporaryDirectory(), 'store');
      cpSync(from, dir, { recursive: true });
      checkEnd(point, action, await liveTo(where, AT_END.includes(point), dir));
      count('failpoints');
      await checkStore(dir, where);
    });
    await Promise.all(lives);
  },
  TEST_MS,
);

test('a failpoint that does not exist is refused, not ignored', async () => {
  const env = { HELICORDER_FAILPOINT: 'no-such-edge:kill-before' };
  const { code, stderr } = await helicorder(['stream', 'ls'], { env }).ended;
  expect([code, stderr]).toEqual([expect.any(Number), expect.stringMatching(/no such failpoint/)]);
  expect(code).not.toBe(0);
});
