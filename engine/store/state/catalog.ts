/**
 * The catalog: the log's metadata as SQLite tables, for questions that would otherwise scan
 * history, and for a user's own SQL. It is a view: it may be deleted, damaged or restored from an
 * older copy at any time, and is then made anew from snapshots and footers. Nothing in the store
 * depends on it, and its failure never stops recording. A stream that is removed goes from it, and
 * what is sealed: a chunk is its own index (docs/decisions/0010).
 *
 * It is written off the commit path, at most a second behind, in short transactions of only what
 * has changed: a thousand streams are a few rows behind each flush. Upkeep moves what they add to
 * SQLite's write-ahead log into the file, since that waits for the disk. Every row carries the LSN
 * up to which it is true and a CRC of its values: SQLite itself keeps no checksum of a row. 64-bit
 * values are INTEGER columns.
 */
import Database from 'better-sqlite3';
import { messageOf } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { FileSystem } from '../../files/file-system.ts';
import {
  CATALOG_VERSION,
  TABLES,
  createTable,
  rowCrc,
  segmentRows,
  type Row,
  type Table,
  type Value,
} from './catalog-tables.ts';
import { hex } from '../../base/bytes.ts';
import { segmentOf, type Lsn } from '../entries/format.ts';
import { listSegments } from '../log/segment.ts';
import type { Reached } from './reached.ts';
import { readFooter } from './segment-snapshot.ts';
import type { ControlState } from './state.ts';

/** Files, and what opens a database among them where SQLite cannot do so by itself. */
export interface CatalogFiles extends FileSystem {
  openDatabase?(path: string, options: Database.Options): Database.Database;
}

/** Of the write-ahead log, 16 MiB: more than upkeep lets it grow to where that finds the time. */
const WAL_PAGES = 4096;
/** Who records or seals waits for no user's transaction: what is busy is tried again later. */
const AT_ONCE = { timeout: 0 };

export class Catalog {
  readonly #fs: CatalogFiles;
  readonly #path: string;
  readonly #logDir: string;
  readonly #storeId: string;
  #database: Database.Database | undefined;
  readonly #inserts = new Map<Table, Database.Statement>();
  #inode = 0;
  /** what the tables say already: next offset of a stream (NaN: any), next seq of a run */
  readonly #streams = new Map<number, number>();
  readonly #runs = new Map<number, string>();
  readonly #schemas = new Set<string>();
  #lastSegment = 0;
  /** everything up to it lies in chunks */
  #sealedSegment = 0;
  /** what is still to be written of a checkpoint that was begun */
  #rest: Iterator<Row, void> | undefined;
  /** why the last checkpoint failed; the next one makes it anew, unless it was only locked */
  problem: string | undefined;

  constructor(fs: CatalogFiles, path: string, logDir: string, storeId: Uint8Array) {
    this.#fs = fs;
    this.#path = path;
    this.#logDir = logDir;
    this.#storeId = hex(storeId);
  }

  /** A checkpoint was begun that has rows left. */
  get hasRest(): boolean {
    return this.#rest !== undefined;
  }

