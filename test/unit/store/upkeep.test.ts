/** Sealing, retention and tidying as the owner lets them happen, step by step, in one thread. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import type { HelicorderError } from '../../../engine/base/errors.ts';
import { KEEP_ALL, type RetentionRule } from '../../../engine/base/retention.ts';
import type { File } from '../../../engine/files/file-system.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import {
  keepCopies,
  readManifest,
  type QuarantineEntry,
} from '../../../engine/store/upkeep/quarantine.ts';
import { listSegments } from '../../../engine/store/log/segment.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { applyUpkeep, setCursor } from '../../../engine/store/write/changes.ts';
import {
  upkeepStep,
  type UpkeepOptions,
  type UpkeepResult,
} from '../../../engine/store/upkeep/upkeep.ts';
import { StoreWriter, type OpenedRun } from '../../../engine/store/write/writer.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore } from '../../support/chunk-store.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { SeededRandom } from '../../support/random.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';
const NOISE = new SeededRandom(5).bytes(60_000);

/**
 * A disk that, when told to, gives other bytes back than a chunk was written with. A chunk is
 * closed once: after that its number may be another file's.
 */
class LyingDisk extends SimulatedFileSystem {
  lies = false;
  lied = 0;
  /** shorter writes are as they are: a header, a trailer */
  fromBytes = 100;

  override open(path: string, mode: 'read' | 'write' | 'create'): File {
    const file = super.open(path, mode);
    if (!path.endsWith('.chunk')) return file;
    if (mode === 'read') return closedOnce(file);
    const write: File['write'] = (block, position) => {
      const written = block.slice();
      if (this.lies && written.length > this.fromBytes) {
        written[50]! ^= 1;
        this.lied++;
      }
      file.write(written, position);
    };
    return { ...file, write };
  }
}

function closedOnce(file: File): File {
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) throw new Error('closed twice');
    isOpen = false;
    file.close();
  };
  return { ...file, close };
}

class Rig {
  readonly fs = new LyingDisk();
  readonly environment: StoreEnvironment;
  readonly writer: StoreWriter;
  readonly samples: OpenedRun;
  readonly events: OpenedRun;
  #tick = 0;

  constructor() {
    const random = new SeededRandom(2);
    this.environment = { ...systemEnvironment, fs: this.fs, random, pause: () => {} };
    this.writer = openWriter(DIR, MIB, this.environment);
    this.samples = beginSamples(this.writer);
    this.events = beginEvents(this.writer);
  }

