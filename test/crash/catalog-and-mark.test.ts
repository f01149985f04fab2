/**
 * Catalog and mark are disposable: whatever happens to them, the data is untouched, and they are
 * made anew.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import { Catalog } from '../../engine/store/state/catalog.ts';
import { readStoreJson } from '../../engine/store/log/files.ts';
import { Store } from '../../engine/store/store.ts';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderJson, helicorderOut, helicorderRun } from '../support/cli.ts';
import { sharedDirectory, temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { checkSamples, parseRecords } from '../support/records.ts';

const STREAM = 'test/box';
const HARMED = ['catalog.db', 'mark'];
const TABLES = ['stream', 'schema', 'run', 'segment_stream', 'gap'];
/** A reader compares the mark's inode after each wait in vain, which is at most this long. */
const PROMISE_MS = 1000;

const record = (dir: string, ...more: string[]): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', STREAM, '--flush-ms', '20'],
  ...more,
];
const recordsOf = (dir: string): string[] => [
  ...['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'],
];

interface Row {
  table: string;
  values: Record<string, unknown>;
}

/** All rows but for where and when they were written: LSN and the CRC that covers it. */
function catalogRows(path: string): Row[] {
  const database = new Database(path, { readonly: true });
  database.defaultSafeIntegers(true);
  const rows = TABLES.flatMap((table) =>
    database
      .prepare(`SELECT * FROM ${table}`)
      .all()
      .map((row) => {
        const { lsn: _lsn, crc: _crc, ...values } = row as Record<string, unknown>;
        return { table, values };
      }),
  );
  database.close();
  return rows;
}

type Harm = (file: string, older: string, random: SeededRandom) => void;

const HARMS: Record<string, Harm> = {
  deleted: (file) => rmSync(file),
  'cut to nothing': (file) => truncateSync(file, 0),
  'cut in the middle': (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2)),
  'an older copy': (file, older) => copyFileSync(older, file),
  garbled: (file, _, random) => {
    const content = readFileSync(file);
    for (let i = 0; i < 200; i++) content[random.below(content.length)]! ^= 1 + random.below(255);
    writeFileSync(file, content);
  },
  'filled with noise': (file, _, random) => writeFileSync(file, random.bytes(8192)),
};

/** What two runs have left, its records, and the catalog and the mark that the first one left. */
interface TwoRuns {
  dir: string;
  older: string;
  before: string;
}

async function twoRuns(base: string): Promise<TwoRuns> {
  const [dir, older] = [join(base, 'store'), join(base, 'older')];
  mkdirSync(older);
  await helicorderOut(record(dir, '--duration', '100ms'), '', { isShared: true });
  for (const name of HARMED) copyFileSync(join(dir, name), join(older, name));
  await helicorderOut(record(dir, '--duration', '100ms'), '', { isShared: true });
  return { dir, older, before: await helicorderOut(recordsOf(dir), '', { isShared: true }) };
}

describe('between two runs', () => {
  const base = sharedDirectory();
  let left: TwoRuns;
  beforeAll(async () => void (left = await twoRuns(base)));

  test.each(Object.keys(HARMS))('catalog and mark %s: no record is touched', async (harm) => {
    const dir = join(temporaryDirectory(), 'store');
    const random = new SeededRandom(SEED);
    const where = `HELICORDER_SEED=${SEED}`;
    const { older, before } = left;
    cpSync(left.dir, dir, { recursive: true });

    for (const name of HARMED) HARMS[harm]!(join(dir, name), join(older, name), random);
    expect((await helicorderOut(recordsOf(dir))) === before, where).toBe(true);
    await helicorderOut(record(dir, '--duration', '100ms'));
    const again = await helicorderOut(recordsOf(dir));
    expect(again.startsWith(before), where).toBe(true);
    const records = parseRecords(again.split('\n'));
    checkSamples(records);
    const streams = catalogRows(join(dir, 'catalog.db')).filter(({ table }) => table === 'stream');
    expect(streams.map(({ values }) => values['next_offset'])).toEqual([BigInt(records.length)]);
    expect(await verify(dir), where).toMatchObject({ ok: true, damage: [] });
  });

  test.each(HARMED)(
    'a %s of noise is damage to verify, and nothing to anybody else',
    async (name) => {
      const dir = temporaryDirectory();
      await helicorderOut(record(dir, '--duration', '50ms'));
      writeFileSync(join(dir, name), new SeededRandom(SEED).bytes(4096));
      const { code, stdout } = await helicorderRun(['verify', '--data-dir', dir, '--json']);
      expect(code).toBe(65);
      const report = JSON.parse(stdout) as VerifyReport;
      expect(report.ok).toBe(false);
      expect(report.damage.map(({ file }) => file)).toEqual([join(dir, name)]);
      expect(await helicorderOut(['stream', 'ls', '--data-dir', dir])).toContain(STREAM);
    },
  );
});

