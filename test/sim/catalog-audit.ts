/**
 * The catalog, held against the store.
 *
 *   whenever somebody looks   no row of it is ahead of the log
 *   behind damage             what it saw reached is not given out again: there is a gap
 *   when an owner has closed  it is sound, and says of each stream and run what the state says, and
 *                             of each finished segment that is in no chunk what its footer says
 *
 * Its bytes are read here without production code; a row counts if its CRC is right.
 */
import Database from 'better-sqlite3';
import {
  CATALOG_VERSION,
  TABLES,
  rowCrc,
  segmentRows,
  type Table,
  type Value,
} from '../../engine/store/state/catalog-tables.ts';
import { checkCatalog } from '../../engine/store/state/catalog.ts';
import { readStoreJson, storePaths } from '../../engine/store/log/files.ts';
import { hex } from '../../engine/base/bytes.ts';
import { segmentOf } from '../../engine/store/entries/format.ts';
import { listSegments } from '../../engine/store/log/segment.ts';
import { readFooter } from '../../engine/store/state/segment-snapshot.ts';
import type { StoreReader } from '../../engine/store/read/reader.ts';
import type { ControlState } from '../../engine/store/state/state.ts';
import { Store } from '../../engine/store/store.ts';
import type { StoreWriter } from '../../engine/store/write/writer.ts';
import type { Oracle } from './oracle.ts';
import type { Process } from './world.ts';

type Row = Record<string, Value>;
type Rows = Record<Table, Row[]>;

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`catalog: ${what}`);
}

/** @returns undefined: there is none, or nothing in it can be read */
export function catalogRows({ machine, world }: Process, dir: string): Rows | undefined {
  const bytes = machine.disk.find(storePaths(dir).catalog)?.seen;
  if (world.weather.catalog === undefined || !bytes || bytes.length === 0) return undefined;
  const database = new Database(Buffer.from(bytes));
  try {
    database.defaultSafeIntegers(true);
    if (Number(database.pragma('user_version', { simple: true })) !== CATALOG_VERSION) {
      return undefined;
    }
    const tables = Object.keys(TABLES) as Table[];
    return Object.fromEntries(tables.map((table) => [table, soundRows(database, table)])) as Rows;
  } catch (error) {
    if (error instanceof Database.SqliteError) return undefined;
    throw error;
  } finally {
    database.close();
  }
}

function soundRows(database: Database.Database, table: Table): Row[] {
  return (database.prepare(`SELECT * FROM ${table}`).raw().all() as Value[][])
    .filter((row) => row.at(-1) === rowCrc(row.slice(0, -1)))
    .map((row) => Object.fromEntries(TABLES[table].map((column, i) => [column, row[i]!])));
}

/** @param reader opened after the rows were read */
export function expectBehind(
  { meta, stream, run }: Rows,
  { state, end: logEnd }: StoreReader,
): void {
  const lsn = Number(meta.find(({ key }) => key === 'lsn')?.value ?? 0);
  expect(lsn <= logEnd, `it is of ${lsn}, and the log ends at ${logEnd}`);
  for (const { id, name, next_offset } of stream) {
    const end = state.streams.get(Number(id))?.nextOffset ?? -1;
    expect(Number(next_offset) <= end, `${name} is said to reach ${next_offset}, not ${end}`);
  }
  for (const { id, next_seq } of run) {
    const known = state.runs.get(Number(id));
    expect(Number(id) < state.nextRun, `run ${id} was never begun`);
    const end = known?.nextSeq ?? Infinity;
    expect(Number(next_seq) <= end, `run ${id} is said to reach seq ${next_seq}, not ${end}`);
  }
}