  /** Fills segments up to number `segment`, with both streams in turns. */
  fillUpTo(segment: number): void {
    while (segmentOf(this.writer.durableEnd) < segment) {
      commitSamples(this.writer, this.samples, this.#tick, 20);
      this.#tick += 20;
      this.writer.appendEvents(this.events, [bytes(`event at ${this.#tick}`), NOISE]);
    }
  }

  /** Steps until there is nothing to do. @returns what was done */
  async settle(rules: Partial<UpkeepOptions> = {}, writer = this.writer): Promise<string[]> {
    const done: string[] = [];
    for (let i = 0; i < 100; i++) {
      const did = await this.step(rules, writer);
      if (did === 'nothing') return done;
      done.push(did);
    }
    throw new Error(`upkeep does not come to an end: ${done.join()}`);
  }

  async step(
    rules: Partial<UpkeepOptions> = {},
    writer = this.writer,
  ): Promise<UpkeepResult['did']> {
    const defaults = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    const options = { ...defaults, ...rules };
    const result = await upkeepStep(options, this.environment, () => Promise.resolve());
    applyUpkeep(writer, result);
    return result.did;
  }

  async records(stream: string): Promise<string[]> {
    const store = Store.open(DIR, this.environment);
    const found: string[] = [];
    for await (const item of store.read(stream)) {
      if (item.kind === 'gap') found.push(`${item.firstOffset} ${item.reason} ×${item.records}`);
      if (item.kind === 'events') {
        item.events.forEach((event, i) => found.push(`${item.firstOffset + i} ${event.length}`));
      }
      if (item.kind === 'samples') {
        item.batch.ticks.forEach((tick, i) => found.push(`${item.firstOffset + i} ${tick}`));
      }
    }
    store.close();
    return found;
  }

  chunks(): string[] {
    return this.fs.list(`${DIR}/chunks`).filter((name) => name.endsWith('.chunk'));
  }
}

const dropOldest: RetentionRule = { ...KEEP_ALL, pattern: '*', onFull: 'drop-oldest' };

describe('upkeep', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  it('finished segments become chunks and go; no reader notices', async () => {
    rig.fillUpTo(4);
    const before = [await rig.records('test/samples'), await rig.records('test/events')];
    expect(await rig.settle()).toEqual(['sealed']);
    expect(listSegments(rig.fs, `${DIR}/log`)).toEqual([4]);
    expect([await rig.records('test/samples'), await rig.records('test/events')]).toEqual(before);
    expect(await rig.settle()).toEqual([]);
  });

  it('neighbours of one size are joined, and verify finds nothing wrong', async () => {
    for (let segment = 2; segment <= 10; segment++) {
      rig.fillUpTo(segment);
      await rig.settle();
    }
    expect(rig.chunks().length).toBeLessThan(8);
    rig.writer.close();
    const report = await verify(DIR, rig.environment);
    expect(report.damage).toEqual([]);
    expect(report.ok).toBe(true);
  });

  async function whileLying(rules: Partial<UpkeepOptions> = {}): Promise<void> {
    const before = [await rig.records('test/samples'), rig.chunks()];
    rig.fs.lies = true;
    const settled = await rig.settle(rules).catch((error: HelicorderError) => error.code);
    expect(['DAMAGED', ['planned']]).toContainEqual(settled);
    expect(rig.fs.lied).toBeGreaterThan(0);
    expect([await rig.records('test/samples'), rig.chunks()]).toEqual(before);
    rig.fs.lies = false;
    expect(await rig.settle(rules)).not.toEqual([]);
    expect(await rig.records('test/samples')).toEqual(before[0]);
    expect((await verify(DIR, rig.environment)).damage).toEqual([]);
  }

  it.each([100, 0])('a chunk that cannot be read back lets no segment go (%i)', async (from) => {
    rig.fs.fromBytes = from;
    rig.fillUpTo(3);
    await whileLying();
  });

  it('nor any of those that it joins', async () => {
    for (let segment = 2; segment <= 8; segment++) {
      rig.fillUpTo(segment);
      await rig.settle();
    }
    rig.fillUpTo(9);
    await rig.step();
    expect(rig.chunks()).toHaveLength(8);
    await whileLying();
  });

  it('nor the one that it would replace', async () => {
    rig.fillUpTo(4);
    await rig.settle();
    await whileLying({ retention: [{ ...KEEP_ALL, pattern: 'test/events', bytes: 1 }] });
  });

  it('what is over the budget goes, oldest first, and stays accounted for', async () => {
    for (let segment = 2; segment <= 14; segment++) {
      rig.fillUpTo(segment);
      await rig.settle({ budgetBytes: 12 * MIB, retention: [dropOldest] });
      expect(rig.fs.diskUse(DIR)).toBeLessThanOrEqual(14 * MIB);
    }
    const records = await rig.records('test/samples');
    const [, reason, gone] = /^0 (\w+) ×(\d+)$/.exec(records[0]!)!;
    expect(reason).toBe('retired');
    expect(records[1]).toBe(`${gone} ${gone}`);
    const report = await verify(DIR, rig.environment);
    expect(report).toMatchObject({ ok: true, damage: [] });
    const stream = report.streams.find(({ name }) => name === 'test/samples')!;
    expect(stream.gaps).toMatchObject([{ reason: 'retired', ticks: gone }]);
    expect(Number(stream.samples) + Number(gone)).toBe(Number(stream.ticksScheduled));
  });

  it('a budget that cannot hold the segments there are is refused, naming what is needed', () => {
    rig.writer.abandon();
    const budget = { bytes: 7 * MIB, minFreeBytes: 0 };
    const open = (): StoreWriter => StoreWriter.open(DIR, { ...rig.environment, budget });
    expect(open).toThrow(/segments of 1 MiB and needs at least 8 MiB/);
    beginEvents(openWriter(DIR, MIB, rig.environment));
  });

  it('a backlog of segments is sealed in pieces for which there is room', async () => {
    let most = 0;
    const disk = new SimulatedDisk();
    const step = (): void => void (most = Math.max(most, disk.usedUnder(DIR)));
    const store = new ChunkStore(disk, undefined, { ...calmHost, step });
    store.fillUpTo(8);
    const done = await store.settle({ budgetBytes: 9 * MIB, retention: [dropOldest] });
    expect(done.filter((what) => what === 'sealed').length).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(11 * MIB);
    expect(listSegments(store.fs, `${DIR}/log`)).toEqual([8]);
  });

  it('a full budget lets every owner begin, grows no further, and goes on when it may drop', async () => {
    const budgetBytes = 12 * MIB;
    const open = (): StoreWriter =>
      StoreWriter.open(DIR, {
        ...{ ...rig.environment, segmentBytes: MIB },
        budget: { bytes: budgetBytes, minFreeBytes: 0 },
      });
    rig.writer.abandon();
    let size = 0;
    for (let life = 0; life < 120; life++) {
      const writer = open();
      const events = beginEvents(writer);
      const fill = (): void => {
        for (;;) writer.appendEvents(events, [NOISE]);
      };
      expect(fill).toThrow(/has reached its budget/);
      writer.abandon();
      size = Math.max(size, rig.fs.diskUse(DIR));
    }
    expect(size).toBeLessThanOrEqual(budgetBytes + 3 * MIB);
    const writer = open();
    const rules = { budgetBytes, retention: [dropOldest] };
    for (let i = 0; i < 3; i++) await rig.settle(rules, writer);
    writer.appendEvents(beginEvents(writer), [bytes('there is room again')]);
    writer.close();
  });

  it('what is due goes, too, while segments are finished as fast as they are sealed', async () => {
    const due = { ...KEEP_ALL, pattern: 'test/events', bytes: 1 };
    let after: UpkeepOptions['after'];
    for (let segment = 2; segment <= 14; segment++) {
      rig.fillUpTo(segment);
      after = await rig.step({ after, retention: [due] });
    }
    expect((await rig.records('test/events'))[0]).toMatch(/^0 retired/);
    expect(listSegments(rig.fs, `${DIR}/log`).length).toBeLessThan(4);
  });

  it('a stream that keeps all of its data is not taken from', async () => {
    const keep = { ...KEEP_ALL, pattern: 'test/samples' };
    for (let segment = 2; segment <= 14; segment++) {
      rig.fillUpTo(segment);
      await rig.settle({ budgetBytes: 12 * MIB, retention: [keep, dropOldest] });
    }
    expect((await rig.records('test/samples'))[0]).toBe('0 0');
    expect((await rig.records('test/events'))[0]).toMatch(/^0 retired/);
  });

  it('a cursor holds what its consumer has not read, from age and share', async () => {
    rig.fillUpTo(4);
    const cursor = (offset: number): void =>
      setCursor(rig.writer, { name: 'mine', stream: 'test/events', offset }, 1n);
    const rules = { retention: [{ ...KEEP_ALL, pattern: 'test/events', bytes: 1 }] };
    cursor(0);
    const all = await rig.records('test/events');
    await rig.settle(rules);
    expect(await rig.records('test/events')).toEqual(all);
    cursor(all.length);
    await rig.settle(rules);
    expect((await rig.records('test/events'))[0]).toMatch(/^0 retired/);
  });

  it('but not from the budget, which takes first what is due', async () => {
    setCursor(rig.writer, { name: 'mine', stream: 'test/events', offset: 0 }, 1n);
    const due = { ...KEEP_ALL, pattern: 'test/events', bytes: 1 };
    for (let segment = 2; segment <= 14; segment++) {
      rig.fillUpTo(segment);
      await rig.settle({ budgetBytes: 12 * MIB, retention: [due, dropOldest] });
      expect(rig.fs.diskUse(DIR)).toBeLessThanOrEqual(14 * MIB);
    }
    const records = await rig.records('test/events');
    expect(records[0]).toMatch(/^0 retired/);
    // no more of it than there had to be room for
    expect(records.length).toBeGreaterThan(20);
  });

  it('a reader that is overtaken meets gap(retired) where it stands, and no hole', async () => {
    rig.fillUpTo(3);
    const store = Store.open(DIR, rig.environment);
    const ended = new AbortController();
    const seen: string[] = [];
    for await (const item of store.read('test/events', { follow: true, signal: ended.signal })) {
      if (item.kind === 'fault') throw new Error(item.fault.what);
      seen.push(`${item.firstOffset} ${item.kind === 'gap' ? item.reason : item.kind}`);
      if (item.firstOffset > 0) {
        if (item.kind === 'gap') break;
        continue;
      }
      for (let segment = 4; segment <= 14; segment++) {
        rig.fillUpTo(segment);
        await rig.settle({ budgetBytes: 12 * MIB, retention: [dropOldest] });
      }
    }
    ended.abort();
    store.close();
    expect(seen.filter((line) => line.includes('corrupt'))).toEqual([]);
    expect(seen.at(-1)).toMatch(/^\d+ retired$/);
  });

  it('damaged bytes of a segment that is sealed are kept in the quarantine', async () => {
    rig.fillUpTo(3);
    const path = `${DIR}/log/${'2'.padStart(20, '0')}.seg`;
    const file = rig.fs.open(path, 'write');
    const noise = new SeededRandom(9).bytes(4096);
    file.write(noise, 512 * 1024);
    file.close();
    await rig.settle();
    expect(rig.fs.exists(path)).toBe(false);
    const { entries } = readManifest(rig.fs, DIR);
    expect(entries).toHaveLength(1);
    const [{ as, offset }] = entries as [QuarantineEntry];
    const copy = rig.fs.readFile(`${DIR}/quarantine/${as}`);
    const at = 512 * 1024 - Number(offset);
    expect(Buffer.compare(copy.subarray(at, at + 4096), noise)).toBe(0);
  });

  it('and of copies for which the disk has no room nothing is left, but for the next try', () => {
    rig.fillUpTo(2);
    const file = `${DIR}/log/${'1'.padStart(20, '0')}.seg`;
    const found = ['4096', '40960'].map((offset) => ({ file, offset, length: '8192', what: 'it' }));
    const open = rig.fs.open.bind(rig.fs);
    rig.fs.open = (path, mode) => {
      const opened = open(path, mode);
      if (!path.includes('40960-8192.bin')) return opened;
      const write: File['write'] = (block, position) => {
        if (position > 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        opened.write(block, position);
      };
      return { ...opened, write };
    };
    const before = rig.fs.openFiles.size;
    expect(() => keepCopies(rig.environment, DIR, found)).toThrow(/no space/);
    expect(rig.fs.openFiles.size).toBe(before);
    expect(rig.fs.list(`${DIR}/quarantine`)).toEqual([]);
    rig.fs.open = open;
    keepCopies(rig.environment, DIR, found);
    const { entries } = readManifest(rig.fs, DIR);
    expect(entries.map(({ offset }) => offset)).toEqual(['4096', '40960']);
    expect(entries.filter(({ as }) => !as.endsWith('.bin'))).toEqual([]);
  });
});
