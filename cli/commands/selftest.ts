/**
 * `helicorder selftest`: the user's own proof on his own machine and disk. Exit 0 if every promise
 * held, 1 if one broke. A disk whose syncs look suspicious is said so, and breaks none.
 */
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import type { SelfTestReport, StepReport, SyncReport } from '../../engine/index.ts';
import { formatBytes } from '../../engine/config/units.ts';
import { dataDirOf, ignore, millisecondsOf, nameList, newCommand } from '../command.ts';
import { Interrupted, printJson, wholeNumber } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';

const EXAMPLES = [
  'helicorder selftest --data-dir /var/lib/helicorder',
  'helicorder selftest --data-dir /mnt/usb --duration 2m',
  'helicorder selftest --duration 20s --seed 7 --json',
];
const DURATION_DEFAULT = '60s';
const DURATION_MAX_MS = 120_000;
const EXIT_BROKEN = 1;

interface Options extends CommonOptions {
  duration: string;
  seed?: number;
  only?: string[];
}

export function selftestCommand({ io, run }: CliContext): Command {
  const summary = 'kill, tear, fill and copy stores on this disk, and see every promise hold';
  return newCommand('selftest', summary, EXAMPLES)
    .option('--duration <duration>', 'about how long, at most 2m', DURATION_DEFAULT)
    .option('--seed <n>', 'choose the same moments again', wholeNumber)
    .option('--only <steps>', 'kill, torn tail, full budget, clock step, copy', nameList)
    .addHelpText(
      'after',
      '\nMakes a directory of its own in --data-dir, on the disk to be tested, and removes it;\n' +
        'stores that are there are not touched. Exit code 1: a promise broke, the report says\n' +
        'which, and the directory is kept.',
    )
    .action((options: Options) => run(() => selftest(io, options)));
}

async function selftest(io: CliIo, options: Options): Promise<number> {
  const durationMs = milliseconds(options.duration);
  const engine = await io.load('engine');
  const interrupted = new AbortController();
  const stopListening = io.onSignal((signal) => interrupted.abort(new Interrupted(signal)));
  const isText = options.json !== true;
  const print = (text: string): void => {
    if (isText && !options.quiet) void io.stdout.write(text).catch(ignore);
  };
  const progress = new ProgressLine(io, options.quiet === true);
  try {
    const report = await engine.selfTest({
      dataDir: await dataDirOf(options, io),
      program: io.program,
      durationMs,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.only === undefined ? {} : { only: options.only }),
      onSync: (sync) => {
        progress.clear();
        print(describeSync(sync));
      },
      onStep: (step) => {
        progress.clear();
        print(describeStep(step));
      },
      onProgress: (text) => progress.show(text),
      signal: interrupted.signal,
    });
    if (!isText) await printJson(io, report);
    else if (!options.quiet || !report.ok) await io.stdout.write(describeEnd(report));
    return report.ok ? 0 : EXIT_BROKEN;
  } finally {
    progress.clear();
    stopListening();
  }
}

function milliseconds(text: string): number {
  const ms = millisecondsOf(text);
  if (ms !== undefined && ms > 0 && ms <= DURATION_MAX_MS) return ms;
  throw new HelicorderError(
    'USAGE',
    `--duration ${text}: expected a duration up to 2m, such as 60s`,
  );
}

/** On a terminal one line that is written over. */
class ProgressLine {
  readonly #io: CliIo;
  readonly #isShown: boolean;

  constructor(io: CliIo, isQuiet: boolean) {
    this.#io = io;
    this.#isShown = io.stderr.isTTY && !isQuiet;
  }

  show(text: string): void {
    if (this.#isShown) void this.#io.stderr.write(`\r${text}\u001b[K`).catch(ignore);
  }

  clear(): void {
    if (this.#isShown) void this.#io.stderr.write('\r\u001b[K').catch(ignore);
  }
}

const INDENT = ' '.repeat(21);

function block(state: string, name: string, lines: readonly string[]): string {
  const head = `${state.padEnd(8)}${name.padEnd(13)}`;
  return `${head}${lines.join(`\n${INDENT}`)}\n`;
}

function describeSync({ micros, verdict, reasons, fileSystem, device }: SyncReport): string {
  const quantiles = ({ p50, p99, max }: { p50: number; p99: number; max: number }): string =>
    `p50 ${Math.round(p50)}, p99 ${Math.round(p99)}, max ${Math.round(max)} µs`;
  const lines = micros.flatMap(({ bytes, direct, fdatasync }) => [
    `${formatBytes(bytes)}: O_DIRECT|O_DSYNC ${direct ? quantiles(direct) : 'not here'}`,
    `${' '.repeat(formatBytes(bytes).length)}  fdatasync        ${quantiles(fdatasync)}`,
  ]);
  return block('', 'sync', [
    `${fileSystem}${device === null ? '' : ` on ${device}`}`,
    ...lines,
    `syncs: ${verdict}`,
    ...reasons,
  ]);
}

function describeStep({ ok, name, seconds, found, broken, promise }: StepReport): string {
  if (ok) return block('ok', name, [`${promise} (${seconds} s)`, ...found]);
  return block('BROKEN', name, [broken ?? promise]);
}

function describeEnd({ ok, steps, seconds, seed, version, kept, dir }: SelfTestReport): string {
  const held = steps.filter((step) => step.ok).length;
  const broken = steps.flatMap((step) => (step.broken === null ? [] : [step.broken]));
  return [
    ...broken,
    `${ok ? 'ok' : 'NOT ok'}: ${held} of ${steps.length} promises held in ${dir} ` +
      `(${seconds} s, helicorder ${version}, --seed ${seed})`,
    kept === null ? 'nothing is left behind' : `the stores are kept in ${kept}`,
    '',
  ].join('\n');
}
