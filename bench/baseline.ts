/**
 * `--compare`: a run beside one that was kept. Compared are ratios, since other load and another
 * machine move values; of rows without one, values that neither moves (`steady`). A row is known by
 * its id, and by its name: one that is called otherwise there has had another meaning.
 */
import { z } from 'zod';
import { HelicorderError } from '../engine/base/errors.ts';
import { readText } from './files.ts';
import type { Row, RowSpec } from './harness.ts';
import { short, type Report } from './report.ts';

/** How much worse than the baseline a row may be before `--compare` fails. */
const TOLERANCE = 0.15;
const DAY_MS = 86_400_000;

/** What a comparison needs of a file; all else in it may change. */
const FILE = z.object({
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    node: z.string(),
    measured: z.string().refine((text) => Number.isFinite(Date.parse(text)), 'no time'),
    mode: z.enum(['full', 'quick']),
  }),
  rows: z
    .array(
      z.object({
        id: z.string(),
        name: z.string(),
        unit: z.string(),
        // JSON writes null for a quantile that lay beyond a histogram
        ratio: z.number().nullable(),
        value: z.number().nullable(),
      }),
    )
    .min(1, 'there is none'),
});

export type Baseline = z.infer<typeof FILE>;

/**
 * Before anything is measured: half an hour is too long to learn of a misspelled name.
 * @throws HelicorderError USAGE
 */
export function readBaseline(path: string): Baseline {
  const refuse = (what: string, cause?: unknown): never => {
    const expected = 'expected is what --json prints, {machine, rows}';
    throw new HelicorderError('USAGE', `--compare ${path}: ${what}; ${expected}`, { cause });
  };
  let text = '';
  try {
    text = readText(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    refuse(code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    refuse('it is not JSON', error);
  }
  const { data, error } = FILE.safeParse(json);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  return refuse(`${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}

/** @throws HelicorderError USAGE if none of these rows could be compared with the file's */
export function checkInCommon(specs: readonly RowSpec[], baseline: Baseline, path: string): void {
  const there = new Set(baseline.rows.map(({ id }) => id));
  const isIn = ({ id, reference, steady }: RowSpec): boolean =>
    there.has(id) && (reference !== undefined || steady === true);
  if (specs.length > 0 && !specs.some(isIn)) refuseNone(path);
}

function refuseNone(path: string): never {
  throw new HelicorderError(
    'USAGE',
    `--compare ${path}: it has no row that this run could be compared by`,
  );
}

export interface Comparison {
  /** how many rows stand in both and could be compared */
  compared: number;
  /** for stderr: what was compared with what, and what was not */
  lines: string[];
  /** what has become worse by more than the tolerance, in words */
  worse: string[];
}

/** @throws HelicorderError USAGE if no row could be compared */
export function compare(report: Report, baseline: Baseline, path: string): Comparison {
  const before = new Map(baseline.rows.map((row) => [row.id, row]));
  const [worse, maxima] = [new Array<string>(), new Array<string>()];
  const left = { unknown: new Array<string>(), renamed: new Array<string>() };
  let compared = 0;
  for (const row of report.rows) {
    const now = comparable(row);
    if (row.skipped !== null || now === null) continue;
    const old = before.get(row.id);
    const then = old && (row.ratio === null ? old.value : old.ratio);
    if (old === undefined || then === null || then === undefined) left.unknown.push(row.id);
    else if (old.name !== row.name || old.unit !== row.unit) left.renamed.push(row.id);
    else {
      compared++;
      if (isWorse(row, now, then)) (row.maximum ? maxima : worse).push(worseLine(row, now, then));
    }
  }
  if (compared === 0) refuseNone(path);
  const skipped = report.rows.filter((row) => row.skipped !== null && before.has(row.id));
  const named = (ids: readonly string[], what: string): string =>
    ids.length === 0 ? '' : `; ${ids.length} ${what}: ${ids.join(', ')}`;
  const skippedIds = skipped.map(({ id }) => id);
  const lines = [
    ageOf(report, baseline, path),
    `compared ${compared} rows with ${path}${named(left.unknown, 'not in it')}` +
      `${named(left.renamed, 'of another name in it')}${named(skippedIds, 'in it, skipped now')}`,
    ...maxima.map((line) => `${line}; a maximum fails nothing`),
  ];
  return { compared, lines, worse };
}

/** null: neither a ratio nor a value that other load leaves as it is */
function comparable({ ratio, value, steady }: Row): number | null {
  return ratio ?? (steady ? value : null);
}

function isWorse({ better }: Row, now: number, then: number): boolean {
  const slack = 1 + TOLERANCE;
  return better === 'lower' ? now > then * slack : now < then / slack;
}

function worseLine({ id, name, better }: Row, now: number, then: number): string {
  return `${id} ${name}: ${short(now)}, was ${short(then)} (${better} is better)`;
}

/** How old it is, and whether it was this machine's. */
function ageOf(report: Report, baseline: Baseline, path: string): string {
  const { measured, cpu, cores, node, mode } = baseline.machine;
  const days = Math.round((Date.parse(report.machine.measured) - Date.parse(measured)) / DAY_MS);
  const age = days === 1 ? '1 day' : `${days} days`;
  const machine = `${cpu}, ${cores} cores, Node ${node}, ${mode} run`;
  return `${path} is of ${measured.slice(0, 10)}, ${age} before this run: ${machine}`;
}
