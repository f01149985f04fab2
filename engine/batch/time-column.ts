/**
 * The time columns that were decoded last, so that none is decoded twice: the sources of a group
 * share one, and accounting for a batch has looked at its ends before anybody asks for its samples.
 */
import {
  decodeColumns,
  decodeIntegersInto,
  newArray,
  type ArrayPool,
  type ColumnPlace,
  type EncodedColumn,
} from '../codecs/codec.ts';
import { ROWS_MAX, type TimesEntry } from './format.ts';

/** Those of which values were asked for last: as many as a full group of long batches has. */
const LATEST_COLUMNS = 16;
const latest = { columns: [] as ReturnType<typeof newLatest>[], next: 0 };

function newLatest(): { of: EncodedColumn | undefined; memory: BigInt64Array } {
  return { of: undefined, memory: new BigInt64Array(ROWS_MAX) };
}

/**
 * One value of the time column, without an array for all of them: accounting for a batch takes the
 * first and the last. @throws DAMAGED
 */
export function timeValueOf({ time, rows }: TimesEntry, row: number): bigint {
  return (latestOf(time) ?? decodeLatest(time, rows))[row]!;
}

function latestOf(time: EncodedColumn): BigInt64Array | undefined {
  return latest.columns.find(({ of }) => of === time)?.memory;
}

/** In the place of the one that was decoded first. */
function decodeLatest(time: EncodedColumn, rows: number): BigInt64Array {
  const column = (latest.columns[latest.next] ??= newLatest());
  column.of = undefined;
  decodeIntegersInto(time, column.memory.subarray(0, rows));
  column.of = time;
  latest.next = (latest.next + 1) % LATEST_COLUMNS;
  return column.memory;
}

/** By what they were decoded from. */
const timeColumns = new WeakMap<EncodedColumn, BigInt64Array>();

/**
 * Fills the places with a batch's columns.
 * @returns the values of the time column, which nobody changes
 * @throws DAMAGED
 */
export function decodeWithTimes(
  places: readonly ColumnPlace[],
  times: TimesEntry,
  pool: ArrayPool | undefined,
): BigInt64Array {
  const known = knownTimes(times, pool);
  const values = known ?? newArray(BigInt64Array, times.rows, pool);
  decodeColumns(places, known ? [] : [{ column: times.time, into: values }]);
  if (pool === undefined) timeColumns.set(times.time, values);
  return values;
}

function knownTimes(
  { time, rows }: TimesEntry,
  pool: ArrayPool | undefined,
): BigInt64Array | undefined {
  const known = timeColumns.get(time);
  if (known?.length === rows) return known;
  const decoded = latestOf(time);
  if (decoded === undefined) return undefined;
  const values = newArray(BigInt64Array, rows, pool);
  values.set(decoded.subarray(0, rows));
  return values;
}
