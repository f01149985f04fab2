/**
 * A copy ends, or a request of it gets lost, at every edge that its protocol has named
 * (`engine/base/failpoint.ts`); so do the owner of its source and the owner of its target, at
 * whatever they do for it. Then the copy goes on, and both sides hold the same. The tests are made
 * from that table: an edge that a copy does not come to fails its test.
 *
 * The one that is to die is the built program; the other two are here, in the test's own thread.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EDGES } from '../../engine/base/failpoint.ts';
import type { Failpoint, FailpointAction } from '../../engine/base/failpoint.ts';
import { OwnerLink } from '../../engine/targets/owner-link.ts';
import { helicorder, nextOwner, type Ended } from '../support/cli.ts';
import { COPIED_STREAM, copyOnce, expectSame, record } from '../support/copies.ts';
import { count } from '../support/counts.ts';
import { sharedDirectory, temporaryDirectory } from '../support/directory.ts';
import { LocalOwner } from '../support/local-owner.ts';
import { actionsAt, edgesOf } from '../support/failpoint-actions.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { overwrite, segmentFile, segmentNumbers } from '../support/segments.ts';

/** What comes once per copy; the others are struck behind the first commit. */
const ONCE: readonly Failpoint[] = [
  ...(['copy-base', 'copy-open', 'txn-open'] as const),
  ...(['copy-pin', 'lost-entry'] as const),
];
/** Only a source with damage brings a copy there. */
const OF_DAMAGE: readonly Failpoint[] = ['copy-pin', 'lost-entry'];
/** What the source refuses ends the copy; what the target does not answer is asked again. */
const ENDING: readonly Failpoint[] = ['copy-base', 'copy-pin', 'copy-intent', 'copy-cursor'];
/** What it cannot read itself is a failed disk. */
const READING: readonly Failpoint[] = ['copy-read'];
const CURSOR = 'copy';
const BATCH_RECORDS = 100;
/** For a transaction that is spilled: all there is, in one. */
const WHOLE = { batchRecords: Infinity, batchBytes: Infinity };
/** Batches of the source then, more than a group of small segments takes. */
const SPILLED_BATCHES = 1200;
/** In a group of records: the same in each run, since all that is written there is. */
const DAMAGED_AT = 7 * 4096 + 100;
const CONTENT_SEED = 1;
const DAMAGE = new Uint8Array(64).fill(0x5a);

const base = sharedDirectory();
type SourceKind = 'whole' | 'damaged' | 'large';
/** Sources, each made once. */
const template = (
  (made: Map<SourceKind, string>) =>
  (kind: SourceKind): string => {
    const known = made.get(kind);
    if (known !== undefined) return known;
    const dir = join(base, kind);
    const owner = new LocalOwner(dir);
    record(owner, new SeededRandom(CONTENT_SEED), 1, kind === 'large' ? SPILLED_BATCHES : 8);
    owner.close();
    if (kind === 'damaged') {
      overwrite(segmentFile(dir, segmentNumbers(dir)[0]!), DAMAGED_AT, DAMAGE);
    }
    made.set(kind, dir);
    return dir;
  }
)(new Map());

function sourceFor(point: Failpoint): SourceKind {
  if (isOfSpills(point)) return 'large';
  return OF_DAMAGE.includes(point) ? 'damaged' : 'whole';
}

function isOfSpills(point: Failpoint): boolean {
  return EDGES.some((edge) => edge.point === point && edge.of === 'spill');
}

function storesFor(point: Failpoint): { from: string; to: string } {
  const parent = temporaryDirectory();
  const from = join(parent, 'from');
  cpSync(template(sourceFor(point)), from, { recursive: true });
  return { from, to: join(parent, 'to') };
}

function environmentOf(point: Failpoint, action: FailpointAction): Record<string, string> {
  const isFirst = ONCE.includes(point) || isOfSpills(point);
  return { HELICORDER_FAILPOINT: `${point}:${action}:${isFirst ? 1 : 2}` };
}

