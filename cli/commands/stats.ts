/** `helicorder stats scope/name`: count, min, mean and max of each channel per bucket of time. */
import { InvalidArgumentError, type Command } from 'commander';
import { streamName } from '../../engine/base/names.ts';
import { parseDurationNanos } from '../../engine/config/units.ts';
import type { BucketsReport } from '../../engine/tools/types.ts';
import { EXIT_DAMAGED, newCommand, timeText, wholeNumber, withStore } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import { columnsOption, fromTimeOption, tellDamage, toTimeOption } from '../read-options.ts';

const EXAMPLES = [
  'helicorder stats plant/pump-3 --from-time -1h --bucket 1m',
  'helicorder stats plant/pump-3 --buckets 1000 --columns X --json',
];
/** Rows that are printed at once. */
const PIECE_ROWS = 1000;

interface Options extends CommonOptions {
  bucket?: bigint;
  buckets?: number;
  columns?: string[];
  fromTime?: bigint;
  toTime?: bigint;
}

export function statsCommand({ io, run }: CliContext): Command {
  return newCommand('stats', 'count, min, mean and max of each channel over time', EXAMPLES)
    .argument('<stream>', 'scope/name')
    .option('--bucket <duration>', 'length of a row, such as 10s (default: 1m)', duration)
    .option('--buckets <count>', 'instead: this many rows, from the first sample on', wholeNumber)
    .addOption(columnsOption())
    .addOption(fromTimeOption())
    .addOption(toTimeOption())
    .action((name: string, options: Options) => run(() => print(io, streamName(name), options)));
}

async function print(io: CliIo, stream: string, options: Options): Promise<number> {
  return withStore(io, options, async (store, { buckets }) => {
    let isDamaged = false;
    const { bucket, buckets: count, ...given } = options;
    const report = await buckets(store, stream, {
      ...given,
      ...(bucket === undefined ? {} : { bucketNanos: bucket }),
      ...(count === undefined ? {} : { count }),
      onDamage: (damage) => {
        isDamaged = true;
        tellDamage(io, damage);
      },
    });
    for (const piece of piecesOf(report, options)) await io.stdout.write(piece);
    return isDamaged ? EXIT_DAMAGED : 0;
  });
}

interface Row {
  nanos: bigint;
  channel: string;
  count: number;
  min: number | bigint;
  mean: number;
  max: number | bigint;
}

function* piecesOf(report: BucketsReport, { json, quiet }: Options): Generator<string> {
  const width = Math.max(7, ...report.channels.map(({ name }) => name.length));
  if (!json && !quiet) yield textOf('time', 'channel', ['count', 'min', 'mean', 'max'], width);
  let lines: string[] = [];
  for (const row of rowsOf(report)) {
    lines.push(json ? jsonOf(row) : lineOf(row, width));
    if (lines.length < PIECE_ROWS) continue;
    yield lines.join('');
    lines = [];
  }
  if (lines.length > 0) yield lines.join('');
}

function* rowsOf({ startNanos, channels }: BucketsReport): Generator<Row> {
  for (const [i, nanos] of startNanos.entries()) {
    for (const { name, count, mean, ...ends } of channels) {
      const { min, max } = ends.exact ?? ends;
      const values = { min: min[i]!, mean: mean[i]!, max: max[i]! };
      if (count[i]! > 0) yield { nanos, channel: name, count: count[i]!, ...values };
    }
  }
}

/** One object per line, 64-bit integers as text. */
function jsonOf({ nanos, ...row }: Row): string {
  const facts = { timestampNanos: String(nanos), ...row, count: String(row.count) };
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? String(value) : value;
  return `${JSON.stringify(facts, plain)}\n`;
}

function lineOf({ nanos, channel, count, min, mean, max }: Row, width: number): string {
  const numbers = [min, mean, max].map(numberText);
  return textOf(timeText(nanos), channel, [String(count), ...numbers], width);
}

/** Counters in full: nine digits of a number of bytes say little. */
function numberText(value: number | bigint): string {
  if (typeof value === 'bigint') return String(value);
  return String(Number.isSafeInteger(value) ? value : Number(value.toPrecision(9)));
}

function textOf(time: string, channel: string, numbers: string[], width: number): string {
  const cells = numbers.map((text) => text.padStart(14));
  return `${[time.padEnd(24), channel.padEnd(width), ...cells].join(' ')}\n`;
}

function duration(text: string): bigint {
  try {
    return parseDurationNanos(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}
