/** What doctor finds, what it says of it, and what --repair leaves. */
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { crc32c } from '../../../engine/base/crc32c.ts';
import type { Lock } from '../../../engine/files/file-system.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { readLog, segmentStart } from '../../../engine/store/log/log.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { repair } from '../../../engine/tools/doctor-repair.ts';
import { doctor } from '../../../engine/tools/doctor.ts';
import { readManifest } from '../../../engine/store/upkeep/quarantine.ts';
import type { DoctorReport } from '../../../engine/tools/types.ts';
import type { SimulatedDisk } from '../../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost, type Host } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter, text } from '../../support/stores.ts';

const DIR = '/store';
const SEGMENT = segmentPath(`${DIR}/log`, 1);

function soundStore(): { fs: SimulatedFileSystem; environment: StoreEnvironment } {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, pause: () => {} };
  const writer = openWriter(DIR, MIB, environment);
  const opened = beginEvents(writer);
  for (const event of ['0', '1', '2']) writer.appendEvents(opened, [bytes(event)]);
  writer.close();
  return { fs, environment };
}

/** Byte of the group that holds the n-th event. */
function placeOf(fs: SimulatedFileSystem, event: number): number {
  const log = readLog(fs, `${DIR}/log`, { lsn: segmentStart(1), last: undefined }, undefined);
  const groups = [...log].filter(
    (item) => item.kind === 'group' && item.entries.all().some(({ kind }) => kind === KIND.events),
  );
  const group = groups[event];
  if (group === undefined) throw new Error(`no event ${event}`);
  return group.offset;
}

const kinds = ({ findings }: DoctorReport): string[] => findings.map(({ kind }) => kind).sort();

async function eventsOf(environment: StoreEnvironment): Promise<string[]> {
  const store = Store.open(DIR, environment);
  const found: string[] = [];
  for await (const item of store.read('test/events')) {
    if (item.kind === 'events') found.push(...item.events.map(text));
    if (item.kind === 'gap') found.push(`gap(${item.reason})×${item.records}`);
  }
  store.close();
  return found;
}

/** What a memory file system makes of any store: no direct writes, no room for a ballast. */
const ALWAYS = ['ballast', 'free-space', 'rung'];

/** A disk, or a directory, that can be read and not written. */
class Refusing extends SimulatedFileSystem {
  readonly #errno: string;

  constructor(disk: SimulatedDisk, errno: string) {
    super(disk);
    this.#errno = errno;
  }