function checkEnd(action: FailpointAction, exit: number, ended: Ended, where: string): void {
  const { code, signal, stderr } = ended;
  count('failpoints');
  if (action !== 'error') expect([code, signal], `${where}: ${stderr}`).toEqual([null, 'SIGKILL']);
  else expect([code, signal], `${where}: ${stderr}`).toEqual([exit, null]);
  if (action === 'error') expect(stderr, where).toContain(`failpoint ${where.split(':')[0]}`);
}

function exitOfCopy(point: Failpoint): number {
  if (READING.includes(point)) return 74;
  return ENDING.includes(point) ? 69 : 0;
}

/** The copy dies; both owners live on, with whatever it has left open there. */
async function copierDies(point: Failpoint, action: FailpointAction): Promise<void> {
  const where = `${point}:${action}`;
  const { from, to } = storesFor(point);
  const owners = [new LocalOwner(from), new LocalOwner(to)] as const;
  const closes = await Promise.all(owners.map((owner) => owner.listen()));
  const words = ['stream', 'cp', COPIED_STREAM, '--data-dir', from, '--to-data-dir', to];
  const how = ['--cursor', CURSOR, '--batch-records', String(BATCH_RECORDS)];
  const copy = helicorder([...words, ...how], { env: environmentOf(point, action) });
  checkEnd(action, exitOfCopy(point), await copy.ended, where);
  const [source, target] = owners.map((owner) => ({ dir: owner.dir, owner: owner.connect() }));
  await copyOnce(source!, target!, { cursor: CURSOR });
  for (const close of closes) await close();
  for (const owner of owners) owner.close();
  await expectSame(from, to, where);
}

/** To whoever owns the store: the recorder, and once that has gone an owner in this thread. */
function linkTo(dataDir: string): OwnerLink {
  return new OwnerLink({
    dataDir,
    own: async () => {
      const owner = new LocalOwner(dataDir);
      const close = await owner.listen();
      return {
        ended: new Promise(() => undefined),
        problem: undefined,
        close: async () => {
          await close();
          owner.close();
        },
      };
    },
  });
}

/** A recorder of something else dies of what it does for a copy; somebody comes after it. */
async function ownerDies(
  victim: 'from' | 'to',
  point: Failpoint,
  action: FailpointAction,
): Promise<void> {
  const where = `${point}:${action}`;
  const { from, to } = storesFor(point);
  const dirs = { from, to };
  if (victim === 'to') new LocalOwner(to).close();
  const words = ['run', '--data-dir', dirs[victim], '--source', 'synthetic', '--quiet'];
  const own = ['--stream', 'crash/own', '--rate', '50', '--flush-ms', '100'];
  const isThere = nextOwner(dirs[victim], 'control');
  const recorder = helicorder([...words, ...own], { env: environmentOf(point, action) });
  await isThere;
  const [source, target] = [linkTo(from), linkTo(to)];
  const batch = isOfSpills(point) ? WHOLE : { batchRecords: BATCH_RECORDS };
  const options = { cursor: CURSOR, ...batch };
  await copyOnce({ dir: from, owner: source }, { dir: to, owner: target }, options);
  checkEnd(action, 74, await recorder.ended, where);
  await target.close();
  await source.close();
  await expectSame(from, to, where);
}

/** In the soak all of them; else one, another at each point and with each seed. */
async function each(
  point: Failpoint,
  life: (action: FailpointAction) => Promise<void>,
): Promise<void> {
  await Promise.all(actionsAt(point).map(life));
}

describe(`kill before, kill after, error (HELICORDER_SEED=${SEED})`, () => {
  test.each(edgesOf('copier'))('$step: of a copy at $point', async ({ point }) => {
    await each(point, (action) => copierDies(point, action));
  });

  test.each(edgesOf('source'))('$step: of the owner of its source at $point', async ({ point }) => {
    await each(point, (action) => ownerDies('from', point, action));
  });

  test.each(edgesOf('target', 'spill'))(
    '$step: of the owner of its target at $point',
    async ({ point }) => {
      await each(point, (action) => ownerDies('to', point, action));
    },
  );
});
