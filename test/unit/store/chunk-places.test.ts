/**
 * Chunks in a place of their own that goes away and comes back; and readers beside an owner that
 * seals, recycles, joins and rewrites under them.
 */
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { crc32c } from '../../../engine/base/crc32c.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { KEEP_ALL, type RetentionRule } from '../../../engine/base/retention.ts';
import type { StoreBudget } from '../../../engine/store/entries/retention-entry.ts';
import { setChunksDir, trimStream } from '../../../engine/store/write/changes.ts';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { Store } from '../../../engine/store/store.ts';
import type { StreamItem } from '../../../engine/store/read/stream-item.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { repair } from '../../../engine/tools/doctor-repair.ts';
import { doctor } from '../../../engine/tools/doctor.ts';
import { verify } from '../../../engine/tools/verify.ts';
import {
  ChunkStore,
  DIR,
  EVENTS,
  FILLER,
  SAMPLES,
  linesOf,
  recordsOf,
} from '../../support/chunk-store.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { calmHost, type Host } from '../../support/simulated-file-system.ts';

const MOUNT = '/mount';
/** Everything sealed is due to go. */
const DUE: RetentionRule = { ...KEEP_ALL, ageMs: 0 };

interface Rig {
  store: ChunkStore;
  setAway: (isAway: boolean) => void;
  /** the most there ever was under the store's directory */
  peakBytes: () => number;
  namesIn: (dir: string) => string[];
}

/** A store with one chunk at a place of its own, and a log behind it. */
async function rigWithPlace(budget?: StoreBudget): Promise<Rig> {
  let isAway = false;
  const disk = new SimulatedDisk();
  let peakBytes = 0;
  const host = {
    ...calmHost,
    step: () => void (peakBytes = Math.max(peakBytes, disk.usedUnder(DIR))),
    fault: (_: unknown, path: string) => (isAway && path.startsWith(MOUNT) ? 'ESTALE' : undefined),
  };
  disk.makeDirectory(MOUNT);
  const store = new ChunkStore(disk, undefined, host, budget);
  setChunksDir(store.writer, MOUNT);
  store.fillUpTo(2);
  await store.settle();
  return {
    store,
    setAway: (away) => void (isAway = away),
    peakBytes: () => peakBytes,
    namesIn: (dir) => store.fs.list(dir).filter((name) => name.endsWith('.chunk')),
  };
}

/** Does what waited for space have it now? */
function resumed({ writer }: ChunkStore): boolean {
  try {
    if (writer.isWaiting) writer.resume();
    return true;
  } catch (error) {
    if (error instanceof HelicorderError && error.code === 'NO_SPACE') return false;
    throw error;
  }
}

