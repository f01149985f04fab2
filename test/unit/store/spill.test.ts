/**
 * Transactions that are larger than a group: what they spill is not there before the commit, all of
 * it is there behind it, whoever reads, and nothing is left of it once a chunk holds the records.
 */
import { existsSync, readdirSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KIB } from '../../../engine/base/constants.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { StreamReader } from '../../../engine/store/read/stream-reader.ts';
import { systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { verify } from '../../../engine/tools/verify.ts';
import type { CopierOptions } from '../../../engine/txn/copier.ts';
import {
  COPIED_STREAM,
  copyOnce,
  expectEqual,
  expectSame,
  record,
  unluckyCopy,
} from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { sealAllThereIs } from '../../support/sealing.ts';
import { overwrite } from '../../support/segments.ts';
import { beginEvents, readEvents } from '../../support/stores.ts';

/** All there is, in one transaction. */
const WHOLE: CopierOptions = { batchRecords: Infinity, batchBytes: Infinity };
/** What stays in memory, so that transactions need not be large. */
const SPILLING = { ...systemEnvironment, spillBytes: 8 * KIB };
const BATCHES = 100;
const EVENTS = 'test/events';

function owners(): { from: LocalOwner; to: LocalOwner } {
  return { from: new LocalOwner(temporaryDirectory()), to: spilling(temporaryDirectory()) };
}

function spilling(dir: string): LocalOwner {
  return new LocalOwner(dir, undefined, SPILLING);
}

function spillsOf({ dir }: LocalOwner): string[] {
  const txn = join(dir, 'txn');
  return existsSync(txn) ? readdirSync(txn).map((name) => join(txn, name)) : [];
}

function spillOf(owner: LocalOwner): string {
  const [path] = spillsOf(owner);
  if (path === undefined) throw new Error('nothing was spilled');
  return path;
}

const end = (owner: LocalOwner) => ({ dir: owner.dir, owner: owner.connect() });

async function copyWhole(
  from: LocalOwner,
  to: LocalOwner,
  options: CopierOptions = {},
): Promise<number> {
  let transactions = 0;
  await copyOnce(end(from), end(to), {
    ...WHOLE,
    ...options,
    onProgress: ({ kind }) => (transactions += kind === 'committed' ? 1 : 0),
  });
  return transactions;
}

/** From the first commit on nothing reaches the owner. @returns aborted with that commit */
function losingCommits(to: LocalOwner): AbortSignal {
  const stop = new AbortController();
  to.fate = (type) => {
    if (type === 'txn-commit') stop.abort();
    return stop.signal.aborted ? 'lost' : 'served';
  };
  return stop.signal;
}

/** A stream whose records are larger than they need to be: each event is a group by itself. */
function recordEvents({ writer }: LocalOwner, id: string, count: number): void {
  const events = beginEvents(writer, EVENTS, id);
  const noise = new SeededRandom(SEED);
  for (let i = 0; i < count; i++) writer.appendEvents(events, [noise.bytes(40 * KIB)]);
}

describe('a transaction that is larger than a group', () => {
  it('is one commit, and its records read as those of many', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    expect(await copyWhole(from, to)).toBe(1);
    expect(spillsOf(to)).toHaveLength(1);
    from.close();
    to.close();
    await expectSame(from.dir, to.dir);
  });

  it('holds events of several writers, and one that a group does not hold', async () => {
    const { from, to } = owners();
    recordEvents(from, 'a', 30);
    recordEvents(from, 'b', 30);
    from.writer.appendEvents(beginEvents(from.writer, EVENTS, 'c'), [new Uint8Array(500 * KIB)]);
    await copyOnce(end(from), end(to), { ...WHOLE, stream: EVENTS, target: EVENTS });
    expect(spillsOf(to)).toHaveLength(1);
    expect(statSync(spillOf(to)).size).toBeGreaterThan(60 * 40 * KIB);
    from.close();
    to.close();
    expect(await readEvents(to.dir)).toEqual(await readEvents(from.dir));
    expect(await verify(to.dir)).toMatchObject({ ok: true, damage: [] });
  });

  it('is not there before its commit, and leaves nothing if there is none', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    const stop = new AbortController();
    let spilled = 0;
    to.fate = (type) => {
      if (type !== 'txn-commit') return 'served';
      spilled = spillsOf(to).length;
      stop.abort();
      return 'lost';
    };
    await copyWhole(from, to, { signal: stop.signal });
    expect(spilled).toBe(1);
    expect(await recordsOf(to.dir, COPIED_STREAM)).toEqual([]);
    expect(spillsOf(to)).toEqual([]);
  });

  it('whose owner dies is swept by the next one', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    await copyWhole(from, to, { signal: losingCommits(to) });
    expect(spillsOf(to)).toHaveLength(1);
    to.restart();
    expect(spillsOf(to)).toEqual([]);
    to.fate = () => 'served';
    expect(await copyWhole(from, to)).toBe(1);
    to.restart();
    expect(spillsOf(to)).toHaveLength(1);
    await expectEqual(from.dir, to.dir);
  });

  it('goes into a chunk like any other, and its file goes', async () => {
    const { from, to } = owners();
    const random = new SeededRandom(SEED);
    for (let i = 0; i < 2; i++) {
      record(from, random, 1, BATCHES);
      await copyWhole(from, to);
    }
    expect(spillsOf(to)).toHaveLength(2);
    await sealAllThereIs(nodeFileSystem, to.writer);
    expect(spillsOf(to)).toEqual([]);
    await expectEqual(from.dir, to.dir);
    from.close();
    to.close();
    await expectSame(from.dir, to.dir);
  });

  it('is read to its end though it is sealed and swept meanwhile', async () => {
    const { from, to } = owners();
    for (const writer of ['a', 'b', 'c']) {
      recordEvents(from, writer, 5);
      await copyOnce(end(from), end(to), { ...WHOLE, stream: EVENTS, target: EVENTS });
    }
    expect(spillsOf(to)).toHaveLength(3);
    const reader = StoreReader.open(to.dir, systemEnvironment);
    const { id, nextOffset } = reader.state.streamNamed(EVENTS)!;
    const kinds: string[] = [];
    let records = 0;
    for await (const found of new StreamReader(reader, id, 0).raw()) {
      if (found.kind === 'fault') throw new Error(found.fault.what);
      kinds.push(found.item.kind);
      records += found.item.records;
      if (kinds.length === 2) await sealAllThereIs(nodeFileSystem, to.writer);
    }
    reader.close();
    expect(spillsOf(to)).toEqual([]);
    expect(new Set(kinds)).toEqual(new Set(['events']));
    expect(records).toBe(nextOffset);
  });

  it('is one of its writer: the next one that is begun ends it', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    to.fate = (type) => (type === 'txn-commit' ? 'lost' : 'served');
    const stop = new AbortController();
    let failures = 0;
    await copyOnce(end(from), end(to), {
      ...{ ...WHOLE, signal: stop.signal },
      onProgress: ({ kind }) => {
        if (kind === 'failed' && ++failures === 5) stop.abort();
      },
    });
    expect(spillsOf(to).length).toBeLessThanOrEqual(1);
  });

  it('is copied on by an owner that has it unsealed', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    await copyWhole(from, to);
    const last = spilling(temporaryDirectory());
    await copyOnce(end(to), end(last), { batchRecords: 1000 });
    await expectEqual(from.dir, last.dir);
  });

  it('is exactly once over lost requests, lost replies and dead owners', async () => {
    const { from, to } = owners();
    let copies = 0;
    await unluckyCopy(from, to, SEED, (options) => {
      record(from, new SeededRandom(SEED + copies), 1, BATCHES);
      return copyOnce(end(from), end(to), {
        ...options,
        ...WHOLE,
        cursor: `c`,
        ...{ copies: copies++ },
      });
    });
    from.close();
    to.close();
    await expectSame(from.dir, to.dir, `seed ${SEED}`);
  });
});

