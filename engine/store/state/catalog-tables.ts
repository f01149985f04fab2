/** The catalog's tables, what a row of them is, and the CRC that it carries. */
import { crc32c } from '../../base/crc32c.ts';
import type { FooterStream } from '../entries/control-entries.ts';

/** SQLite's `user_version`; a catalog of any other is made anew. */
export const CATALOG_VERSION = 2;

export type Value = string | number | bigint | null;

export const TABLES = {
  meta: ['key', 'value'],
  stream: [
    'id',
    ...['name', 'incarnation', 'created_nanos', 'schema_id', 'samples_per_event', 'next_offset'],
    ...['records', 'samples', 'bytes', 'padding_bytes', 'first_nanos', 'last_nanos'],
  ],
  schema: ['id', 'schema'],
  run: [
    'id',
    ...['stream', 'writer', 'epoch', 'first_seq', 'next_seq', 'boot_id', 'period_nanos'],
    ...['utc_nanos', 'attributes', 'last_tick', 'end_reason'],
  ],
  segment_stream: [
    'segment',
    'stream',
    ...['first_offset', 'next_offset', 'samples', 'first_nanos', 'last_nanos'],
  ],
  gap: ['segment', 'stream', 'reason', 'gaps', 'ticks'],
} as const;

export type Table = keyof typeof TABLES;
export type Row = [Table, Value[]];

/**
 * The columns that are text. All others are declared INTEGER: better-sqlite3 binds a number as
 * REAL, and it is by that affinity that SQLite stores it as an integer.
 */
const TEXT_COLUMNS: ReadonlySet<string> = new Set([
  ...['key', 'value', 'name', 'incarnation', 'schema_id', 'schema', 'writer', 'boot_id'],
  ...['attributes', 'end_reason', 'reason'],
]);

/** Of the primary key, where it is not the first one alone. */
const KEY_COLUMNS: Partial<Record<Table, number>> = { segment_stream: 2, gap: 3 };

const TEXT = new TextEncoder();

/** As SQLite keeps the sentence. */
export function createTable(table: Table): string {
  const columns: readonly string[] = TABLES[table];
  const typed = columns.map((name) => (TEXT_COLUMNS.has(name) ? name : `${name} INTEGER`));
  const key = columns.slice(0, KEY_COLUMNS[table] ?? 1).join(', ');
  return (
    `CREATE TABLE ${table} ` +
    `(${typed.join(', ')}, lsn INTEGER, crc INTEGER, PRIMARY KEY (${key})) WITHOUT ROWID`
  );
}

export function* segmentRows(segment: number, held: FooterStream): Generator<Row, void> {
  const { stream, firstOffset, nextOffset, samples, firstNanos, lastNanos } = held;
  const range = [firstOffset, nextOffset, samples, firstNanos, lastNanos];
  yield ['segment_stream', [segment, stream, ...range]];
  for (const { reason, gaps, ticks } of held.gaps) {
    yield ['gap', [segment, stream, reason, gaps, ticks]];
  }
}

export function rowCrc(values: readonly Value[]): bigint {
  let text = '';
  for (const value of values) text += value === null ? '-\0' : `=${value}\0`;
  return BigInt(crc32c(TEXT.encode(text)));
}