  /**
   * Brings the tables up to the state at `end`; opens, checks or rebuilds them first if needed.
   * @param maxRows for now: the next call goes on with the rest; without it begins anew
   */
  checkpoint(state: ControlState, end: Lsn, maxRows = Infinity): void {
    try {
      if (this.#database && !this.#isInPlace()) this.#discard();
      this.#database ??= this.#open(state);
      if (maxRows === Infinity) this.#rest = undefined;
      const rows = (this.#rest ??= this.#changes(state, end));
      const database = this.#database;
      const write = database.transaction(() => this.#write(rows, end, maxRows));
      // its lock first: where somebody else has it, no row has been taken from the rest
      edge('catalog', () => write.immediate());
      this.problem = undefined;
    } catch (error) {
      this.problem = String(error);
      if (!isBusy(error)) this.#discard();
    }
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
    this.#inserts.clear();
    this.#rest = undefined;
  }

  #open(state: ControlState): Database.Database {
    const trusted = this.#fs.exists(this.#path) && this.#isCurrent(state);
    if (!trusted) this.#remove();
    const database = openDatabase(this.#fs, this.#path, AT_ONCE);
    try {
      this.#inode = this.#fs.inode(this.#path);
      prepare(database);
      // that one may have come in pieces, of which the last are missing
      if (trusted) this.#lastSegment = Math.max(0, lastSegment(database) - 1);
      const ids = database.prepare('SELECT id FROM stream').pluck().all();
      for (const id of ids) this.#streams.set(Number(id), NaN);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #isInPlace(): boolean {
    return this.#fs.exists(this.#path) && this.#fs.inode(this.#path) === this.#inode;
  }

  /** Is it this store's, sound, and not from before or after this log's life? */
  #isCurrent(state: ControlState): boolean {
    let database: Database.Database | undefined;
    try {
      if (damageIn(this.#fs, this.#path, AT_ONCE) !== undefined) return false;
      database = openDatabase(this.#fs, this.#path, { readonly: true, ...AT_ONCE });
      const meta = new Map(
        database.prepare('SELECT key, value FROM meta').raw().all() as [string, string][],
      );
      const behind = state.generation - Number(meta.get('generation'));
      const isNear = behind === 0 || behind === 1;
      return isOurVersion(database) && isNear && meta.get('store_id') === this.#storeId;
    } catch (error) {
      if (isBusy(error)) throw error;
      return false;
    } finally {
      database?.close();
    }
  }

  #write(rows: Iterator<Row, void>, end: Lsn, maxRows: number): void {
    for (let left = maxRows; left > 0; left--) {
      const row = rows.next();
      if (row.done) return void (this.#rest = undefined);
      this.#put(row.value, end);
    }
  }

  *#changes(state: ControlState, end: Lsn): Generator<Row, void> {
    yield ['meta', ['store_id', this.#storeId]];
    yield ['meta', ['generation', String(state.generation)]];
    yield ['meta', ['lsn', String(end)]];
    for (const stream of state.streams.values()) {
      if (this.#streams.get(stream.id) === stream.nextOffset) continue;
      this.#streams.set(stream.id, stream.nextOffset);
      const { records, samples, bytes, paddingBytes, firstNanos, lastNanos } = stream.totals;
      const identity = [stream.id, stream.name, stream.incarnation, stream.createdNanos];
      const shape = [stream.schemaId, stream.samplesPerEvent, stream.nextOffset];
      const totals = [records, samples, bytes, paddingBytes, firstNanos, lastNanos];
      yield ['stream', [...identity, ...shape, ...totals]];
    }
    for (const [id, schema] of state.schemas) {
      if (this.#schemas.has(id)) continue;
      this.#schemas.add(id);
      yield ['schema', [id, schema]];
    }
    for (const run of state.runs.values()) {
      const version = `${run.nextSeq} ${run.endReason}`;
      if (this.#runs.get(run.id) === version) continue;
      this.#runs.set(run.id, version);
      const identity = [run.id, run.stream, run.writer, run.epoch, run.firstSeq, run.nextSeq];
      const time = [run.bootId, run.periodNanos, run.clock.utcNanos];
      const ending = [JSON.stringify(run.attributes), run.lastTick, run.endReason];
      yield ['run', [...identity, ...time, ...ending]];
    }
    this.#forgetRemoved(state);
    this.#forgetSealed(state.sealedEnd);
    yield* this.#newSegments(end);
  }

  #forgetRemoved({ streams }: ControlState): void {
    for (const id of this.#streams.keys()) {
      if (streams.has(id)) continue;
      this.#streams.delete(id);
      this.#database!.prepare('DELETE FROM stream WHERE id = ?').run(id);
      this.#database!.prepare('DELETE FROM run WHERE stream = ?').run(id);
    }
  }

  /** What is sealed has gone from the log: the index of its chunk says what it held. */
  #forgetSealed(sealedEnd: Lsn): void {
    const sealed = segmentOf(sealedEnd) - 1;
    if (sealed <= this.#sealedSegment) return;
    for (const table of ['segment_stream', 'gap'] as const) {
      this.#database!.prepare(`DELETE FROM ${table} WHERE segment <= ?`).run(sealed);
    }
    this.#sealedSegment = sealed;
  }

  /** Finished segments, by their footers. */
  *#newSegments(end: Lsn): Generator<Row, void> {
    const current = segmentOf(end);
    this.#lastSegment = Math.max(this.#lastSegment, this.#sealedSegment);
    if (this.#lastSegment >= current - 1) return;
    for (const segment of listSegments(this.#fs, this.#logDir)) {
      if (segment <= this.#lastSegment || segment >= current) continue;
      for (const stream of readFooter(this.#fs, this.#logDir, segment)) {
        yield* segmentRows(segment, stream);
      }
      this.#lastSegment = segment;
    }
  }

  #put([table, values]: Row, end: Lsn): void {
    values.push(end);
    values.push(Number(rowCrc(values)));
    this.#insertInto(table).run(values);
  }

  #insertInto(table: Table): Database.Statement {
    const known = this.#inserts.get(table);
    if (known) return known;
    const marks = [...TABLES[table], 'lsn', 'crc'].map(() => '?').join(',');
    const insert = this.#database!.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${marks})`);
    this.#inserts.set(table, insert);
    return insert;
  }

  #discard(): void {
    try {
      this.close();
      this.#remove();
    } catch (error) {
      this.problem = String(error);
    }
  }

  #remove(): void {
    this.#streams.clear();
    this.#runs.clear();
    this.#schemas.clear();
    this.#lastSegment = 0;
    this.#sealedSegment = 0;
    removeFiles(this.#fs, this.#path);
  }
}

/**
 * Moves SQLite's write-ahead log into the file: two syncs, so not on the owner's thread. Where
 * that fails the catalog goes: no sync is tried twice, and a full disk has better use for it. One
 * that is busy is left for the next time.
 */
export function settleCatalog(fs: CatalogFiles, path: string): void {
  if (!fs.exists(`${path}-wal`)) return;
  try {
    const database = openDatabase(fs, path, { fileMustExist: true, ...AT_ONCE });
    try {
      database.pragma('wal_checkpoint(PASSIVE)');
    } finally {
      database.close();
    }
  } catch (error) {
    if (!isBusy(error)) removeFiles(fs, path);
  }
}

function removeFiles(fs: FileSystem, path: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    if (fs.exists(path + suffix)) fs.remove(path + suffix);
  }
}

/** What is wrong with the catalog at `path`, or undefined. A missing one is not wrong. */
export function checkCatalog(fs: CatalogFiles, path: string): string | undefined {
  try {
    return fs.exists(path) ? damageIn(fs, path) : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** @throws if it cannot be read */
function damageIn(fs: CatalogFiles, path: string, options?: Database.Options): string | undefined {
  const database = openToRead(fs, path, options);
  try {
    database.defaultSafeIntegers(true);
    // of another version: whatever it holds, the next owner makes it anew
    if (!isOurVersion(database)) return undefined;
    const [verdict] = database.pragma('integrity_check') as { integrity_check: string }[];
    if (verdict?.integrity_check !== 'ok') return `integrity check: ${verdict?.integrity_check}`;
    const made = database.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').pluck();
    for (const table of Object.keys(TABLES) as Table[]) {
      if (made.get(table) !== createTable(table)) return `table ${table} has other columns`;
      for (const row of database.prepare(`SELECT * FROM ${table}`).raw().iterate()) {
        const values = row as Value[];
        const crc = values.pop();
        if (crc !== rowCrc(values)) return `a row of table ${table} does not match its CRC`;
      }
    }
    return undefined;
  } finally {
    database.close();
  }
}

/**
 * How far the catalog saw the writers of `state` come: a witness beside the log, to be asked where
 * the log is damaged. Rows that do not match their CRC, and streams made anew since, say nothing.
 */
export function catalogFacts(
  fs: CatalogFiles,
  path: string,
  state: ControlState,
  storeIds: ReadonlySet<string>,
): Reached[] {
  if (!fs.exists(path)) return [];
  let database: Database.Database | undefined;
  try {
    database = openToRead(fs, path);
    database.defaultSafeIntegers(true);
    if (!isOurVersion(database)) return [];
    const own = soundRows(database, 'meta').some(
      ({ key, value }) => key === 'store_id' && storeIds.has(String(value)),
    );
    if (!own) return [];
    const ends = new Map<number, number>();
    for (const { id, incarnation, next_offset } of soundRows(database, 'stream')) {
      const known = state.streams.get(Number(id));
      if (known === undefined || known.incarnation === incarnation) {
        ends.set(Number(id), Number(next_offset));
      }
    }
    return soundRows(database, 'run').flatMap(({ id, stream, next_seq, last_tick }) => {
      const nextOffset = ends.get(Number(stream));
      if (nextOffset === undefined) return [];
      const lastTick = last_tick === null ? null : Number(last_tick);
      const at = { nextOffset, nextSeq: Number(next_seq), lastTick };
      return [{ stream: Number(stream), run: Number(id), ...at }];
    });
  } catch {
    // a damaged catalog is no witness; it is made anew
    return [];
  } finally {
    database?.close();
  }
}

function soundRows(database: Database.Database, table: Table): Record<string, Value>[] {
  return (database.prepare(`SELECT * FROM ${table}`).raw().all() as Value[][])
    .filter((row) => row.at(-1) === rowCrc(row.slice(0, -1)))
    .map((row) => Object.fromEntries(TABLES[table].map((column, i) => [column, row[i]!])));
}

/** Without a WAL beside it the file is complete, and is read without making any files beside it. */
function openToRead(fs: CatalogFiles, path: string, options?: Database.Options): Database.Database {
  const readOnly = { ...options, readonly: true, fileMustExist: true };
  if (fs.exists(`${path}-wal`)) return openDatabase(fs, path, readOnly);
  const bytes = Buffer.from(fs.readFile(path));
  // so begins every database
  if (bytes.length === 0) return new Database(':memory:');
  // versions of the file format that is written and read: 2 would ask for a WAL (SQLite format 1.3)
  bytes.fill(1, 18, 20);
  return new Database(bytes);
}

const openDatabase = (fs: CatalogFiles, path: string, options: Database.Options) =>
  fs.openDatabase?.(path, options) ?? new Database(path, options);

function prepare(database: Database.Database): void {
  database.defaultSafeIntegers(true);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
  if (isOurVersion(database)) return;
  const known = database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?');
  for (const table of Object.keys(TABLES) as Table[]) {
    if (known.get(table) === undefined) database.exec(createTable(table));
  }
  // last: one that was not finished is nobody's
  database.pragma(`user_version = ${CATALOG_VERSION}`);
}

/** Somebody else holds a lock of it: it is sound, and not to be taken from under him. */
function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function isOurVersion(database: Database.Database): boolean {
  return Number(database.pragma('user_version', { simple: true })) === CATALOG_VERSION;
}

function lastSegment(database: Database.Database): number {
  return Number(database.prepare('SELECT max(segment) FROM segment_stream').pluck().get() ?? 0);
}
