/**
 * Chunks of a store that wakes up on another machine: they are its own, under whatever id it sealed
 * them; and of two clones that share a directory for chunks, neither takes or removes the other's.
 */
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import { applyUpkeep, setChunksDir } from '../../../engine/store/write/changes.ts';
import { hex } from '../../../engine/base/bytes.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { Store, type StoreEnvironment } from '../../../engine/store/store.ts';
import { upkeepStep, type UpkeepOptions } from '../../../engine/store/upkeep/upkeep.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { repair } from '../../../engine/tools/doctor-repair.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR, EVENTS, SAMPLES, recordsOf } from '../../support/chunk-store.ts';
import { MACHINE_A, MACHINE_B, MACHINE_C, on } from '../../support/machines.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const idOf = ({ identity }: StoreWriter): string => hex(identity.storeId);

/** Everything sealed is due to go. */
const DUE = { ...KEEP_ALL, ageMs: 0 };

describe('a store with chunks that wakes up on another machine', () => {
  async function moved(before = (_: ChunkStore): void => {}): Promise<ChunkStore> {
    const fs = new SimulatedFileSystem();
    on(fs, MACHINE_A);
    const store = new ChunkStore(fs.disk);
    before(store);
    store.fillUpTo(3);
    await store.settle();
    store.fillUpTo(4);
    store.writer.close();
    on(fs, MACHINE_B);
    const next = new ChunkStore(fs.disk, store.written.copy());
    expect(idOf(next.writer)).not.toBe(idOf(store.writer));
    next.append();
    return next;
  }

  async function expectWhole({ environment, written }: ChunkStore): Promise<void> {
    expect(await recordsOf(environment, SAMPLES)).toEqual(written.samples);
    expect(await recordsOf(environment, EVENTS)).toEqual(written.events);
    expect(await verify(DIR, environment)).toMatchObject({ ok: true, damage: [] });
  }

  /** What a copy of it would send. */
  async function sentOf(environment: StoreEnvironment, stream: string): Promise<number> {
    const store = Store.open(DIR, environment);
    let records = 0;
    for await (const found of store.readRaw(stream)) {
      const item = found.kind === 'raw' ? found.item : expect.fail(found.fault.what);
      if (item.kind !== 'gap') records += item.records;
    }
    store.close();
    return records;
  }

  it('has all its history: it is read, verified and copied', async () => {
    const store = await moved();
    await expectWhole(store);
    expect(await sentOf(store.environment, SAMPLES)).toBe(store.written.samples.length);
    store.fillUpTo(6);
    await store.settle();
    await expectWhole(store);
    store.writer.close();
    const told: string[] = [];
    const { ok } = await repair(DIR, (step) => told.push(step), store.environment);
    expect({ ok, lost: told.filter((step) => step.includes('lost')) }).toEqual({
      ok: true,
      lost: [],
    });
  });

  it('before its next owner has begun has it as well, and after the one behind that', async () => {
    const store = await moved();
    store.writer.close();
    on(store.fs, MACHINE_C);
    await expectWhole(store);
    const third = new ChunkStore(store.fs.disk, store.written.copy());
    third.fillUpTo(7);
    await third.settle();
    await expectWhole(third);
  });

  it('lets go of it by its rules, joins it, and removes what nobody needs', async () => {
    const store = await moved();
    for (let segment = 5; segment <= 14; segment++) {
      store.fillUpTo(segment);
      await store.settle();
    }
    expect(store.chunks().length).toBeLessThan(8);
    await expectWhole(store);
    expect(await store.settle({ retention: [DUE] })).toContain('planned');
    expect(store.chunks()).toEqual([]);
    const [gap, ...rest] = await recordsOf(store.environment, SAMPLES);
    expect(gap).toMatch(/^0 retired/);
    expect(rest).toEqual(store.written.samples.slice(store.written.samples.length - rest.length));
  });

  it('writes anew what an earlier sealing had left that was never said in the log', async () => {
    const store = await moved(({ fs }) => fs.makeDirectory(`${DIR}/chunks`));
    const { fs, environment } = store;
    const none = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    const pause = (): Promise<void> => Promise.resolve();
    expect((await upkeepStep(none, environment, pause)).did).toBe('sealed');
    store.writer.close();
    on(fs, MACHINE_C);
    const next = new ChunkStore(fs.disk, store.written.copy());
    next.append();
    await next.settle();
    await expectWhole(next);
  });

  it('takes it to the place for chunks when that is there, as its own', async () => {
    const store = await moved();
    store.fs.makeDirectory('/mount');
    setChunksDir(store.writer, '/mount');
    await store.settle();
    expect(store.chunks()).toEqual([]);
    await expectWhole(store);
    await store.settle({ retention: [DUE] });
    expect(store.fs.list('/mount')).toEqual([]);
  });
});

