/**
 * The time columns that were decoded last, since most are asked for twice: the sources of a group
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
const latest = { columns: [] as Latest[], next: 0 };

interface Latest {
  of: EncodedColumn | undefined;
  values: BigInt64Array<ArrayBuffer>;
}

/**
 * One value of the time column, without an array for all of them: accounting for a batch takes the
 * first and the last. @throws DAMAGED
 */
export function timeValueOf(times: TimesEntry, row: number): bigint {
  return (latestOf(times) ?? decodeLatest(times))[row]!;
}

function latestOf({ time, rows }: TimesEntry): BigInt64Array | undefined {
  return latest.columns.find(({ of, values }) => of === time && values.length === rows)?.values;
}

/** In the place of the one that was decoded first. */
function decodeLatest({ time, rows }: TimesEntry): BigInt64Array {
  const memory = latest.columns[latest.next]?.values.buffer ?? new ArrayBuffer(8 * ROWS_MAX);
  const column: Latest = { of: undefined, values: new BigInt64Array(memory, 0, rows) };
  latest.columns[latest.next] = column;
  decodeIntegersInto(time, column.values);
  column.of = time;
  latest.next = (latest.next + 1) % LATEST_COLUMNS;
  return column.values;
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

function knownTimes(times: TimesEntry, pool: ArrayPool | undefined): BigInt64Array | undefined {
  const known = timeColumns.get(times.time);
  if (known?.length === times.rows) return known;
  const decoded = latestOf(times);
  if (decoded === undefined) return undefined;
  const values = newArray(BigInt64Array, times.rows, pool);
  values.set(decoded);
  return values;
}