  override lock(path: string, exclusive: boolean): Lock | undefined {
    if (exclusive) throw Object.assign(new Error(this.#errno), { code: this.#errno });
    return super.lock(path, exclusive);
  }
}

describe('doctor', () => {
  it('finds nothing wrong with a sound store, and changes nothing', async () => {
    const { fs, environment } = soundStore();
    const before = fs.readFile(SEGMENT);
    const report = await doctor(DIR, environment);
    expect(report.ok).toBe(true);
    expect(kinds(report)).toEqual(ALWAYS);
    expect(Buffer.compare(fs.readFile(SEGMENT), before)).toBe(0);
    expect(fs.exists(`${DIR}/quarantine`)).toBe(false);
  });

  it('explains damage, copies its bytes, and knows it afterwards', async () => {
    const { fs, environment } = soundStore();
    const at = placeOf(fs, 1);
    fs.bytesOf(SEGMENT)[at + 30]! ^= 0xff;
    const damaged = fs.readFile(SEGMENT).slice(at, at + 4096);
    const found = await doctor(DIR, environment);
    expect(found.ok).toBe(false);
    const [finding] = found.findings.filter(({ severity }) => severity === 'damage');
    expect(finding).toMatchObject({ kind: 'damage', file: SEGMENT, offset: String(at) });
    expect(finding!.advice).toContain('--repair');
    const steps: string[] = [];
    const repaired = await repair(DIR, (step) => steps.push(step), environment);
    expect(repaired.ok).toBe(true);
    expect(steps.join('\n')).toMatch(/copied .* to quarantine/);
    const [entry, ...rest] = readManifest(fs, DIR).entries;
    expect(rest).toEqual([]);
    expect(entry).toMatchObject({ offset: String(at), length: '4096', unreadable: [] });
    const copy = fs.readFile(`${DIR}/quarantine/${entry!.as}`);
    expect(Buffer.compare(copy, damaged)).toBe(0);
    expect(Buffer.compare(fs.readFile(SEGMENT).slice(at, at + 4096), damaged)).toBe(0);
    const again = await doctor(DIR, environment);
    expect(again.ok).toBe(true);
    expect(kinds(again)).toEqual([...ALWAYS, 'known-damage'].sort());
    expect(await eventsOf(environment)).toEqual(['0', 'gap(corrupt)×1', '2']);
  });

  it('writes down what is lost, so that it stays lost if the bytes come back', async () => {
    const { fs, environment } = soundStore();
    const at = placeOf(fs, 1);
    fs.bytesOf(SEGMENT)[at + 30]! ^= 0xff;
    await repair(DIR, () => {}, environment);
    fs.bytesOf(SEGMENT)[at + 30]! ^= 0xff;
    expect(await eventsOf(environment)).toEqual(['0', 'gap(corrupt)×1', '2']);
  });

  it('new damage beside known damage is damage', async () => {
    const { fs, environment } = soundStore();
    fs.bytesOf(SEGMENT)[placeOf(fs, 1) + 30]! ^= 0xff;
    await repair(DIR, () => {}, environment);
    fs.bytesOf(SEGMENT)[placeOf(fs, 0) + 30]! ^= 0xff;
    expect((await doctor(DIR, environment)).ok).toBe(false);
  });

  it('what cannot be read is zeros in the copy, and named in the manifest', async () => {
    const { fs, environment } = soundStore();
    const at = placeOf(fs, 1);
    fs.bytesOf(SEGMENT)[at + 30]! ^= 0xff;
    const open: SimulatedFileSystem['open'] = (path, mode) => {
      const file = fs.open(path, mode);
      const read: typeof file.read = (into, position) => {
        if (path === SEGMENT && position === at && into.length === 4096) {
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        }
        return file.read(into, position);
      };
      return { ...file, read };
    };
    // methods of the class reach its private state only on the object itself
    const broken = new Proxy(fs, {
      get: (disk, key) => {
        if (key === 'open') return open;
        const value = Reflect.get(disk, key, disk) as unknown;
        return typeof value === 'function' ? (value.bind(disk) as unknown) : value;
      },
    });
    await repair(DIR, () => {}, { ...environment, fs: broken });
    const [entry] = readManifest(fs, DIR).entries;
    expect(entry!.unreadable).toEqual([[String(at), '4096']]);
    expect(fs.readFile(`${DIR}/quarantine/${entry!.as}`).every((byte) => byte === 0)).toBe(true);
  });

  it('moves what was left behind aside, and a spare that is not zeros', async () => {
    const { fs, environment } = soundStore();
    fs.writeFileDurably(`${DIR}/mark.tmp`, bytes('half a mark'));
    const spare = new Uint8Array(8192);
    spare[5000] = 1;
    fs.writeFileDurably(`${DIR}/log/spare-9.seg`, spare);
    expect(kinds(await doctor(DIR, environment))).toEqual([...ALWAYS, 'leftover', 'spare'].sort());
    await repair(DIR, () => {}, environment);
    expect(text(fs.readFile(`${DIR}/quarantine/mark.tmp`))).toBe('half a mark');
    expect(Buffer.compare(fs.readFile(`${DIR}/quarantine/log_spare-9.seg`), spare)).toBe(0);
    expect(kinds(await doctor(DIR, environment))).toEqual(ALWAYS);
  });

  it('a recycled segment may hold what it held', async () => {
    const { fs, environment } = soundStore();
    const recycled = `${DIR}/log/spare-2.seg`;
    fs.writeFileDurably(recycled, fs.readFile(SEGMENT));
    expect(kinds(await doctor(DIR, environment))).toEqual(ALWAYS);
    await repair(DIR, () => {}, environment);
    expect(fs.exists(`${DIR}/quarantine`)).toBe(false);
  });

  it('leaves alone what is not of the store', async () => {
    const { fs, environment } = soundStore();
    const names = ['helicorder.yaml', 'notes.tmp', 'log/readme', 'chunks/list.txt'];
    fs.makeDirectory(`${DIR}/chunks`);
    for (const name of names) fs.writeFileDurably(`${DIR}/${name}`, bytes(name));
    const report = await repair(DIR, () => {}, environment);
    expect(report.ok).toBe(true);
    const found = report.findings.filter(({ kind }) => kind === 'foreign');
    expect(found.map(({ file }) => file)).toEqual(names.map((name) => `${DIR}/${name}`));
    for (const name of names) expect(text(fs.readFile(`${DIR}/${name}`))).toBe(name);
    expect(fs.exists(`${DIR}/quarantine`)).toBe(false);
  });

  it.each(['', '/log', '/chunks'])('a directory with files in .%s is no store', async (below) => {
    const fs = new SimulatedFileSystem();
    const environment = { ...systemEnvironment, fs, pause: () => {} };
    const names = ['report.txt', 'store.json', 'mark.tmp'];
    fs.makeDirectory(`${DIR}${below}`);
    for (const name of names) fs.writeFileDurably(`${DIR}${below}/${name}`, bytes(name));
    const refused = { code: 'NOT_A_STORE', exitCode: 64 };
    await expect(repair(DIR, () => {}, environment)).rejects.toMatchObject(refused);
    await expect(doctor(DIR, environment)).rejects.toMatchObject(refused);
    expect(fs.list(`${DIR}${below}`)).toEqual(names.toSorted());
    expect(fs.exists(`${DIR}/lock`) || fs.exists(`${DIR}/quarantine`)).toBe(false);
  });

  it('moves the leftovers of all that makes temporary files', async () => {
    const { fs, environment } = soundStore();
    const range = `${'1'.padStart(20, '0')}-${'2'.padStart(20, '0')}`;
    const names = ['store.json.tmp', 'mark.tmp', 'log/.probe-direct', `chunks/.${range}.chunk`];
    fs.makeDirectory(`${DIR}/chunks`);
    for (const name of names) fs.writeFileDurably(`${DIR}/${name}`, bytes(name));
    await repair(DIR, () => {}, environment);
    for (const name of names) {
      expect(fs.exists(`${DIR}/${name}`)).toBe(false);
      expect(text(fs.readFile(`${DIR}/quarantine/${name.replace('/', '_')}`))).toBe(name);
    }
  });

  it('leaves a chunk that does not count where it is', async () => {
    const { fs, environment } = soundStore();
    const name = `${DIR}/chunks/${'1'.padStart(20, '0')}-${'9'.padStart(20, '0')}.chunk`;
    fs.makeDirectory(`${DIR}/chunks`);
    fs.writeFileDurably(name, bytes('a chunk'));
    expect(kinds(await doctor(DIR, environment))).toContain('unlisted-chunk');
    await repair(DIR, () => {}, environment);
    expect(fs.exists(name)).toBe(true);
  });

  it('makes store.json anew, and keeps a copy of the damaged one', async () => {
    const { fs, environment } = soundStore();
    fs.writeFileDurably(`${DIR}/store.json`, bytes('{"format":'));
    expect((await doctor(DIR, environment)).ok).toBe(false);
    const report = await repair(DIR, () => {}, environment);
    expect(report.ok).toBe(true);
    expect(report.findings.find(({ kind }) => kind === 'small-file')!.repaired).not.toBeNull();
    const [entry] = readManifest(fs, DIR).entries;
    expect(text(fs.readFile(`${DIR}/quarantine/${entry!.as}`))).toBe('{"format":');
  });

  it('replaces nothing that was put aside before', async () => {
    const { fs, environment } = soundStore();
    const contents = ['one', 'two', 'three'];
    for (const content of contents) {
      fs.writeFileDurably(`${DIR}/mark.tmp`, bytes(`half a mark ${content}`));
      fs.writeFileDurably(`${DIR}/store.json`, bytes(content.padEnd(8)));
      // all that was known is gone with it
      fs.makeDirectory(`${DIR}/quarantine`);
      fs.writeFileDurably(`${DIR}/quarantine/manifest.json`, bytes(content));
      await repair(DIR, () => {}, environment);
    }
    const kept = (name: string): string[] =>
      ['', '.1', '.2'].map((end) => text(fs.readFile(`${DIR}/quarantine/${name}${end}`)));
    expect(kept('mark.tmp')).toEqual(contents.map((content) => `half a mark ${content}`));
    expect(kept('store.json-0-8.bin')).toEqual(contents.map((content) => content.padEnd(8)));
    expect(kept('manifest.json.unreadable')).toEqual(contents);
    const entries = readManifest(fs, DIR).entries.map(({ as, crc }) => ({ as, crc }));
    const crc = crc32c(bytes('three   ')).toString(16).padStart(8, '0');
    expect(entries).toEqual([{ as: 'store.json-0-8.bin.2', crc }]);
  });

  it.each(['EROFS', 'EACCES'])('that may not write, or read, says so: %s', async (errno) => {
    const { fs, environment } = soundStore();
    fs.bytesOf(SEGMENT)[placeOf(fs, 1) + 30]! ^= 0xff;
    const repaired = repair(DIR, () => {}, { ...environment, fs: new Refusing(fs.disk, errno) });
    await expect(repaired).rejects.toMatchObject({ code: 'READ_ONLY', exitCode: 78 });
    await expect(repaired).rejects.toThrow(`cannot repair the store in ${DIR}: ${errno}`);
    const fault: Host['fault'] = (_, path) => (path.endsWith('store.json') ? errno : undefined);
    const foreign = new SimulatedFileSystem(fs.disk, { ...calmHost, fault });
    const inspected = doctor(DIR, { ...environment, fs: foreign });
    await expect(inspected).rejects.toThrow(`cannot read the store in ${DIR}: ${errno}`);
    expect(fs.exists(`${DIR}/quarantine`)).toBe(false);
  });

  it('beside an owner inspects, and refuses to repair', async () => {
    const { environment } = soundStore();
    const owner = openWriter(DIR, MIB, environment);
    const report = await doctor(DIR, environment);
    expect(report.ok).toBe(true);
    expect(kinds(report)).toContain('owner');
    await expect(repair(DIR, () => {}, environment)).rejects.toMatchObject({
      ...{ code: 'STORE_IN_USE', exitCode: 75 },
    });
    owner.close();
  });
});
