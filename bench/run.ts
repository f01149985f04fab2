/**
 * `npm run bench`: measures the rows of the project's table of gates, prints them and keeps them in
 * `bench/results/`. Progress and the table go to stderr; with `--json` exactly one object,
 * `{machine, rows}`, goes to stdout.
 * `--help` says what it takes. Beside the results lies a picture of them, `<UTC>.svg`.
 *
 * Exit code 1 if a gate was missed, or with `--compare` if a ratio is more than 15 % worse than
 * the baseline's; 64 for a wrong argument, or a file that the run cannot be compared with; 70 if a
 * measurement went wrong, which is never shown as a slow one. A value that needs an idle machine
 * and has no reference beside it only warns.
 */
import { join } from 'node:path';
import { HelicorderError } from '../engine/base/errors.ts';
import { checkInCommon, compare, readBaseline } from './baseline.ts';
import { EXPERIMENTS } from './experiments.ts';
import { BASELINE_PATH, RESULTS_DIR, WorkDirectory, writeFile } from './files.ts';
import { GROWTH } from './growth.ts';
import { runPlan, wantedRows, type Experiment } from './harness.ts';
import { describeMachine } from './machine.ts';
import { measureParts } from './micro.ts';
import { HELP, parseOptions, type Options } from './options.ts';
import { pictureOf } from './picture.ts';
import { killPrograms } from './process.ts';
import { failedRows, resultName, summaryOf, tableOf, type Report } from './report.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(options: Options): Promise<number> {
  const { compare: path } = options;
  const experiments = options.growth ? GROWTH : EXPERIMENTS;
  const baseline = path === undefined ? undefined : readBaseline(path);
  if (baseline) checkInCommon(wantedRows(experiments, options.filter), baseline, path!);
  const report = await measure(options, experiments);
  const json = JSON.stringify(report, null, 2);
  const name = resultName(report);
  writeFile(join(RESULTS_DIR, `${name}.json`), `${json}\n`);
  const picture = pictureOf(report);
  if (picture !== undefined) writeFile(join(RESULTS_DIR, `${name}.svg`), picture);
  if (options.saveBaseline) writeFile(BASELINE_PATH, `${json}\n`);
  say(tableOf(report));
  for (const line of summaryOf(report)) say(line);
  if (options.json) process.stdout.write(`${json}\n`);
  const { lines, worse } = baseline ? compare(report, baseline, path!) : { lines: [], worse: [] };
  for (const line of [...lines, ...worse.map((row) => `WORSE ${row}`)]) say(line);
  return worse.length > 0 || failedRows(report).length > 0 ? 1 : 0;
}

/** In a work directory that is gone afterwards. */
async function measure(
  { dir, quick, micro, filter }: Options,
  experiments: readonly Experiment[],
): Promise<Report> {
  const work = new WorkDirectory(dir, `helicorder-bench-${process.pid}`);
  removeWhenEnded(work);
  try {
    const machine = describeMachine(work.path, quick);
    const makeDirectory = (name: string): { dir: string; remove: () => void } => {
      const directory = new WorkDirectory(work.path, name);
      return { dir: directory.path, remove: () => directory.remove() };
    };
    const rows = micro
      ? await measureParts({ quick, filter, say })
      : await runPlan({ experiments, quick, filter, makeDirectory, say });
    return { machine, rows };
  } finally {
    work.remove();
  }
}

/** A signal leaves neither programs nor stores behind, and then ends this process as it would. */
function removeWhenEnded(work: WorkDirectory): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      killPrograms();
      work.remove();
      process.kill(process.pid, signal);
    });
  }
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  const known = error instanceof HelicorderError;
  const text = known ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`bench: ${text}\n`);
  process.exitCode = known ? error.exitCode : 70;
}
