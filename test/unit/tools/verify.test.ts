/** `verify` beside an owner whose segments go into chunks, and are used again, while it reads. */
import { describe, expect, it } from 'vitest';
import type { File, FileSystem } from '../../../engine/files/file-system.ts';
import { applyUpkeep } from '../../../engine/store/changes.ts';
import { Store, type StoreEnvironment } from '../../../engine/store/store.ts';
import { upkeepStep } from '../../../engine/store/upkeep.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR } from '../../support/chunk-store.ts';

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
