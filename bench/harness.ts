/**
 * The benchmarks' harness: pairs, medians, gates.
 *
 * A machine shared with others gives numbers that move by 1.5–2×, so no absolute number says
 * anything about a change. What is compared here is always two things measured in turn, in one
 * run, on one machine, under one load:
 *
 *   experiment ─┬─ subject       A     A     A     A     A
 *               ├─ reference 1     B     B     B     B     B      5 rounds
 *               └─ reference 2       C     C     C     C     C
 *                                └──┬──┘
 *                                one round: the ratios of a round are taken within it
 *
 * An **arm** is one side of an experiment: it does its work once and returns named numbers. A
 * **row** of the table takes one number of the subject and, where it has one, one of a reference.
 * Its value and reference are medians over the rounds; its ratio is the median of the rounds'
 * ratios, not the ratio of the medians: drift of the machine between rounds falls out of it. How
 * sure the judged one of them is, says a confidence interval of the median (`stats.ts`).
 *
 * A gate is about the ratio where there is a reference, else about the value. It fails a run where
 * other load cannot be the reason: a ratio, or a value that is the same on a busy machine (bytes,
 * memory: `steady`). Any other value only warns. The maximum of anything is shown and never gated:
 * one stall of a virtual machine lasts 8–100 ms and hits every method alike. An arm whose tool is
 * missing takes its rows out of the table, with the reason, in words and in the count at the end;
 * it never makes a row pass.
 *
 * Limits: a round runs its arms one after the other, so what changes faster than a round does not
 * cancel; the load of others is recorded beside each row (`machine.ts`), not corrected for.
 */
import { HelicorderError } from '../engine/base/errors.ts';
import { curveOf, type Curve } from './curve.ts';
import { LoadMeter, type Load } from './machine.ts';
import { median, medianInterval, spread, type Spread } from './stats.ts';

/** What one arm measured in one round, by name. Units are in the names. */
export type Metrics = Readonly<Record<string, number>>;

export interface Context {
  quick: boolean;
  /** an empty directory on the file system that is measured, removed after the arm */
  dir: string;
  /** what `prepare` has filled: one directory for all arms and rounds of the experiment */
  shared: string;
  /** what the arms before this one have measured in this round */
  round: Round;
}

export interface Arm {
  name: string;
  /** why this arm cannot run on this machine: a tool that is not installed */
  missing?: () => string | undefined;
  /** @throws what makes the whole benchmark fail: a wrong result is not a slow one */
  measure: (context: Context) => Promise<Metrics>;
}

/** Rows of one panel have one unit. */
export interface Figure {
  panel: string;
  at: string;
  /** where the reference stands on the axis, if it is less of the same: a line grows from there */
  from?: string;
}

export interface RowSpec {
  /** number of the row in the project's table of gates, with a suffix: `1-p99` */
  id: string;
  name: string;
  unit: string;
  better: 'lower' | 'higher';
  /** bounds on the ratio, or on the value of a row without a reference; null: only reported */
  gate: number | null;
  stretch: number | null;
  /** left out of `--quick` */
  fullOnly?: boolean;
  /** a value without a reference that other load does not move: bytes, memory */
  steady?: boolean;
  /** the greatest of all: shown, and never the reason why a run fails */
  maximum?: boolean;
  /** where the row stands in the run's picture: a panel, and a place on its axis */
  figure?: Figure;
  /** its arms tell the tails of what they have measured (`curve.ts`): they are drawn */
  curve?: boolean;
  /** name of the arm that is measured */
  subject: string;
  value: (subject: Metrics) => number;
  reference?: { arm: string; value: (reference: Metrics) => number };
}

export interface Experiment {
  name: string;
  /** in the order in which a round measures them */
  arms: readonly Arm[];
  rows: readonly RowSpec[];
  /** makes what all arms look at: a store with a long history takes longer to make than to open */
  prepare?: (shared: string) => Promise<void>;
  /** 1 for what is exact: a second time would give the same; default 5 */
  rounds?: 1;
}

