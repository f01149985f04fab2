/**
 * `verify` and `gaps` of a store into which a copy was begun anew: what was given to it is there,
 * though it does not go on where it had ended; what is really missing is told.
 */
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { Store } from '../../../engine/store/store.ts';
import type { RecordItem } from '../../../engine/store/read/stream-item.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { gaps } from '../../../engine/tools/gaps.ts';
import { Succession } from '../../../engine/tools/succession.ts';
import type { VerifiedStream } from '../../../engine/tools/types.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { COPIED_STREAM, copyOnce, record, type CopyOnceOptions } from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { sealAllThereIs } from '../../support/sealing.ts';
import { beginSamples, commitSamples } from '../../support/stores.ts';

function copy(from: LocalOwner, to: LocalOwner, options: CopyOnceOptions = {}): Promise<unknown> {
  const ends = [from, to].map((owner) => ({ dir: owner.dir, owner: owner.connect() }));
  return copyOnce(ends[0]!, ends[1]!, options);
}

function endOf({ writer }: LocalOwner): number {
  return writer.state.streamNamed(COPIED_STREAM)!.nextOffset;
}

interface Diverged {
  from: LocalOwner;
  to: LocalOwner;
  /** the end of the source when it was put back, and what the target had by then */
  restoredEnd: number;
  had: number;
}

/** The source was put back to an older copy of it, and went another way; the alarm was raised. */
async function diverged(): Promise<Diverged> {
  const dir = temporaryDirectory();
  const [live, backup] = [join(dir, 'live'), join(dir, 'backup')];
  let from = new LocalOwner(live);
  const to = new LocalOwner(temporaryDirectory());
  record(from, new SeededRandom(SEED));
  await copy(from, to);
  from.close();
  cpSync(live, backup, { recursive: true });
  from = new LocalOwner(live);
  record(from, new SeededRandom(SEED + 1), 1);
  await copy(from, to);
  from.close();
  rmSync(live, { recursive: true });
  renameSync(backup, live);
  from = new LocalOwner(live);
  const restoredEnd = endOf(from);
  record(from, new SeededRandom(SEED + 2), 2);
  await expect(copy(from, to)).rejects.toMatchObject({ code: 'SOURCE_DIVERGED' });
  return { from, to, restoredEnd, had: endOf(to) };
}

async function checked(dir: string, where = ''): Promise<VerifiedStream> {
  const report = await verify(dir);
  expect(report, where).toMatchObject({ ok: true, damage: [] });
  const store = Store.open(dir);
  expect(await gaps(store, COPIED_STREAM), where).toMatchObject({ balanced: true, imbalances: [] });
  store.close();
  return report.streams.find(({ name }) => name === COPIED_STREAM)!;
}

async function trim({ writer, dir }: LocalOwner, lowWater: number): Promise<void> {
  const store = Store.open(dir);
  trimStream(writer, await planTrim(store.reader, store.stream(COPIED_STREAM).id, lowWater));
  store.close();
}

test.each([
  ['where the source was put back to', ({ restoredEnd }: Diverged) => restoredEnd],
  ['before that: records that the target has', ({ restoredEnd }: Diverged) => restoredEnd - 150],
  ['where the target has come to', ({ had }: Diverged) => had],
  ['at the end', ({ from }: Diverged) => endOf(from)],
])('after SOURCE_DIVERGED, gone on %s: nothing is missing', async (where, beginning) => {
  const found = await diverged();
  const { from, to, had } = found;
  await copy(from, to, { from: beginning(found) });
  record(from, new SeededRandom(SEED + 3), 1);
  await copy(from, to);
  const records = endOf(to);
  to.close();
  expect(await checked(to.dir, where)).toMatchObject({ seams: '1', records: String(records) });

  const again = new LocalOwner(to.dir);
  await sealAllThereIs(nodeFileSystem, again.writer);
  again.close();
  expect(await checked(to.dir, `${where}, sealed`)).toMatchObject({ seams: '1' });
  const trimmed = new LocalOwner(to.dir);
  await trim(trimmed, had + 5);
  trimmed.close();
  await checked(to.dir, `${where}, trimmed`);
  from.close();
});

test('a copy of it has the same seam, and is as whole', async () => {
  const { from, to, had } = await diverged();
  await copy(from, to, { from: had });
  const third = new LocalOwner(temporaryDirectory());
  await copy(to, third);
  [from, to, third].forEach((owner) => owner.close());
  expect(await checked(third.dir)).toEqual(await checked(to.dir));
});

test('what is missing among them is found', async () => {
  const { from, to, had } = await diverged();
  await copy(from, to, { from: had });
  const { log } = to.writer.paths;
  [from, to].forEach((owner) => owner.close());
  const [segment] = nodeFileSystem.list(log).filter((name) => /^\d+\.seg$/.test(name));
  const path = join(log, segment!);
  const content = readFileSync(path);
  content.fill(0, 40_000, 48_000);
  writeFileSync(path, content);
  const report = await verify(to.dir);
  expect(report.ok).toBe(false);
  expect(report.damage.length).toBeGreaterThan(0);
});

test('a copy from an offset is whole when its first records are gone', async () => {
  const from = new LocalOwner(temporaryDirectory());
  const to = new LocalOwner(temporaryDirectory());
  record(from, new SeededRandom(SEED));
  await copy(from, to, { from: 500 });
  await trim(to, 100);
  [from, to].forEach((owner) => owner.close());
  expect(await checked(to.dir)).toMatchObject({ seams: '0' });
});

test('streams of one machine in one target, turn by turn, are whole', async () => {
  const from = new LocalOwner(temporaryDirectory());
  const to = new LocalOwner(temporaryDirectory());
  const streams = ['test/one', 'test/two'];
  const runs = streams.map((stream) => beginSamples(from.writer, stream));
  for (let turn = 0; turn < 3; turn++) {
    for (const [i, stream] of streams.entries()) {
      commitSamples(from.writer, runs[i]!, turn * 20, 20);
      await copy(from, to, { stream, cursor: stream.replace('/', '.') });
    }
  }
  [from, to].forEach((owner) => owner.close());
  expect(await checked(to.dir)).toMatchObject({ samples: '120' });
});

/** @param copied the run came from another store */
function item(run: number, firstSeq: number, copied: boolean, runFirst = firstSeq): RecordItem {
  const entry = {
    id: run,
    writer: 'w',
    firstSeq: runFirst,
    ...(copied && { copied: { run, from: 1 } }),
  };
  const range = { firstSeq, firstOffset: 0, records: 10 };
  return { kind: 'gap', reason: 'late', info: { run: entry }, ...range } as unknown as RecordItem;
}

test('seqs of a run that was begun here have no hole, forward or back', () => {
  for (const next of [5, 10, 12, 100]) {
    const own = new Succession();
    expect([own.take(item(1, 1, false)), own.take(item(1, next, false))]).toEqual(['next', 'hole']);
    const other = new Succession();
    const follows = [other.take(item(1, 1, true)), other.take(item(1, next, true))];
    expect(follows).toEqual(['next', 'seam']);
  }
  const own = new Succession();
  expect([1, 11, 21].map((seq) => own.take(item(1, seq, false)))).toEqual(['next', 'next', 'next']);
});

test('a number that fits by chance, in a run that another copy brings, is a seam', () => {
  const copied = new Succession();
  copied.take(item(1, 1, true));
  expect(copied.take(item(2, 11, true, 11))).toBe('next');
  expect(copied.take(item(3, 21, true, 15))).toBe('seam');
  expect(copied.take(item(4, 31, true, 31))).toBe('next');
});
