import { copyFileSync, readFileSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { KIB, MIB } from '../../../engine/base/constants.ts';
import { encodeGap } from '../../../engine/batch/format.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { Catalog, checkCatalog, settleCatalog } from '../../../engine/store/state/catalog.ts';
import { removeStream } from '../../../engine/store/write/changes.ts';
import { KIND, segmentOf } from '../../../engine/store/entries/format.ts';
import type { OpenedRun, StoreWriter } from '../../../engine/store/write/writer.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SeededRandom } from '../../support/random.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const NOISE = Buffer.from(new SeededRandom(5).bytes(90_000)).toString('base64');
const TABLES = ['meta', 'stream', 'schema', 'run', 'segment_stream', 'gap'];

interface Recorded {
  dir: string;
  path: string;
  writer: StoreWriter;
  catalog: Catalog;
  samples: OpenedRun;
  events: OpenedRun;
  tick: number;
}

const opened: Recorded[] = [];

afterEach(() => {
  for (const { catalog, writer } of opened.splice(0)) {
    catalog.close();
    writer.abandon();
  }
});

function record(): Recorded {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const path = join(dir, 'catalog.db');
  const catalog = catalogOf(writer, path);
  const [samples, events] = [beginSamples(writer), beginEvents(writer)];
  const recorded = { dir, path, writer, catalog, samples, events, tick: 0 };
  opened.push(recorded);
  return recorded;
}

function catalogOf(writer: StoreWriter, path: string): Catalog {
  return new Catalog(nodeFileSystem, path, writer.paths.log, writer.identity.storeId);
}

/** Samples, a gap and an event of 120 kB. */
function more(recorded: Recorded): void {
  const { writer, samples, events } = recorded;
  commitSamples(writer, samples, recorded.tick, 10);
  const { run, stream } = samples;
  const place = { run: run.id, firstSeq: run.nextSeq, firstOffset: stream.nextOffset, records: 1 };
  const ticks = { first: recorded.tick + 10, count: 5 };
  const builder = writer.group();
  const gap = encodeGap({ ...place, reason: 'late' as const, ticks, bounds: undefined });
  builder.add(KIND.gap, stream.id, gap);
  writer.commit(builder);
  writer.appendEvents(events, [bytes(NOISE)]);
  recorded.tick += 15;
}

function checkpoint({ catalog, writer }: Recorded): void {
  catalog.checkpoint(writer.state, writer.durableEnd);
  expect(catalog.problem).toBeUndefined();
}

type Row = Record<string, string | number | bigint | null>;

function rowsOf(path: string, table: string): Row[] {
  const database = new Database(path, { readonly: true });
  database.defaultSafeIntegers(true);
  const rows = database.prepare(`SELECT * FROM ${table}`).all() as Row[];
  database.close();
  return rows;
}

/** All tables, without what says when a row was written. */
function facts(path: string): Record<string, Row[]> {
  return Object.fromEntries(
    TABLES.map((table) => [
      table,
      rowsOf(path, table).map((row) => ({ ...row, lsn: null, crc: null })),
    ]),
  );
}

function expectAsMadeAnew({ dir, path, writer }: Recorded): void {
  const anew = join(dir, 'anew.db');
  catalogOf(writer, anew).checkpoint(writer.state, writer.durableEnd);
  expect(facts(path)).toEqual(facts(anew));
}

describe('the catalog', () => {
  it('takes no more of the disk the longer it is written, where upkeep settles it', () => {
    const recorded = record();
    const { writer, samples, path } = recorded;
    let largest = 0;
    for (let tick = 0; tick < 4000; tick += 10) {
      commitSamples(writer, samples, tick, 10);
      checkpoint(recorded);
      largest = Math.max(largest, statSync(`${path}-wal`).size);
      if (tick % 500 === 0) settleCatalog(nodeFileSystem, path);
    }
    expect(largest).toBeLessThan(1.5 * MIB);
    expect(statSync(path).size).toBeGreaterThan(20 * KIB);
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
    const [stream] = rowsOf(path, 'stream');
    expect(stream!['next_offset']).toBe(BigInt(samples.stream.nextOffset));
  });

  it('takes no more of the disk without that, either', () => {
    const recorded = record();
    more(recorded);
    let largest = 0;
    const { catalog, writer, path } = recorded;
    for (let i = 0; i < 6000; i++) {
      catalog.checkpoint(writer.state, writer.durableEnd + i);
      largest = Math.max(largest, statSync(`${path}-wal`).size);
    }
    expect(largest).toBeGreaterThan(8 * MIB);
    expect(largest).toBeLessThan(17 * MIB);
  });

  it('that upkeep cannot settle goes, and its owner makes another', () => {
    const recorded = record();
    more(recorded);
    checkpoint(recorded);
    const before = facts(recorded.path);
    for (const path of [recorded.path, `${recorded.path}-wal`]) {
      rmSync(path);
      writeFileSync(path, 'not a database'.repeat(100));
    }
    settleCatalog(nodeFileSystem, recorded.path);
    expect(existsSync(recorded.path)).toBe(false);
    checkpoint(recorded);
    expect(facts(recorded.path)).toEqual(before);
    expect(checkCatalog(nodeFileSystem, recorded.path)).toBeUndefined();
  });

  it('says what the control state says', () => {
    const recorded = record();
    for (let i = 0; i < 3; i++) more(recorded);
    checkpoint(recorded);
    const { writer, path } = recorded;
    for (const row of rowsOf(path, 'stream')) {
      const stream = writer.state.streams.get(Number(row['id']))!;
      const { records, samples, bytes: size, paddingBytes } = stream.totals;
      expect(row).toMatchObject({
        ...{ name: stream.name, incarnation: stream.incarnation },
        ...{ next_offset: BigInt(stream.nextOffset), records: BigInt(records) },
        ...{ samples: BigInt(samples), bytes: BigInt(size), padding_bytes: BigInt(paddingBytes) },
        ...{ first_nanos: stream.totals.firstNanos, last_nanos: stream.totals.lastNanos },
        lsn: BigInt(writer.durableEnd),
      });
    }
    expect(rowsOf(path, 'stream')).toHaveLength(2);
    for (const row of rowsOf(path, 'run')) {
      const run = writer.state.runs.get(Number(row['id']))!;
      const numbers = { epoch: BigInt(run.epoch), next_seq: BigInt(run.nextSeq) };
      expect(row).toMatchObject({ writer: run.writer, ...numbers, end_reason: null });
    }
    expect(rowsOf(path, 'run')).toHaveLength(2);
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
  });

  it.each(['under its owner', 'before he came'])(
    'forgets a stream that was removed %s, and its runs',
    (when) => {
      const recorded = record();
      more(recorded);
      checkpoint(recorded);
      const { writer, catalog, events, path } = recorded;
      if (when === 'before he came') catalog.close();
      const builder = writer.group();
      writer.addRunEnd(builder, events.run);
      writer.commit(builder);
      removeStream(writer, events.stream.name);
      checkpoint(recorded);
      expect(rowsOf(path, 'stream')).toHaveLength(1);
      expectAsMadeAnew(recorded);
    },
  );

  it('is written row by row, as the log goes on, to what it is when it is written at once', () => {
    const recorded = record();
    const { writer, catalog, path } = recorded;
    for (let i = 0; i < 8; i++) {
      more(recorded);
      do catalog.checkpoint(writer.state, writer.durableEnd, 1);
      while (catalog.hasRest);
    }
    expectAsMadeAnew(recorded);
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
  });

  it('takes no more rows at once than it may, and begins anew where it has to be whole', () => {
    const recorded = record();
    more(recorded);
    const { writer, catalog, path } = recorded;
    catalog.checkpoint(writer.state, writer.durableEnd, 4);
    expect(catalog.hasRest).toBe(true);
    expect([...rowsOf(path, 'meta'), ...rowsOf(path, 'stream')]).toHaveLength(4);
    more(recorded);
    checkpoint(recorded);
    expect(catalog.hasRest).toBe(false);
    for (const { lsn } of rowsOf(path, 'stream')) expect(lsn).toBe(BigInt(writer.durableEnd));
  });

  it('follows the log in steps to where a new one comes in one step', () => {
    const recorded = record();
    while (segmentOf(recorded.writer.durableEnd) < 3) {
      more(recorded);
      checkpoint(recorded);
    }
    expectAsMadeAnew(recorded);
    const segments = rowsOf(recorded.path, 'segment_stream').map((row) => Number(row['segment']));
    expect(new Set(segments)).toEqual(new Set([1, 2]));
  });

  it('holds of each finished segment which offsets are in it, without holes', () => {
    const recorded = record();
    while (segmentOf(recorded.writer.durableEnd) < 3) more(recorded);
    checkpoint(recorded);
    for (const stream of [recorded.samples.stream.id, recorded.events.stream.id]) {
      const ranges = rowsOf(recorded.path, 'segment_stream')
        .filter((row) => Number(row['stream']) === stream)
        .sort((a, b) => Number(a['segment']) - Number(b['segment']));
      expect(ranges).toHaveLength(2);
      expect(ranges[0]!['first_offset']).toBe(0n);
      expect(ranges[1]!['first_offset']).toBe(ranges[0]!['next_offset']);
    }
    const gaps = rowsOf(recorded.path, 'gap');
    expect(gaps).toHaveLength(2);
    for (const gap of gaps) {
      expect(gap).toMatchObject({ reason: 'late', ticks: 5n * (gap['gaps'] as bigint) });
    }
  });

  it('shows a changed value by the CRC of its row', () => {
    const recorded = record();
    more(recorded);
    checkpoint(recorded);
    recorded.catalog.close();
    const database = new Database(recorded.path);
    database.exec('UPDATE stream SET records = records + 1 WHERE id = 1');
    database.close();
    expect(checkCatalog(nodeFileSystem, recorded.path)).toContain('table stream');
  });

  it('shows a changed name of a column, which no row has a CRC of', () => {
    const recorded = record();
    more(recorded);
    checkpoint(recorded);
    recorded.catalog.close();
    const file = readFileSync(recorded.path);
    file.write('x', file.indexOf('samples INTEGER'));
    writeFileSync(recorded.path, file);
    expect(checkCatalog(nodeFileSystem, recorded.path)).toContain('has other columns');
  });

  it.each(['deleted', 'garbage', 'of another store'])('%s, is made anew', (how) => {
    const recorded = record();
    more(recorded);
    checkpoint(recorded);
    const before = facts(recorded.path);
    recorded.catalog.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(recorded.path + suffix, { force: true });
    if (how === 'garbage') writeFileSync(recorded.path, 'not a database');
    if (how === 'of another store') {
      const other = record();
      more(other);
      more(other);
      checkpoint(other);
      other.catalog.close();
      copyFileSync(other.path, recorded.path);
    }
    const catalog = catalogOf(recorded.writer, recorded.path);
    catalog.checkpoint(recorded.writer.state, recorded.writer.durableEnd);
    catalog.close();
    expect(facts(recorded.path)).toEqual(before);
    expect(checkCatalog(nodeFileSystem, recorded.path)).toBeUndefined();
  });

  it('whose owner was killed between two of its rows, is made complete by the next', () => {
    const recorded = record();
    const { writer, path, dir } = recorded;
    while (segmentOf(writer.durableEnd) < 3) more(recorded);
    const atOnce = join(dir, 'at-once.db');
    catalogOf(writer, atOnce).checkpoint(writer.state, writer.durableEnd);
    for (let kill = 1, hasRest = true; hasRest; kill++) {
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
      const killed = catalogOf(writer, path);
      for (let row = 0; row < kill; row++) killed.checkpoint(writer.state, writer.durableEnd, 1);
      hasRest = killed.hasRest;
      killed.close();
      const next = catalogOf(writer, path);
      next.checkpoint(writer.state, writer.durableEnd);
      next.close();
      expect(facts(path), `killed behind row ${kill}`).toEqual(facts(atOnce));
    }
  });

  it('whose making was cut short is no damage', () => {
    const path = join(temporaryDirectory(), 'catalog.db');
    writeFileSync(path, '');
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.exec('CREATE TABLE meta (key, value, lsn, crc)');
    database.close();
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
  });

  it('deleted under its owner, is there again after the next checkpoint', () => {
    const recorded = record();
    more(recorded);
    checkpoint(recorded);
    for (const suffix of ['', '-wal', '-shm']) rmSync(recorded.path + suffix, { force: true });
    more(recorded);
    checkpoint(recorded);
    expect(existsSync(recorded.path)).toBe(true);
    const [stream] = rowsOf(recorded.path, 'stream');
    expect(stream!['next_offset']).toBe(BigInt(recorded.samples.stream.nextOffset));
  });
});

describe("a catalog in a user's transaction", () => {
  /** Takes the lock for writing, or all of them; returns how it is let go of. */
  function hold(path: string, mode: 'NORMAL' | 'EXCLUSIVE' = 'NORMAL'): () => void {
    const user = new Database(path);
    user.pragma(`locking_mode = ${mode}`);
    user.exec('BEGIN IMMEDIATE');
    onTestFinished(() => void user.close());
    return () => {
      user.exec('ROLLBACK');
      user.close();
    };
  }

  function expectWhole({ path, writer, dir }: Recorded): void {
    const atOnce = join(dir, 'at-once.db');
    catalogOf(writer, atOnce).checkpoint(writer.state, writer.durableEnd);
    expect(facts(path)).toEqual(facts(atOnce));
    expect(checkCatalog(nodeFileSystem, path)).toBeUndefined();
  }

  it.each([1, Infinity])('is waited for by nobody, and complete after it (%d rows)', (rows) => {
    const recorded = record();
    const { catalog, writer, path } = recorded;
    while (segmentOf(writer.durableEnd) < 3) more(recorded);
    catalog.checkpoint(writer.state, writer.durableEnd, rows);
    const { ino } = statSync(path);
    const release = hold(path);
    more(recorded);
    const before = performance.now();
    for (let i = 0; i < 3; i++) catalog.checkpoint(writer.state, writer.durableEnd, rows);
    settleCatalog(nodeFileSystem, path);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(catalog.problem).toMatch(/locked/);
    release();
    do catalog.checkpoint(writer.state, writer.durableEnd, rows);
    while (catalog.hasRest);
    checkpoint(recorded);
    expect(statSync(path).ino).toBe(ino);
    expectWhole(recorded);
  });

  it('is not taken from him by an owner who comes, nor by upkeep', () => {
    const recorded = record();
    const { catalog, writer, path } = recorded;
    more(recorded);
    checkpoint(recorded);
    catalog.close();
    const { ino } = statSync(path);
    const release = hold(path, 'EXCLUSIVE');
    more(recorded);
    const before = performance.now();
    catalog.checkpoint(writer.state, writer.durableEnd);
    settleCatalog(nodeFileSystem, path);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(catalog.problem).toMatch(/locked/);
    release();
    checkpoint(recorded);
    expect(statSync(path).ino).toBe(ino);
    expectWhole(recorded);
  });
});