test('a catalog made anew is the one there was', async () => {
  const dir = temporaryDirectory();
  const store = join(dir, 'store');
  const config = join(dir, 'small.yaml');
  // a group of 4 KiB every 2 ms: some segments in a second or two
  const source = `{source: synthetic, stream: ${STREAM}}`;
  writeFileSync(config, `store: {segmentSize: 1MiB, flush: 2ms}\nsources: [${source}]\n`);
  for (const duration of ['2s', '500ms']) {
    await helicorderOut(['run', '--config', config, '--data-dir', store, '--duration', duration]);
  }
  const before = catalogRows(join(store, 'catalog.db'));
  // what has been sealed by then is no segment any more
  expect(before.filter(({ table }) => table === 'stream')).toHaveLength(1);

  const { reader } = Store.open(store);
  const { fs, paths } = reader;
  const identity = readStoreJson(fs, paths.storeJson);
  const anew = join(dir, 'anew.db');
  const catalog = new Catalog(fs, anew, paths.log, identity!.storeId);
  catalog.checkpoint(reader.state, reader.end);
  catalog.close();
  reader.close();
  expect(catalog.problem).toBeUndefined();
  const rebuilt = catalogRows(anew);
  const but = (rows: Row[]): Row[] => rows.filter(({ table }) => table !== 'run');
  expect(but(rebuilt)).toEqual(but(before));
  // of its writer, a segment's snapshot knows the latest run
  const runs = (rows: Row[]): Row[] => rows.filter(({ table }) => table === 'run');
  expect(runs(rebuilt)).toEqual(runs(before).slice(-1));
});

describe('under a running recorder with a tailing reader', () => {
  const harms: Record<string, (mark: string) => void> = {
    deleted: (mark) => rmSync(mark),
    'renamed away': (mark) => renameSync(mark, `${mark}.away`),
    garbled: (mark) => writeFileSync(mark, new Uint8Array(4096).fill(0xa5), { flag: 'r+' }),
  };

  test.each(Object.keys(harms))(
    'mark %s: the reader goes on, a new one can begin',
    async (harm) => {
      const dir = temporaryDirectory();
      const run = helicorder(record(dir, '--json'));
      await run.stdout.next();
      const reader = helicorder([...recordsOf(dir), '--follow']);
      await reader.stdout.next();
      harms[harm]!(join(dir, 'mark'));
      const last = Number(recordNumber(reader.stdout.all.at(-1)!));
      const later = String(last + 2 * PROMISE_MS);
      await reader.stdout.next((line) => recordNumber(line) === later);

      const second = helicorder([...recordsOf(dir), '--follow', '--from', 'tail']);
      expect(Number(recordNumber(await second.stdout.next()))).toBeGreaterThan(last);

      run.signal('SIGTERM');
      expect((await run.ended).code).toBe(0);
      for (const program of [reader, second]) {
        const { code, stderr } = await program.ended;
        expect(code, stderr).toBe(0);
      }
      const all = await helicorderOut(recordsOf(dir));
      expect(all === reader.stdout.all.map((line) => `${line}\n`).join('')).toBe(true);
      checkSamples(parseRecords(all.split('\n')));
      expect(existsSync(join(dir, 'mark'))).toBe(true);
    },
  );

  test('mark deleted, recorder stopped at once: the reader prints all there is', async () => {
    const dir = temporaryDirectory();
    const run = helicorder(record(dir, '--json'));
    await run.stdout.next();
    const reader = helicorder([...recordsOf(dir), '--follow']);
    await reader.stdout.next();
    rmSync(join(dir, 'mark'));
    await run.stdout.next();
    run.signal('SIGTERM');
    expect((await run.ended).code).toBe(0);
    const { code, stdout, stderr } = await reader.ended;
    expect(code, stderr).toBe(0);
    expect(stdout === (await helicorderOut(recordsOf(dir)))).toBe(true);
  });

  test('catalog deleted: recording goes on and a new one is made', async () => {
    const dir = temporaryDirectory();
    const run = helicorder(record(dir, '--json'));
    await run.stdout.next();
    await run.stdout.next();
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(dir, `catalog.db${suffix}`), { force: true });
    await run.stdout.next();
    await run.stdout.next();
    run.signal('SIGTERM');
    expect((await run.ended).code).toBe(0);
    const records = parseRecords((await helicorderOut(recordsOf(dir))).split('\n'));
    const streams = catalogRows(join(dir, 'catalog.db')).filter(({ table }) => table === 'stream');
    expect(streams.map(({ values }) => values['next_offset'])).toEqual([BigInt(records.length)]);
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  });
});

function recordNumber(line: string): string {
  return (JSON.parse(line) as { offset: string }).offset;
}