describe('a place for chunks that is away', () => {
  it('gets what was sealed meanwhile when it is back; nothing is lost', async () => {
    const { store, setAway, namesIn } = await rigWithPlace();
    expect(namesIn(MOUNT)).toHaveLength(1);
    setAway(true);
    store.fillUpTo(3);
    expect(await store.settle()).toEqual(['sealed']);
    expect(namesIn(`${DIR}/chunks`)).toHaveLength(1);
    setAway(false);
    expect(await recordsOf(store.environment, SAMPLES)).toEqual(store.written.samples);
    expect(await store.settle()).toEqual(['tidied']);
    expect([namesIn(MOUNT).length, namesIn(`${DIR}/chunks`).length]).toEqual([2, 0]);
    expect(await recordsOf(store.environment, EVENTS)).toEqual(store.written.events);
  });

  it('is told of once, as no damage, and the rest is verified', async () => {
    const { store, setAway } = await rigWithPlace();
    store.fillUpTo(3);
    const whole = await verify(DIR, store.environment);
    expect(whole).toMatchObject({ ok: true, away: [] });
    setAway(true);
    await store.settle();
    store.append();
    const report = await verify(DIR, store.environment);
    expect(report).toMatchObject({ ok: false, damage: [], tornTails: [] });
    const what = 'the place for chunks is not reachable; nothing is lost';
    expect(report.away).toEqual([{ place: MOUNT, what }]);
    for (const [name, { length }] of [
      [SAMPLES, store.written.samples],
      [EVENTS, store.written.events],
    ] as const) {
      const stream = report.streams.find((one) => one.name === name)!;
      const away = Number(stream.awayRecords);
      expect(away).toBeGreaterThan(0);
      expect(stream).toMatchObject({
        ...{ records: String(length - away), firstOffset: String(away) },
        lastOffset: String(length - 1),
        writers: [{ firstSeq: String(away + 1), lastSeq: String(length) }],
      });
      expect(stream.gaps).toEqual([]);
    }
  });

  it('is a note to doctor, and no loss to repair', async () => {
    const { store, setAway } = await rigWithPlace();
    setAway(true);
    store.writer.close();
    const inspected = await doctor(DIR, store.environment);
    expect(inspected.ok).toBe(true);
    const [found, ...others] = inspected.findings.filter(({ kind }) => kind === 'place');
    expect(found).toMatchObject({ severity: 'note', file: MOUNT });
    expect([found!.what, others]).toEqual([expect.stringContaining('nothing is lost'), []]);
    const steps: string[] = [];
    await repair(DIR, (step) => steps.push(step), store.environment);
    expect(steps.join()).not.toMatch(/lost|copied|moved/);
    setAway(false);
    expect(await recordsOf(store.environment, SAMPLES)).toEqual(store.written.samples);
    expect((await verify(DIR, store.environment)).ok).toBe(true);
  });

  it('or has never been there is a note as well, while nothing lies in it', async () => {
    const store = new ChunkStore();
    setChunksDir(store.writer, '/gone');
    store.fs.makeDirectory(MOUNT);
    setChunksDir(store.writer, MOUNT);
    const notes = async (): Promise<unknown[]> =>
      (await doctor(DIR, store.environment)).findings
        .filter(({ kind }) => kind === 'place')
        .map(({ file }) => file);
    expect(await notes()).toEqual([]);
    setChunksDir(store.writer, '/missing');
    expect(await notes()).toEqual(['/missing']);
    const reader = StoreReader.open(DIR, store.environment);
    const listed = reader.chunks.places.at(-1)!.list();
    await expect(listed).rejects.toThrow('/missing cannot be reached (there must be a directory');
    reader.close();
    expect(await verify(DIR, store.environment)).toMatchObject({ ok: true, away: [] });
  });

  it('is asked for only by who reads what lies there, and named then', async () => {
    const { store, setAway } = await rigWithPlace();
    const sealed = store.written.samples.length;
    store.fillUpTo(3);
    setAway(true);
    await store.settle();
    const reader = Store.open(DIR, store.environment);
    const all = async (from: number | 'start' | 'tail'): Promise<string[]> => {
      const found: string[] = [];
      for await (const item of reader.read(SAMPLES, { from })) found.push(...linesOf(item));
      return found;
    };
    await expect(all('start')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(all('start')).rejects.toThrow(MOUNT);
    expect(await all('tail')).toEqual([]);
    expect((await all(sealed)).at(-1)).toBe(store.written.samples.at(-1));
    reader.close();
  });

  it('keeps what is due from going while it is away, all but what can be told without it', async () => {
    const { store, setAway, namesIn } = await rigWithPlace();
    setAway(true);
    for (let segment = 3; segment <= 6; segment++) {
      store.fillUpTo(segment);
      store.endSegment();
      await store.settle({ retention: [DUE] });
    }
    // begun while the place was away, so all of it is here
    expect((await recordsOf(store.environment, FILLER))[0]).toMatch(/^0 retired/);
    const { state } = store.writer;
    const lowWaterOf = (name: string): number => state.lowWaterOf(state.streamNamed(name)!.id);
    expect([SAMPLES, EVENTS].map(lowWaterOf)).toEqual([0, 0]);
    const reader = StoreReader.open(DIR, store.environment);
    const trim = planTrim(reader, state.streamNamed(EVENTS)!.id, 2);
    await expect(trim).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    reader.close();

    setAway(false);
    await store.settle({ retention: [DUE] });
    for (const [name, written] of [
      [SAMPLES, store.written.samples],
      [EVENTS, store.written.events],
    ] as const) {
      const [gap, ...rest] = await recordsOf(store.environment, name);
      const gone = written.length - rest.length;
      expect(gap).toBe(`0 retired ×${gone}`);
      expect(rest).toEqual(written.slice(gone));
    }
    expect(namesIn(MOUNT)).toHaveLength(namesIn(`${DIR}/chunks`).length);
    const { damage, streams } = await verify(DIR, store.environment);
    expect(damage).toEqual([]);
    const { ticksScheduled, samples, gaps } = streams.find(({ name }) => name === SAMPLES)!;
    const gapTicks = gaps.reduce((sum, { ticks }) => sum + Number(ticks), 0);
    expect(Number(samples) + gapTicks).toBe(Number(ticksScheduled));
  });

  it('that goes before what was let go of is removed there has it removed when it is back', async () => {
    const { store, setAway, namesIn } = await rigWithPlace();
    const [dead] = namesIn(MOUNT);
    const reader = StoreReader.open(DIR, store.environment);
    for (const [id, { nextOffset }] of store.writer.state.streams) {
      trimStream(store.writer, await planTrim(reader, id, nextOffset));
    }
    reader.close();
    setAway(true);
    store.fillUpTo(4);
    await store.settle();
    const [gap, ...rest] = await recordsOf(store.environment, SAMPLES);
    expect(gap).toMatch(/^0 retired/);
    expect(rest).toEqual(store.written.samples.slice(-rest.length));
    setAway(false);
    await store.settle();
    expect((await verify(DIR, store.environment)).damage).toEqual([]);
    expect(namesIn(MOUNT)).not.toContain(dead);
    expect(namesIn(MOUNT).length).toBeGreaterThan(0);
  });

  it('costs no byte beyond the budget, however long it is away, and then all goes on', async () => {
    const budget = { bytes: 12 * MIB, minFreeBytes: 0 };
    const { store, setAway, peakBytes, namesIn } = await rigWithPlace(budget);
    const retention: RetentionRule[] = [{ ...KEEP_ALL, onFull: 'drop-oldest' }];
    const rules = { budgetBytes: budget.bytes, retention };
    setAway(true);
    let isFull = false;
    for (let day = 0; day < 200 && !isFull; day++) {
      try {
        store.append();
      } catch (error) {
        expect(error).toMatchObject({ code: 'NO_SPACE' });
        await store.settle(rules);
        isFull = !resumed(store);
      }
    }
    expect(isFull).toBe(true);
    expect(peakBytes()).toBeLessThanOrEqual(budget.bytes + 2 * MIB);
    const held = namesIn(`${DIR}/chunks`).length;
    expect(held).toBeGreaterThan(3);

    setAway(false);
    await store.settle(rules);
    expect(resumed(store)).toBe(true);
    expect(namesIn(`${DIR}/chunks`)).toEqual([]);
    // nothing was let go of for it: all fits where it belongs
    expect(await recordsOf(store.environment, SAMPLES)).toEqual(store.written.samples);
    store.append();
  });

  it('to which chunks move while somebody reads is known to the reader', async () => {
    const store = new ChunkStore();
    store.fs.makeDirectory(MOUNT);
    for (let segment = 2; segment <= 6; segment++) {
      store.fillUpTo(segment);
      await store.settle();
    }
    const reader = Store.open(DIR, store.environment);
    const stream = reader.read(EVENTS);
    const found = linesOf((await stream.next()).value as StreamItem);
    setChunksDir(store.writer, MOUNT);
    await store.settle();
    expect(store.chunks(), 'all are there now').toEqual([]);
    for await (const item of stream) found.push(...linesOf(item));
    expect(found).toEqual(store.written.events);
    reader.close();
  });

  it('that is configured while somebody follows is known to the follower', async () => {
    const store = new ChunkStore();
    store.fs.makeDirectory(MOUNT);
    store.append();
    const found: string[] = [];
    const reader = Store.open(DIR, store.environment);
    const stream = reader.read(SAMPLES);
    found.push(...linesOf((await stream.next()).value as StreamItem));
    setChunksDir(store.writer, MOUNT);
    store.fillUpTo(3);
    await store.settle();
    reader.reader.refresh();
    for await (const item of stream) found.push(...linesOf(item));
    expect(found).toEqual(store.written.samples);
    reader.close();
  });
});

describe('a chunk that cannot be checked', () => {
  it('since the disk does not give it is damage, and the rest is told', async () => {
    let isBroken = false;
    const isChunk = (path: string): boolean => path.endsWith('.chunk');
    const fault: Host['fault'] = (operation, path) =>
      isBroken && operation === 'read' && isChunk(path) ? 'EIO' : undefined;
    const store = new ChunkStore(undefined, undefined, { ...calmHost, fault });
    store.fillUpTo(3);
    await store.settle();
    isBroken = true;
    const { damage, ok } = await verify(DIR, store.environment);
    expect(ok).toBe(false);
    expect(damage[0]!.what).toBe('cannot be read: EIO');
    store.writer.close();
    const repaired = repair(DIR, () => {}, store.environment);
    await expect(repaired).rejects.toMatchObject({ code: 'STORE_IO' });
  });

  it('since it is of another version is not called damaged, nor put aside', async () => {
    const store = new ChunkStore();
    store.fillUpTo(3);
    await store.settle();
    store.writer.close();
    const chunk = store.fs.bytesOf(store.chunks()[0]!);
    const view = new DataView(chunk.buffer, chunk.byteOffset);
    view.setUint16(4, 2, true);
    view.setUint32(60, crc32c(chunk.subarray(0, 60)), true);
    const { findings } = await doctor(DIR, store.environment);
    const bad = findings.filter(({ severity }) => severity === 'damage');
    expect(new Set(bad.map(({ kind }) => kind))).toEqual(new Set(['version']));
    for (const { what } of bad) expect(what).toContain('version 2');
    const repaired = repair(DIR, () => {}, store.environment);
    await expect(repaired).rejects.toMatchObject({ code: 'FORMAT_VERSION' });
    expect(store.fs.exists(`${DIR}/quarantine`)).toBe(false);
  });
});

describe('a reader beside an owner that tidies', () => {
  it.each([SAMPLES, EVENTS])('paused anywhere, sees each record of %s once', async (name) => {
    const store = new ChunkStore();
    store.fillUpTo(3);
    const readers = Array.from({ length: 10 }, () => Store.open(DIR, store.environment));
    const streams = readers.map((reader) => reader.read(name));
    const found = streams.map((): string[] => []);
    // each stands at another place of the log, or of the chunks, when they go
    for (let segment = 4; segment <= 12; segment++) {
      for (const [i, stream] of streams.entries()) {
        for (let pieces = i; pieces > 0; pieces--) {
          const { value, done } = await stream.next();
          if (!done) found[i]!.push(...linesOf(value));
        }
      }
      store.fillUpTo(segment);
      await store.settle();
    }
    expect(store.chunks().length).toBeLessThan(8);
    const whole = await recordsOf(store.environment, name);
    for (const [i, stream] of streams.entries()) {
      readers[i]!.reader.refresh();
      for await (const item of stream) found[i]!.push(...linesOf(item));
      expect(found[i], `reader ${i}`).toEqual(whole.slice(0, found[i]!.length));
      expect(found[i]!.length).toBeGreaterThan(0);
      readers[i]!.close();
    }
    expect(whole).toEqual(name === SAMPLES ? store.written.samples : store.written.events);
  });

  it('nine streams of one reader in nine chunks do not close each other', async () => {
    const store = new ChunkStore();
    for (let segment = 2; segment <= 12; segment++) {
      store.fillUpTo(segment);
      await store.settle();
    }
    const reader = Store.open(DIR, store.environment);
    const whole = store.written.events;
    const streams = Array.from({ length: 12 }, (_, i) =>
      reader.read(EVENTS, { from: Math.floor((i * whole.length) / 12) }),
    );
    const found = streams.map((): string[] => []);
    for (let going = streams.length; going > 0;) {
      going = 0;
      for (const [i, stream] of streams.entries()) {
        const { value, done } = await stream.next();
        if (done) continue;
        going++;
        found[i]!.push(...linesOf(value));
      }
    }
    for (const lines of found) expect(lines).toEqual(whole.slice(whole.length - lines.length));
    reader.close();
  });
});
