/** `verify` beside an owner whose segments go into chunks, and are used again, while it reads. */
import { describe, expect, it } from 'vitest';
import type { File, FileSystem } from '../../../engine/files/file-system.ts';
import { applyUpkeep, trimStream } from '../../../engine/store/write/changes.ts';
import { Store, type StoreEnvironment } from '../../../engine/store/store.ts';
import { namedStream } from '../../../engine/store/state/named.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { upkeepStep } from '../../../engine/store/upkeep/upkeep.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR, FILLER } from '../../support/chunk-store.ts';
import { sealAll } from '../../support/sealing.ts';
import { beginEvents, bytes } from '../../support/stores.ts';

const SEGMENTS = 4;
/** Opens and reads of segments, by their number within one `verify`. */
const MOMENTS = [1, 2, 3, 5, 9, 17, 33, 65];

/** Calls `then` before the `moment`-th time that a segment is opened or read. */
function interrupted(fs: FileSystem, moment: number, then: () => void): FileSystem {
  let left = moment;
  const tick = (): void => {
    if (--left === 0) then();
  };
  const open = (path: string, mode: 'read' | 'write' | 'create'): File => {
    const isRead = path.endsWith('.seg') && mode === 'read';
    if (isRead) tick();
    const file = fs.open(path, mode);
    if (!isRead) return file;
    return {
      ...file,
      read: (into, position) => {
        tick();
        return file.read(into, position);
      },
    };
  };
  return new Proxy(fs, {
    get: (target, name: keyof FileSystem) => {
      if (name === 'open') return open;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** @returns whether the moment came */
async function sealedAt(moment: number, isReused: boolean): Promise<boolean> {
  const store = new ChunkStore();
  store.fillUpTo(SEGMENTS);
  const none = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
  const result = await upkeepStep(none, store.environment, () => Promise.resolve());
  expect(result.did).toBe('sealed');
  let came = false;
  const fs = interrupted(store.fs, moment, () => {
    came = true;
    applyUpkeep(store.writer, result);
    if (isReused) store.fillUpTo(SEGMENTS + 2);
  });
  const environment: StoreEnvironment = { ...store.environment, fs };
  const report = await verify(DIR, environment);
  expect(report, `moment ${moment}`).toMatchObject({ ok: true, damage: [], tornTails: [] });
  store.writer.close();
  return came;
}

describe('verify beside an owner', () => {
  it.each([
    ['are removed', false],
    ['are written anew', true],
  ])('segments that %s while it reads are no damage', async (_, isReused) => {
    for (const moment of MOMENTS) expect(await sealedAt(moment, isReused)).toBe(true);
  });
});

const TWO = 'test/two';

/** Ten events of each writer in turns, twenty times in all, each ten in a chunk of their own. */
async function withChunkEach(ids: string[]): Promise<ChunkStore & { files: string[] }> {
  const store = new ChunkStore();
  const runs = [...new Set(ids)].map((id) => beginEvents(store.writer, TWO, id));
  for (let i = 0; i < 20; i++) {
    const run = runs[i % runs.length]!;
    for (let k = 0; k < 10; k++) store.writer.appendEvents(run, [bytes(`event ${k}`)]);
    store.endSegment();
    await sealAll(store.fs, store.writer);
  }
  return Object.assign(store, { files: store.chunks() });
}

describe('beside an owner that is just beginning', () => {
  /** Its lock is held, and there is no mark of it. */
  function begun(whenAsked: (store: ChunkStore) => void): StoreEnvironment {
    const store = new ChunkStore();
    store.append();
    store.fs.remove(store.writer.paths.mark);
    let asked = 0;
    const pause = (): void => {
      if (++asked === 3) whenAsked(store);
    };
    return { ...store.environment, pause };
  }

  const looks = {
    verify: async (environment: StoreEnvironment) => verify(DIR, environment),
    'a reader': (environment: StoreEnvironment) => {
      const { reader } = Store.open(DIR, environment);
      const { length } = reader.faults;
      reader.close();
      return Promise.resolve({ ok: length === 0, damage: [] });
    },
  };

  it.each(Object.entries(looks))('%s waits until it says how far its log is', async (_, look) => {
    const environment = begun(({ writer }) => writer.keepMark());
    expect(await look(environment)).toMatchObject({ ok: true, damage: [] });
  });

  it.each(Object.entries(looks))('%s sees that it has gone again', async (_, look) => {
    const environment = begun(({ writer }) => writer.close());
    expect(await look(environment)).toMatchObject({ ok: true, damage: [] });
  });

  it.each(Object.entries(looks))('%s calls the store in use, and not damaged', async (_, look) => {
    const ended = (async () => look(begun(() => {})))();
    await expect(ended).rejects.toMatchObject({ code: 'STORE_IN_USE' });
  });
});

it.each(['a a', 'a b'])('retention that overtakes it is no hole, writers %s', async (ids) => {
  const { fs, environment, writer, files } = await withChunkEach(ids.split(' '));
  const { reader } = Store.open(DIR, environment);
  const [two, filler] = [TWO, FILLER].map((name) => namedStream(reader.state, name));
  const plan = await planTrim(reader, two!.id, 75);
  trimStream(writer, await planTrim(reader, filler!.id, filler!.nextOffset));
  reader.close();
  const open = fs.open.bind(fs);
  let opened = 0;
  fs.open = (path, mode) => {
    // the second time it is read for its streams, and no longer byte by byte
    if (path === files[3] && ++opened === 2) {
      trimStream(writer, plan);
      for (const file of files.slice(0, 7)) if (file !== path) fs.remove(file);
    }
    return open(path, mode);
  };
  const report = await verify(DIR, environment);
  expect(opened).toBeGreaterThan(1);
  const found = report.streams.find(({ name }) => name === TWO);
  expect(found?.writers.map(({ id, lastSeq }) => [id, lastSeq])).toEqual(
    [...new Set(ids.split(' '))].map((id, _, { length }) => [id, String(200 / length)]),
  );
  expect(report.damage.filter(({ file }) => file === TWO)).toEqual([]);
});
