/** Whose store it is: bound to a machine, another one after it was copied, and its versions. */
import Database from 'better-sqlite3';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { crc32c } from '../../../engine/base/crc32c.ts';
import { Catalog } from '../../../engine/store/state/catalog.ts';
import { readStoreJson } from '../../../engine/store/log/files.ts';
import { hex } from '../../../engine/base/bytes.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { repair } from '../../../engine/tools/doctor-repair.ts';
import { doctor } from '../../../engine/tools/doctor.ts';
import { migrateStore, storeInfo } from '../../../engine/tools/store-info.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { MACHINE_A, MACHINE_B, on } from '../../support/machines.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const DIR = '/store';
function record(environment: StoreEnvironment, event: string): StoreWriter {
  const writer = openWriter(DIR, MIB, environment);
  writer.appendEvents(beginEvents(writer), [bytes(event)]);
  return writer;
}

const idOf = ({ identity }: StoreWriter): string => hex(identity.storeId);

describe('a store', () => {
  it('keeps its id on its machine', () => {
    const fs = new SimulatedFileSystem();
    const first = record(on(fs, MACHINE_A), 'one');
    first.close();
    const again = record(on(fs, MACHINE_A), 'two');
    again.close();
    expect(idOf(again)).toBe(idOf(first));
    expect(again.warnings).toEqual([]);
    expect(storeInfo(DIR, on(fs, MACHINE_A))).toMatchObject({
      ...{ storeId: idOf(first), origin: null, machineId: MACHINE_A, clean: true, owned: false },
      ...{ format: 1, streams: 1, segments: { count: 1, first: '1', last: '1' }, generation: '2' },
    });
  });

  it('copied to another machine takes another id, says so, and stays whole', async () => {
    const original = new SimulatedFileSystem();
    const before = record(on(original, MACHINE_A), 'one');
    before.close();
    const fs = original.clone();
    const copy = record(on(fs, MACHINE_B), 'two');
    expect(idOf(copy)).not.toBe(idOf(before));
    expect(hex(copy.identity.origin!)).toBe(idOf(before));
    expect(copy.warnings).toEqual([expect.stringContaining('copied from another machine')]);
    const large = bytes('x'.repeat(9000));
    const opened = beginEvents(copy);
    while (segmentOf(copy.durableEnd) < 3) copy.appendEvents(opened, [large]);
    copy.close();
    const next = record(on(fs, MACHINE_B), 'three');
    expect(idOf(next)).toBe(idOf(copy));
    expect(next.warnings).toEqual([]);
    next.close();
    expect(await verify(DIR, on(fs, MACHINE_B))).toMatchObject({ ok: true, damage: [] });
    const info = storeInfo(DIR, on(fs, MACHINE_B));
    expect(info).toMatchObject({ storeId: idOf(copy), origin: idOf(before), machineId: MACHINE_B });
  });

  it('copied again and again is still verified, under every id it had', async () => {
    const fs = new SimulatedFileSystem();
    const ids = new Set<string>();
    for (const machine of [MACHINE_A, MACHINE_B, 'c'.repeat(32), MACHINE_A]) {
      const writer = record(on(fs, machine), machine);
      ids.add(idOf(writer));
      writer.abandon();
    }
    expect(ids.size).toBe(4);
    expect((await verify(DIR, on(fs, MACHINE_A))).damage).toEqual([]);
  });

  it('whose change of identity was cut off after store.json writes the entry later', async () => {
    const fs = new SimulatedFileSystem();
    record(on(fs, MACHINE_A), 'one').close();
    const elsewhere = fs.clone();
    const moved = record(on(elsewhere, MACHINE_B), 'two');
    moved.abandon();
    const environment = on(fs, MACHINE_B);
    fs.writeFileDurably(`${DIR}/store.json`, elsewhere.readFile(`${DIR}/store.json`));
    expect((await verify(DIR, environment)).damage).toEqual([]);
    const writer = record(environment, 'three');
    expect(idOf(writer)).toBe(idOf(moved));
    expect(writer.warnings).toEqual([]);
    expect(writer.state.identities).toMatchObject([{ storeId: idOf(moved) }]);
    writer.close();
  });

  it('without a machine id, on either side, raises no alarm', () => {
    const fs = new SimulatedFileSystem();
    const first = record(on(fs, undefined), 'one');
    first.close();
    for (const machine of [undefined, MACHINE_A, undefined, MACHINE_A]) {
      const writer = record(on(fs, machine), 'more');
      expect(idOf(writer), machine).toBe(idOf(first));
      expect(writer.warnings).toEqual([]);
      writer.close();
    }
    const elsewhere = record(on(fs, MACHINE_B), 'bound to the first machine that had an id');
    expect(idOf(elsewhere)).not.toBe(idOf(first));
    elsewhere.close();
  });

  it('believes its log, not the store.json of another store', async () => {
    const [fs, other] = [new SimulatedFileSystem(), new SimulatedFileSystem()];
    const own = record(on(fs, MACHINE_A), 'own');
    own.close();
    record(on(other, MACHINE_A), 'other').close();
    fs.writeFileDurably(`${DIR}/store.json`, other.readFile(`${DIR}/store.json`));
    const environment = on(fs, MACHINE_A);
    const { damage } = await verify(DIR, environment);
    expect(damage.map(({ what }) => what)).toEqual(['store id of another store']);
    const again = record(environment, 'again');
    expect(idOf(again)).toBe(idOf(own));
    expect(again.warnings).toEqual([expect.stringContaining('that of another store')]);
    again.close();
    expect((await verify(DIR, environment)).ok).toBe(true);
  });

  it('with a segment of another store is reported', async () => {
    const [fs, other] = [new SimulatedFileSystem(), new SimulatedFileSystem()];
    for (const disk of [fs, other]) {
      const writer = record(on(disk, MACHINE_A), 'one');
      const opened = beginEvents(writer);
      while (segmentOf(writer.durableEnd) < 3) writer.appendEvents(opened, [new Uint8Array(9000)]);
      writer.close();
    }
    const second = segmentPath(`${DIR}/log`, 2);
    fs.writeFileDurably(second, other.readFile(second));
    const { damage } = await verify(DIR, on(fs, MACHINE_A));
    expect(damage).toContainEqual(
      expect.objectContaining({ file: second, what: 'segment of another store' }),
    );
  });
});