describe('spills that cannot be removed', () => {
  /** @param mayFail is asked for every removal of one */
  function withFailures(mayFail: () => boolean): StoreEnvironment {
    const remove = (path: string): void => {
      if (!path.endsWith('.spill') || !mayFail()) return nodeFileSystem.remove(path);
      throw Object.assign(new Error('broken'), { code: 'EIO' });
    };
    return { ...SPILLING, fs: { ...nodeFileSystem, remove } };
  }

  it('end no owner: it says so, goes on, and the next one removes them', async () => {
    let isBroken = true;
    const { from } = owners();
    const to = new LocalOwner(
      temporaryDirectory(),
      undefined,
      withFailures(() => isBroken),
    );
    record(from, new SeededRandom(SEED), 1, BATCHES);
    await copyWhole(from, to, { signal: losingCommits(to) });
    const left = spillOf(to);
    const warnings = [expect.stringContaining(`cannot remove ${left}: EIO`) as string];
    to.fate = () => 'served';
    // the first that it is asked comes behind the end of that connection
    expect(await copyWhole(from, to)).toBe(1);
    expect(to.writer.spills.warnings).toEqual(warnings);
    to.restart();
    expect(to.writer.spills.warnings).toEqual(warnings);
    expect(spillsOf(to)).toHaveLength(2);
    isBroken = false;
    to.restart();
    expect(spillsOf(to)).toHaveLength(1);
    expect(spillsOf(to)).not.toContain(left);
    expect(to.writer.spills.warnings).toEqual([]);
    await expectEqual(from.dir, to.dir);
  });

  it('are left to be swept, and keep no other from being removed', async () => {
    let failures = 1;
    const from = new LocalOwner(temporaryDirectory());
    const to = new LocalOwner(
      temporaryDirectory(),
      undefined,
      withFailures(() => failures-- > 0),
    );
    recordEvents(from, 'a', 3);
    for (const target of ['test/one', 'test/two']) {
      const cursor = target.replace('/', '.');
      const signal = losingCommits(to);
      const what = { ...WHOLE, stream: EVENTS, target, cursor, signal };
      const owner = { ...to.connect(), drop: () => {} };
      await copyOnce(end(from), { dir: to.dir, owner }, what);
    }
    expect(spillsOf(to)).toHaveLength(2);
    to.close();
    expect(spillsOf(to)).toHaveLength(1);
    const next = spilling(to.dir);
    expect(spillsOf(next)).toEqual([]);
    next.close();
    from.close();
  });
});