/** One line of the table; the names up to `skipped` are a promise to whoever reads the JSON. */
export interface Row {
  id: string;
  name: string;
  value: number | null;
  reference: number | null;
  ratio: number | null;
  gate: number | null;
  stretch: number | null;
  /** null: skipped, or a row that is only reported */
  pass: boolean | null;
  /** why there is no number, or null */
  skipped: string | null;
  unit: string;
  better: 'lower' | 'higher';
  /** name of the reference arm */
  against: string | null;
  stretchReached: boolean | null;
  steady: boolean;
  maximum: boolean;
  figure: Figure | null;
  curve: Curve | null;
  /** of the ratio, or of the value where there is none; `confidence`: 0…1 */
  interval: [low: number, high: number] | null;
  confidence: number | null;
  valueRange: [min: number, max: number] | null;
  referenceRange: [min: number, max: number] | null;
  ratioRange: [min: number, max: number] | null;
  rounds: number;
  load: Load | null;
}

export interface Plan {
  experiments: readonly Experiment[];
  quick: boolean;
  /** row ids or parts of row names; undefined: all */
  filter: string | undefined;
  makeDirectory: (name: string) => { dir: string; remove: () => void };
  say: (line: string) => void;
}

/** One round's numbers, by arm. */
export type Round = ReadonlyMap<string, Metrics>;

export const ROUNDS = 5;
/** Beside a reference of zero a ratio has no meaning; the smaller of two zeros is neither. */
const RATIO_OF_ZEROS = 1;

/** Runs what the plan asks for. @returns rows in the order of the experiments */
export async function runPlan(plan: Plan): Promise<Row[]> {
  const rows: Row[] = [];
  for (const experiment of plan.experiments) {
    const wanted = experiment.rows.filter((row) => isWanted(row, plan.filter));
    if (wanted.length === 0) continue;
    rows.push(...(await runExperiment(experiment, wanted, plan)));
  }
  if (rows.length === 0) {
    throw new HelicorderError('USAGE', `--filter ${plan.filter}: no row has this in id or name`);
  }
  return rows;
}

/** In the order of the experiments. */
export function wantedRows(
  experiments: readonly Experiment[],
  filter: string | undefined,
): RowSpec[] {
  return experiments.flatMap(({ rows }) => rows.filter((row) => isWanted(row, filter)));
}

/**
 * A filter names rows by number, by id or by what an id begins with up to a dash (`3`, `1-p99`,
 * `1-10khz`; several with commas), or by a part of their name that is not just a number: names are
 * full of those.
 */
export function isWanted(row: RowSpec, filter: string | undefined): boolean {
  if (filter === undefined) return true;
  return filter.split(',').some((part) => {
    const wanted = part.trim().toLowerCase();
    const id = row.id.toLowerCase();
    if (wanted !== '' && (id === wanted || id.startsWith(`${wanted}-`))) return true;
    return /[a-z]/.test(wanted) && row.name.toLowerCase().includes(wanted);
  });
}

async function runExperiment(
  experiment: Experiment,
  wanted: readonly RowSpec[],
  plan: Plan,
): Promise<Row[]> {
  const missing = missingArms(experiment);
  const skips = (row: RowSpec): string | undefined =>
    (plan.quick && row.fullOnly ? 'not part of --quick' : undefined) ??
    missing.get(row.subject) ??
    (row.reference && missing.get(row.reference.arm));
  const measured = wanted.filter((row) => skips(row) === undefined);
  for (const row of wanted) {
    const reason = skips(row);
    if (reason !== undefined) plan.say(`SKIPPED ${row.id} ${row.name}: ${reason}`);
  }
  const meter = new LoadMeter();
  const rounds = measured.length === 0 ? [] : await measureRounds(experiment, measured, plan);
  const load = measured.length > 0 ? meter.read() : null;
  return wanted.map((row) => {
    const reason = skips(row);
    if (reason !== undefined) return skippedRow(row, reason);
    return makeRow(row, rounds, load);
  });
}

async function measureRounds(
  experiment: Experiment,
  rows: readonly RowSpec[],
  plan: Plan,
): Promise<Round[]> {
  const { name, prepare, rounds: count = ROUNDS } = experiment;
  const shared = plan.makeDirectory(directoryName(`${name} shared`));
  const rounds: Round[] = [];
  try {
    if (prepare) plan.say(`${name}: making what is looked at …`);
    await prepare?.(shared.dir);
    for (let i = 0; i < count; i++) {
      const round = new Map<string, Metrics>();
      for (const arm of armsOf(experiment, rows)) {
        plan.say(`${name}: round ${i + 1} of ${count}, ${arm.name} …`);
        round.set(arm.name, await measureArm(arm, shared.dir, round, plan));
      }
      rounds.push(round);
    }
    return rounds;
  } finally {
    shared.remove();
  }
}

