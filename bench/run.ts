/**
 * `npm run bench`: measures the rows of the project's table of gates, prints them and keeps them in
 * `bench/results/`. Progress and the table go to stderr; with `--json` exactly one object,
 * `{machine, rows}`, goes to stdout.
 * `--help` says what it takes. Beside the results lies a picture of them, `<UTC>.svg`.
 *
 * Exit code 1 if a gate was missed, or with `--compare` if a ratio is more than 15 % worse than
 * the baseline's; 64 for a wrong argument; 70 if a measurement went wrong, which is never shown as
 * a slow one. A value that needs an idle machine and has no reference beside it only warns.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HelicorderError } from '../engine/base/errors.ts';
import { EXPERIMENTS } from './experiments.ts';
import { BASELINE_PATH, RESULTS_DIR, WorkDirectory, readTextIfThere, writeFile } from './files.ts';
import { GROWTH } from './growth.ts';
import { runPlan } from './harness.ts';
import { describeMachine } from './machine.ts';
import { measureParts } from './micro.ts';
import { pictureOf } from './picture.ts';
import { killPrograms } from './process.ts';
import { failedRows, regressions, summaryOf, tableOf, type Report } from './report.ts';

const HELP = `Usage: npm run bench -- [options]

Measures the rows of the table in README.md, each against its reference in the same run, and keeps
them in bench/results/ with a picture. Half an hour, on a machine that does nothing else.

  --quick            some rows, less of each: two minutes
  --filter ROWS      rows by number or id (3,1-p99), or by a part of their name
  --growth           instead: what grows with history, sensors, readers, streams (half an hour)
  --micro            instead: ring, codecs, CRC, JSON by themselves (seconds)
  --dir DIR          where stores and files are made: the disk that is measured (default: the
                     temporary directory)
  --json             exactly one object on stdout: {machine, rows}
  --compare [FILE]   fails if a ratio is more than 15 % worse than FILE's (default: the committed
                     baseline)
  --save-baseline    makes this run, of all rows, the committed baseline
  -h, --help         this

Exit code: 0; 1 a gate was missed, or a ratio is worse; 64 a wrong argument; 70 a measurement
went wrong.

  npm run bench -- --quick --json > row.json
  npm run bench -- --filter 4,12 --dir /mnt/data
`;

interface Options {
  quick: boolean;
  growth: boolean;
  micro: boolean;
  filter: string | undefined;
  dir: string;
  json: boolean;
  saveBaseline: boolean;
  compare: string | undefined;
  help: boolean;
}

function parseOptions(args: string[]): Options {
  // `--compare` alone means the committed baseline; parseArgs knows no optional values
  const words = args.map((word) => (word === '--compare' ? `--compare=${BASELINE_PATH}` : word));
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        quick: { type: 'boolean', default: false },
        growth: { type: 'boolean', default: false },
        micro: { type: 'boolean', default: false },
        filter: { type: 'string' },
        dir: { type: 'string', default: tmpdir() },
        json: { type: 'boolean', default: false },
        'save-baseline': { type: 'boolean', default: false },
        compare: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { 'save-baseline': saveBaseline, ...others } = values;
    if (saveBaseline && (values.filter !== undefined || values.growth || values.micro)) {
      throw new Error(
        '--save-baseline takes all rows of the table: no --filter, --growth, --micro',
      );
    }
    return { filter: undefined, compare: undefined, ...others, saveBaseline };
  } catch (error) {
    throw new HelicorderError('USAGE', `${(error as Error).message}; --help says what there is`, {
      cause: error,
    });
  }
}

async function main(options: Options): Promise<number> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const baseline = options.compare === undefined ? undefined : readBaseline(options.compare);
  const work = new WorkDirectory(options.dir, `helicorder-bench-${process.pid}`);
  removeWhenEnded(work);
  let report: Report;
  try {
    const machine = describeMachine(work.path, options.quick);
    const makeDirectory = (name: string): { dir: string; remove: () => void } => {
      const directory = new WorkDirectory(work.path, name);
      return { dir: directory.path, remove: () => directory.remove() };
    };
    const { quick, growth, micro, filter } = options;
    const experiments = growth ? GROWTH : EXPERIMENTS;
    const rows = micro
      ? await measureParts({ quick, filter, say })
      : await runPlan({ experiments, quick, filter, makeDirectory, say });
    report = { machine, rows };
  } finally {
    work.remove();
  }
  const json = JSON.stringify(report, null, 2);
  const name = fileNameOf(report.machine.measured);
  writeFile(join(RESULTS_DIR, `${name}.json`), `${json}\n`);
  const picture = pictureOf(report);
  if (picture !== undefined) writeFile(join(RESULTS_DIR, `${name}.svg`), picture);
  if (options.saveBaseline) writeFile(BASELINE_PATH, `${json}\n`);
  say(tableOf(report));
  for (const line of summaryOf(report)) say(line);
  if (options.json) process.stdout.write(`${json}\n`);
  const worse = baseline ? regressions(report, baseline) : [];
  for (const line of worse) say(`WORSE ${line}`);
  return worse.length > 0 || failedRows(report).length > 0 ? 1 : 0;
}

/** Before anything is measured: ten minutes are too long to learn of a misspelled name. */
function readBaseline(path: string): Report {
  const text = readTextIfThere(path);
  if (text !== undefined) return JSON.parse(text) as Report;
  throw new HelicorderError('USAGE', `--compare ${path}: there is no such file`);
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

/** 2026-01-31T10:20:30.456Z → 2026-01-31T10-20-30: the shell's friend, sorted by time. */
function fileNameOf(utc: string): string {
  return utc.slice(0, 19).replaceAll(':', '-');
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