const refused = (file: string, version: number): unknown =>
  expect.objectContaining({
    code: 'FORMAT_VERSION',
    message: expect.stringMatching(new RegExp(`${file}.* is of format ${version}`)) as string,
  });

describe.each([0, 2])('a file of format %i', (version) => {
  function sound(): { fs: SimulatedFileSystem; environment: StoreEnvironment } {
    const fs = new SimulatedFileSystem();
    const environment = on(fs, MACHINE_A);
    record(environment, 'one').close();
    return { fs, environment };
  }

  async function expectRefused(environment: StoreEnvironment, file: string): Promise<void> {
    const { fs } = environment;
    const before = fs.list(DIR);
    expect(() => openWriter(DIR, MIB, environment)).toThrow(refused(file, version));
    expect(() => migrateStore(DIR, environment)).toThrow(refused(file, version));
    expect(() => Store.open(DIR, environment)).toThrow(refused(file, version));
    await expect(doctor(DIR, environment)).rejects.toEqual(refused(file, version));
    await expect(repair(DIR, () => {}, environment)).rejects.toEqual(refused(file, version));
    expect(fs.list(DIR)).toEqual(before);
  }

  it('named store.json is refused, and nothing is changed', async () => {
    const { fs, environment } = sound();
    const path = `${DIR}/store.json`;
    const { checksum, ...facts } = JSON.parse(fs.readText(path)) as Record<string, unknown>;
    expect(checksum).toBeDefined();
    const other = { ...facts, format: version };
    const sum = crc32c(bytes(JSON.stringify(other)))
      .toString(16)
      .padStart(8, '0');
    fs.writeFileDurably(path, bytes(JSON.stringify({ ...other, checksum: sum })));
    const before = fs.readFile(segmentPath(`${DIR}/log`, 1));
    await expectRefused(environment, 'store.json');
    expect(Buffer.compare(fs.readFile(segmentPath(`${DIR}/log`, 1)), before)).toBe(0);
  });

  it('that is a segment is refused', async () => {
    const { fs, environment } = sound();
    const segment = fs.bytesOf(segmentPath(`${DIR}/log`, 1));
    const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
    view.setUint16(4, version, true);
    view.setUint32(156, crc32c(segment.subarray(0, 156)), true);
    await expectRefused(environment, '00000000000000000001.seg');
  });

  it('that is the mark of this boot is refused', async () => {
    const { fs, environment } = sound();
    const mark = fs.bytesOf(`${DIR}/mark`);
    const view = new DataView(mark.buffer, mark.byteOffset, mark.length);
    view.setUint32(4, version, true);
    view.setUint32(4092, crc32c(mark.subarray(0, 48)), true);
    await expectRefused(environment, 'mark');
  });

  it('that is the catalog is made anew', () => {
    const dir = join(temporaryDirectory(), 'store');
    const writer = openWriter(dir);
    const { paths, identity, state } = writer;
    const open = (): Catalog =>
      new Catalog(systemEnvironment.fs, paths.catalog, paths.log, identity.storeId);
    const first = open();
    first.checkpoint(state, writer.durableEnd);
    first.close();
    const database = new Database(paths.catalog);
    // the catalog's own format is one version further
    database.pragma(`user_version = ${version + 1}`);
    database.exec('CREATE TABLE foreign_one (id)');
    database.close();
    const second = open();
    second.checkpoint(state, writer.durableEnd);
    second.close();
    writer.close();
    expect(second.problem).toBeUndefined();
    const again = new Database(paths.catalog, { readonly: true });
    expect(again.pragma('user_version', { simple: true })).toBe(2);
    expect(again.prepare("SELECT 1 FROM sqlite_master WHERE name = 'foreign_one'").all()).toEqual(
      [],
    );
    again.close();
  });
});

describe('store.json', () => {
  it('holds an origin only after a change, and is read with and without one', () => {
    const dir = join(temporaryDirectory(), 'store');
    openWriter(dir).close();
    const path = join(dir, 'store.json');
    expect(readFileSync(path, 'utf8')).not.toContain('origin');
    expect(readStoreJson(systemEnvironment.fs, path)!.origin).toBeUndefined();
    writeFileSync(path, '{}');
    expect(readStoreJson(systemEnvironment.fs, path)).toBeUndefined();
  });
});