async function measureArm(
  arm: Arm,
  shared: string,
  round: Round,
  { quick, makeDirectory }: Plan,
): Promise<Metrics> {
  const { dir, remove } = makeDirectory(directoryName(arm.name));
  try {
    return await arm.measure({ quick, dir, shared, round });
  } finally {
    remove();
  }
}

function directoryName(name: string): string {
  return name.replaceAll(/[^a-z0-9]+/gi, '-');
}

function missingArms({ arms }: Experiment): Map<string, string> {
  const missing = new Map<string, string>();
  for (const arm of arms) {
    const reason = arm.missing?.();
    if (reason !== undefined) missing.set(arm.name, reason);
  }
  return missing;
}

/** Only those arms that a row asks for. */
function armsOf({ arms }: Experiment, rows: readonly RowSpec[]): Arm[] {
  const asked = new Set(rows.flatMap((row) => [row.subject, row.reference?.arm]));
  return arms.filter((arm) => asked.has(arm.name));
}

/** Pairs the numbers of each round and takes medians. */
export function makeRow(spec: RowSpec, rounds: readonly Round[], load: Load | null): Row {
  const values = rounds.map((round) => spec.value(metricsOf(round, spec.subject)));
  const { reference } = spec;
  const references = reference
    ? rounds.map((round) => reference.value(metricsOf(round, reference.arm)))
    : undefined;
  const ratios = references?.map((of, i) => ratioOf(values[i]!, of));
  const value = spread(values);
  const ratio = ratios && median(ratios);
  const of = (arm: string): Metrics[] => rounds.map((round) => metricsOf(round, arm));
  const judged = ratio ?? value.median;
  const { low, high, confidence } = medianInterval(ratios ?? values);
  return {
    ...outline(spec),
    value: value.median,
    reference: references ? median(references) : null,
    ratio: ratio ?? null,
    pass: spec.gate === null ? null : isWithin(judged, spec.gate, spec.better),
    stretchReached: spec.stretch === null ? null : isWithin(judged, spec.stretch, spec.better),
    skipped: null,
    interval: [low, high],
    confidence,
    valueRange: rangeOf(value),
    referenceRange: references ? rangeOf(spread(references)) : null,
    curve: spec.curve ? curveOf(of(spec.subject), reference && of(reference.arm)) : null,
    ratioRange: ratios ? rangeOf(spread(ratios)) : null,
    rounds: rounds.length,
    load,
  };
}

function isWithin(number: number, bound: number, better: 'lower' | 'higher'): boolean {
  return better === 'lower' ? number <= bound : number >= bound;
}

function ratioOf(value: number, reference: number): number {
  if (value === 0 && reference === 0) return RATIO_OF_ZEROS;
  return value / reference;
}

/** @throws ASSERTION if the arm has not been measured in this round */
export function metricsOf(round: Round, arm: string): Metrics {
  const metrics = round.get(arm);
  if (metrics === undefined) throw new HelicorderError('ASSERTION', `no numbers of ${arm}`);
  return metrics;
}

function rangeOf({ min, max }: Spread): [number, number] {
  return [min, max];
}

function skippedRow(spec: RowSpec, reason: string): Row {
  return {
    ...outline(spec),
    value: null,
    reference: null,
    ratio: null,
    pass: null,
    stretchReached: null,
    skipped: reason,
    interval: null,
    confidence: null,
    valueRange: null,
    referenceRange: null,
    ratioRange: null,
    curve: null,
    rounds: 0,
    load: null,
  };
}

function outline(
  spec: RowSpec,
): Pick<
  Row,
  | ('id' | 'name' | 'gate' | 'stretch' | 'unit' | 'better' | 'against')
  | ('steady' | 'maximum' | 'figure')
> {
  const { id, name, gate, stretch, unit, better, reference } = spec;
  const { steady = false, maximum = false, figure = null } = spec;
  const against = reference?.arm ?? null;
  return { id, name, gate, stretch, unit, better, against, steady, maximum, figure };
}

/** Is what the gate is about free of the load of others? Then missing it fails the run. */
export function isBinding({ gate, ratio, steady }: Row): boolean {
  return gate !== null && (ratio !== null || steady);
}