describe('a spill that is damaged', () => {
  const damages: [string, boolean, (path: string) => void][] = [
    ['is missing', true, (path) => unlinkSync(path)],
    ['was cut', true, (path) => truncateSync(path, 8 * KIB)],
    ['has a bad byte', true, (path) => overwrite(path, 8 * KIB + 100, new Uint8Array([1, 2, 3]))],
    ['has a bad header', false, (path) => overwrite(path, 16, new Uint8Array(8))],
  ];

  it.each(damages)(
    'is named where it %s, its records are a gap(corrupt)',
    async (_, loses, harm) => {
      const { from, to } = owners();
      recordEvents(from, 'a', 15);
      recordEvents(from, 'b', 15);
      await copyOnce(end(from), end(to), { ...WHOLE, stream: EVENTS, target: EVENTS });
      to.writer.appendEvents(beginEvents(to.writer, EVENTS, 'own'), [new Uint8Array(1)]);
      const path = spillOf(to);
      to.close();
      harm(path);
      const report = await verify(to.dir);
      expect(new Set(report.damage.map(({ file }) => file))).toEqual(new Set([path]));
      const read = await readEvents(to.dir);
      const gapsIn = (lines: string[]): string[] => lines.filter((line) => line.startsWith('gap'));
      expect(read.at(-1)).toBe('\0');
      expect(gapsIn(read).length > 0).toBe(loses);
      const owner = new LocalOwner(to.dir);
      await sealAllThereIs(nodeFileSystem, owner.writer);
      expect(gapsIn(await readEvents(to.dir))).toEqual(gapsIn(read));
      owner.close();
    },
  );

  it('takes none of the ticks that are accounted for', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1, BATCHES);
    await copyWhole(from, to);
    const path = spillOf(to);
    // the writer's next run, which goes on behind its ticks
    record(from, new SeededRandom(SEED), 1, 3);
    await copyWhole(from, to);
    expect(spillsOf(to)).toEqual([path]);
    to.close();
    overwrite(path, 6 * KIB, new Uint8Array(100));
    const { damage } = await verify(to.dir);
    expect(new Set(damage.map(({ file }) => file))).toEqual(new Set([path]));
  });
});