describe('two clones that share a directory for chunks', () => {
  const MOUNT = '/mount';
  const CLONE = '/clone';
  const noise = new SeededRandom(3);

  interface Clone {
    dir: string;
    writer: StoreWriter;
    environment: StoreEnvironment;
    events: string[];
  }

  function cloneOn(fs: SimulatedFileSystem, machine: string, dir: string): Clone {
    const environment = on(fs, machine);
    return { dir, environment, writer: openWriter(dir, MIB, environment), events: [] };
  }

  /** Events that say whose they are, until a segment is full of them. */
  function fill({ writer, events }: Clone, name: string): void {
    const opened = beginEvents(writer);
    const segment = segmentOf(writer.durableEnd);
    while (segmentOf(writer.durableEnd) === segment) {
      const event = `${name} ${events.length} `;
      writer.appendEvents(opened, [Buffer.concat([bytes(event), noise.bytes(90_000)])]);
      events.push(event);
    }
  }

  async function settle(clone: Clone, rules: Partial<UpkeepOptions> = {}): Promise<void> {
    const none = { dataDir: clone.dir, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    for (;;) {
      const options = { ...none, ...rules };
      const result = await upkeepStep(options, clone.environment, () => Promise.resolve());
      applyUpkeep(clone.writer, result);
      if (result.did === 'nothing') return;
    }
  }

  async function eventsOf({ dir, environment }: Clone): Promise<string[]> {
    const store = Store.open(dir, environment);
    const found: string[] = [];
    for await (const item of store.read('test/events')) {
      const events = item.kind === 'events' ? item.events : expect.fail(JSON.stringify(item));
      for (const event of events) found.push(Buffer.from(event.subarray(0, 20)).toString('latin1'));
    }
    store.close();
    return found.map((text) => /^\w+ \d+ /.exec(text)![0]);
  }

  /** Both have what was sealed there before there were two of them. */
  async function clones(): Promise<{ fs: SimulatedFileSystem; one: Clone; other: Clone }> {
    const fs = new SimulatedFileSystem();
    fs.makeDirectory(MOUNT);
    const first = cloneOn(fs, MACHINE_A, DIR);
    setChunksDir(first.writer, MOUNT);
    fill(first, 'both');
    await settle(first);
    first.writer.close();
    for (const name of ['', '/log', '/txn', '/chunks'].map((part) => DIR + part)) {
      if (!fs.isDirectory(name)) continue;
      const copy = CLONE + name.slice(DIR.length);
      fs.makeDirectory(copy);
      for (const file of fs.list(name)) {
        if (fs.isDirectory(`${name}/${file}`)) continue;
        fs.writeFileDurably(`${copy}/${file}`, fs.readFile(`${name}/${file}`));
      }
    }
    const one = { ...cloneOn(fs, MACHINE_A, DIR), events: [...first.events] };
    const other = { ...cloneOn(fs, MACHINE_B, CLONE), events: [...first.events] };
    return { fs, one, other };
  }

  it('both read what was sealed there before, and neither lets the other go without', async () => {
    const { fs, one, other } = await clones();
    const before = fs.list(MOUNT);
    expect(before).toHaveLength(1);
    for (const clone of [one, other]) expect(await eventsOf(clone)).toEqual(clone.events);
    await settle(other, { retention: [DUE] });
    expect(fs.list(MOUNT)).toEqual(before);
    expect(await eventsOf(one)).toEqual(one.events);
    for (const { dir, environment } of [one, other]) {
      expect(await verify(dir, environment)).toMatchObject({ ok: true, damage: [] });
    }
  });

  it('neither takes what the other has sealed since for its own, nor removes it', async () => {
    const { fs, one, other } = await clones();
    fill(one, 'one');
    fill(other, 'other');
    await settle(one);
    const [, own] = fs.list(MOUNT);
    const held = fs.readFile(`${MOUNT}/${own}`);
    // the name is taken: it stays in the log, and nothing is replaced
    await expect(settle(other)).rejects.toMatchObject({ code: 'USAGE' });
    expect(await eventsOf(one)).toEqual(one.events);
    expect(await eventsOf(other)).toEqual(other.events);
    fs.rename(`${MOUNT}/${own}`, '/put-aside');
    await settle(other);
    const others = fs.list(MOUNT).filter((name) => name !== fs.list(MOUNT)[0]);
    expect(others).toEqual([own]);
    expect(await eventsOf(other)).toEqual(other.events);
    const store = Store.open(DIR, one.environment);
    const items = [];
    for await (const item of store.read('test/events')) items.push(item);
    store.close();
    expect(items.map((item) => item.kind)).toContain('fault');
    expect(JSON.stringify(items, (_, value: unknown) => String(value))).not.toContain('other ');
    // what the first id has sealed since is nothing to the clone, under whatever range
    fs.writeFileDurably(`${MOUNT}/${own}`, held);
    const report = await verify(CLONE, other.environment);
    expect(report.damage.map(({ what }) => what)).toContain('a chunk of another store');
    await settle(other, { retention: [DUE] });
    expect(Buffer.compare(fs.readFile(`${MOUNT}/${own}`), held)).toBe(0);
  });
});