/** To be called before an owner opens the store. @returns what is to be called with the owner */
export function witnessOpening(
  process: Process,
  dir: string,
  oracle: Oracle,
): (writer: StoreWriter) => void {
  const { weather, isCalm } = process.world;
  const isDisturbed = !isCalm && (weather.hasReadFaults || weather.catalog?.faultChance !== 0);
  const rows = oracle.isLenient && !isDisturbed ? catalogRows(process, dir) : undefined;
  return ({ state, recovered }) => {
    if (rows === undefined || !recovered?.faults.some(({ lost }) => lost)) return;
    for (const { id, name, next_offset } of rows.stream) {
      const end = state.streams.get(Number(id))?.nextOffset ?? Infinity;
      expect(
        Number(next_offset) <= end,
        `${name} had ${next_offset} records, and goes on at ${end}`,
      );
    }
    oracle.counts.witnessed++;
  };
}

/** An owner has closed the store, and nothing was in its way. */
export function auditCatalog(process: Process, dir: string, oracle: Oracle): void {
  if (process.world.weather.catalog === undefined) return;
  const { fs } = process;
  const paths = storePaths(dir);
  const damage = checkCatalog(fs, paths.catalog);
  expect(damage === undefined, String(damage));
  const rows = catalogRows(process, dir)!;
  expect(rows !== undefined, 'there is none');
  const store = Store.open(dir, process.environment);
  const { state } = store.reader;
  store.close();
  const meta = new Map(rows.meta.map(({ key, value }) => [key, value]));
  const { storeId } = readStoreJson(fs, paths.storeJson)!;
  expect(meta.get('store_id') === hex(storeId), 'it is of another store');
  expect(meta.get('generation') === String(state.generation), 'it is of another owner');
  compareState(rows, state);
  const end = segmentOf(Number(meta.get('lsn')));
  const finished = listSegments(fs, paths.log).filter(
    (segment) => segment < end && segment >= segmentOf(state.sealedEnd),
  );
  const told = finished.flatMap((segment) =>
    readFooter(fs, paths.log, segment).flatMap((stream) => [...segmentRows(segment, stream)]),
  );
  for (const table of ['segment_stream', 'gap'] as const) {
    const wanted = told.filter(([name]) => name === table).map(([, values]) => values.join(' '));
    const found = rows[table].map((row) => Object.values(row).join(' '));
    // a footer that rot has hit since may have been read before
    compare(table, wanted, oracle.hasRot ? found.filter((row) => wanted.includes(row)) : found);
  }
  oracle.counts.catalogs++;
}

function compareState(rows: Rows, state: ControlState): void {
  const streams = [...state.streams.values()].map(({ totals, ...stream }) => [
    ...[stream.id, stream.name, stream.incarnation, stream.schemaId, stream.nextOffset],
    ...[totals.records, totals.samples, totals.bytes, totals.firstNanos, totals.lastNanos],
  ]);
  const runs = [...state.runs.values()].map((run) => [
    ...[run.id, run.stream, run.writer, run.epoch, run.firstSeq, run.nextSeq],
    ...[run.bootId, run.lastTick, run.endReason],
  ]);
  const text = (values: readonly unknown[]): string => values.map(String).join(' ');
  const foundStreams = rows.stream.map((row) => [
    ...[row['id'], row['name'], row['incarnation'], row['schema_id'], row['next_offset']],
    ...[row['records'], row['samples'], row['bytes'], row['first_nanos'], row['last_nanos']],
  ]);
  // those before the latest of their writer may be known, or not
  const latest = rows.run.filter(({ id }) => state.runs.has(Number(id)));
  const foundRuns = latest.map((row) => [
    ...[row['id'], row['stream'], row['writer'], row['epoch'], row['first_seq'], row['next_seq']],
    ...[row['boot_id'], row['last_tick'], row['end_reason']],
  ]);
  compare('stream', streams.map(text), foundStreams.map(text));
  compare('run', runs.map(text), foundRuns.map(text));
  const schemas = rows.schema.map((row) => text([row['id'], row['schema']]));
  compare('schema', [...state.schemas].map(text), schemas);
}

/** Both in any order. */
function compare(table: Table, wanted: readonly string[], found: readonly string[]): void {
  const missing = wanted.find((row) => !found.includes(row));
  expect(missing === undefined, `table ${table} has no row ${missing}`);
  const untrue = found.find((row) => !wanted.includes(row));
  expect(untrue === undefined, `table ${table} has a row ${untrue}`);
}
