/** What `npm run bench` takes on its command line, and what it says about that. */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { HelicorderError } from '../engine/base/errors.ts';
import { BASELINE_PATH } from './files.ts';

export const HELP = `Usage: npm run bench -- [options]

Measures the rows of the table in README.md, each against its reference in the same run, and keeps
them in bench/results/ with a picture. About three quarters of an hour, on a machine that does
nothing else.

  --quick            some rows, less of each: at most two minutes
  --filter ROWS      rows by number, by id or its beginning up to a "-" (3,1-p99,1-10khz), or by a
                     part of their name
  --growth           instead: what grows with history, sensors, readers, streams (half an hour)
  --micro            instead: ring, codecs, CRC, JSON by themselves (seconds)
  --dir DIR          where stores and files are made: the disk that is measured (default: the
                     temporary directory)
  --json             exactly one object on stdout: {machine, rows}; npm itself writes there, too,
                     unless it is told to be silent (-s)
  --compare [FILE]   fails if a ratio is more than 15 % worse than FILE's (default: the committed
                     baseline), or if FILE has none of the rows
  --save-baseline    makes this run, of all rows, the committed baseline
  -h, --help         this

Exit code: 0; 1 a gate was missed, or a ratio is worse; 64 a wrong argument; 70 a measurement
went wrong.

  npm run -s bench -- --quick --json > rows.json
  npm run bench -- --filter 4,12 --dir /mnt/data
`;

export interface Options {
  quick: boolean;
  growth: boolean;
  micro: boolean;
  filter: string | undefined;
  dir: string;
  json: boolean;
  saveBaseline: boolean;
  /** file of the rows to compare with */
  compare: string | undefined;
  help: boolean;
}

/** @throws HelicorderError USAGE */
export function parseOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: withCompared(args),
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
    const options = { filter: undefined, compare: undefined, ...others, saveBaseline };
    refuseContradictions(options);
    return options;
  } catch (error) {
    throw new HelicorderError('USAGE', `${(error as Error).message}; --help says what there is`, {
      cause: error,
    });
  }
}

/** `--compare` alone means the committed baseline; parseArgs knows no optional values. */
function withCompared(args: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [word, next] = [args[i]!, args[i + 1]];
    if (word !== '--compare') words.push(word);
    else if (next === undefined || next.startsWith('-')) words.push(`--compare=${BASELINE_PATH}`);
    else words.push(`--compare=${args[++i]}`);
  }
  return words;
}

function refuseContradictions(options: Options): void {
  const { quick, growth, micro, filter, saveBaseline, compare } = options;
  if (saveBaseline && (quick || filter !== undefined || growth || micro)) {
    throw new Error(
      '--save-baseline takes all rows of the table: no --quick, --filter, --growth, --micro',
    );
  }
  if (compare !== undefined && micro) {
    throw new Error('--compare is about ratios: the parts of --micro have none');
  }
}
