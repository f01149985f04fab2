/**
 * Chunks in a place of their own that goes away and comes back; and readers beside an owner that
 * seals, recycles, joins and rewrites under them.
 */
import { describe, expect, it } from 'vitest';
import { setChunksDir } from '../../../engine/store/changes.ts';
import { Store } from '../../../engine/store/store.ts';
import type { StreamItem } from '../../../engine/store/stream-item.ts';
import { ChunkStore, DIR, EVENTS, SAMPLES, linesOf, recordsOf } from '../../support/chunk-store.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { calmHost } from '../../support/simulated-file-system.ts';

const MOUNT = '/mount';

interface Rig {
  store: ChunkStore;
  setAway: (isAway: boolean) => void;
  namesIn: (dir: string) => string[];
}

/** A store with one chunk at a place of its own, and a log behind it. */
async function rigWithPlace(): Promise<Rig> {
  let isAway = false;
  const host = {
    ...calmHost,
    fault: (_: unknown, path: string) => (isAway && path.startsWith(MOUNT) ? 'ESTALE' : undefined),
  };
  const disk = new SimulatedDisk();
  disk.makeDirectory(MOUNT);
  const store = new ChunkStore(disk, undefined, host);
  setChunksDir(store.writer, MOUNT);
  store.fillUpTo(2);
  await store.settle();
  return {
    store,
    setAway: (away) => void (isAway = away),
    namesIn: (dir) => store.fs.list(dir).filter((name) => name.endsWith('.chunk')),
  };
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
