/** What the benchmarks print: the table for people, the object for programs. */
import Table from 'cli-table3';
import { isBinding, type Row } from './harness.ts';
import type { Machine } from './machine.ts';

export interface Report {
  machine: Machine;
  rows: Row[];
}

/** 2026-01-31T10:20:30.456Z → 2026-01-31T10-20-30: the shell's friend, sorted by time. */
export function resultName({ machine }: Report): string {
  return machine.measured.slice(0, 19).replaceAll(':', '-');
}

/** Column widths of the table; a name longer than its column is cut by the table itself. */
const COLUMNS = [
  ['', 16],
  ['what', 62],
  ['value', 12],
  ['reference', 12],
  ['ratio', 9],
  ['gate', 10],
  ['stretch', 10],
  ['interval', 15],
  ['', 9],
] as const;

export function tableOf({ rows }: Report): string {
  const table = new Table({
    head: COLUMNS.map(([title]) => title),
    colWidths: COLUMNS.map(([, width]) => width),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(cellsOf(row));
  return table.toString();
}

function cellsOf(row: Row): string[] {
  const bound = row.better === 'lower' ? '≤ ' : '≥ ';
  const bounded = (number: number | null): string => (number === null ? '' : bound + short(number));
  return [
    row.id,
    row.name,
    row.value === null ? '' : `${short(row.value)} ${row.unit}`,
    row.reference === null ? '' : short(row.reference),
    row.ratio === null ? '' : `${short(row.ratio)}×`,
    bounded(row.gate),
    bounded(row.stretch),
    row.interval === null ? '' : row.interval.map(short).join('–'),
    verdictOf(row),
  ];
}

export function verdictOf(row: Row): string {
  if (row.skipped !== null) return 'SKIPPED';
  if (row.pass === null) return '';
  if (!row.pass) return isBinding(row) ? 'MISSED' : 'WARN';
  return row.stretchReached ? 'stretch' : 'ok';
}

/** Three significant digits, large numbers with k, M, G. */
export function short(number: number): string {
  if (!Number.isFinite(number)) return String(number);
  const size = Math.abs(number);
  const [divisor, suffix] =
    size >= 1e9 ? [1e9, 'G'] : size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${Number((number / divisor).toPrecision(3))}${suffix}`;
}

/** The rows for which the run fails. */
export function failedRows({ rows }: Report): Row[] {
  return rows.filter((row) => row.pass === false && isBinding(row));
}

/** One line on the machine, one on who else used it, one on what was left out. */
export function summaryOf({ machine, rows }: Report): string[] {
  const { cpu, cores, kernel, node, fileSystem, mode } = machine;
  const skipped = rows.filter((row) => row.skipped !== null);
  const missed = rows.filter((row) => row.pass === false);
  const reached = rows.filter((row) => row.stretchReached);
  const loads = rows.flatMap((row) => (row.load === null ? [] : [row.load]));
  const worst = (of: (load: (typeof loads)[number]) => number): string =>
    `${short(Math.max(...loads.map(of)))} %`;
  return [
    `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, ${fileSystem}, ${mode} run`,
    loads.length === 0
      ? 'time stolen, and used by others: not measured'
      : `at worst ${worst((load) => load.stealPercent)} stolen, ` +
        `${worst((load) => load.otherPercent)} used by others during a row`,
    `${rows.length} rows: ${rows.length - skipped.length} measured, ${missed.length} missed ` +
      `their gate, ${reached.length} reached their stretch goal, ${skipped.length} skipped`,
    ...missed.map((row) => `${verdictOf(row)} ${row.id} ${row.name}: ${judgedOf(row)}`),
    ...skipped.map((row) => `SKIPPED ${row.id} ${row.name}: ${row.skipped}`),
  ];
}

function judgedOf(row: Row): string {
  const { ratio, value, gate, better, unit, against, interval, confidence } = row;
  const sure = `${interval!.map(short).join('–')} with ${short(100 * confidence!)} %`;
  const bound = `${better === 'lower' ? '≤' : '≥'} ${short(gate!)} (${sure})`;
  if (ratio === null) return `${short(value!)} ${unit}, gate ${bound}`;
  return `${short(ratio)} times ${against}, gate ${bound}`;
}
