/** `helicorder gaps scope/name`: what is missing in a stream, why, and whether the sum balances. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { streamName } from '../../engine/base/names.ts';
import type { GapsPiece } from '../../engine/tools/gaps.ts';
import type { GapReport, Quantiles } from '../../engine/tools/types.ts';
import { EXIT_DAMAGED, newCommand, timeText, withStore } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import { fromTimeOption, toTimeOption } from '../read-options.ts';

const EXAMPLES = [
  'helicorder gaps examples/network',
  'helicorder gaps plant/eth0 --json',
  'helicorder gaps plant/eth0 --from-time -1h',
];

const WHOLE_BATCHES = ': all that is stored with a sample of the range asked for';

const WHAT_COUNTS = `
A range of time counts whole batches: all ticks that are stored with one of its samples. The time
that is really covered is printed, in --json as firstTimestampNanos and lastTimestampNanos.`;

const HEAD = ['reason', 'offset', 'first tick', 'ticks', 'seconds'];
/** A table takes time with the square of its length. */
const TABLE_GAPS = 200;
/** of a column in lines */
const WIDTH = 14;

interface Options extends CommonOptions {
  fromTime?: bigint;
  toTime?: bigint;
}

export function gapsCommand({ io, run }: CliContext): Command {
  return newCommand('gaps', 'every gap of a stream, its reason and length', EXAMPLES)
    .argument('<stream>', 'scope/name')
    .addOption(fromTimeOption())
    .addOption(toTimeOption())
    .addHelpText('after', WHAT_COUNTS)
    .action((name: string, options: Options) => run(() => print(io, streamName(name), options)));
}

async function print(io: CliIo, stream: string, options: Options): Promise<number> {
  return withStore(io, options, async (store, { gapPieces }) => {
    const textOf = options.json ? jsonText(stream) : plainText(options);
    let isBalanced = false;
    for await (const piece of gapPieces(store, stream, options)) {
      await io.stdout.write(textOf(piece));
      isBalanced = piece.rest?.balanced ?? false;
    }
    return isBalanced ? 0 : EXIT_DAMAGED;
  });
}

type Rest = NonNullable<GapsPiece['rest']>;

/** All pieces together are one JSON document, as of one object: none but an only one is empty. */
function jsonText(name: string): (piece: GapsPiece) => string {
  let before = `{"stream":${JSON.stringify(name)},"gaps":[`;
  return ({ gaps, rest }) => {
    const list = before + JSON.stringify(gaps).slice(1, -1);
    before = ',';
    if (rest === undefined) return list;
    const { stream: _, ...facts } = rest;
    return `${list}],${JSON.stringify(facts).slice(1)}\n`;
  };
}

/** A few gaps stand in a table within the report, many of them in lines before it. */
function plainText(options: Options): (piece: GapsPiece) => string {
  let isFirst = true;
  return ({ gaps, rest }) => {
    const isAll = isFirst && rest !== undefined && gaps.length <= TABLE_GAPS;
    const lines = isAll ? '' : linesOf([...(isFirst ? [HEAD] : []), ...gaps.map(cellsOf)]);
    isFirst = false;
    return lines + (rest === undefined ? '' : describe(rest, isAll ? gaps : [], options));
  };
}

function describe(report: Rest, gaps: GapReport[], { fromTime, toTime }: Options): string {
  const { nominalHz, measuredHz, deltaMicros, latenessMicros, imbalances } = report;
  const lines = [
    `${report.stream}: ${report.samples} samples of ${report.ticksScheduled} ticks scheduled`,
    `time      ${timeText(report.firstTimestampNanos)} to ${timeText(report.lastTimestampNanos)}` +
      (fromTime === undefined && toTime === undefined ? '' : WHOLE_BATCHES),
    `rate      nominal ${hertz(nominalHz)}, measured ${hertz(measuredHz)}`,
    ...(deltaMicros ? [`Δt        ${quantilesText(deltaMicros)}`] : []),
    ...(latenessMicros ? [`lateness  ${quantilesText(latenessMicros)}`] : []),
    ...(gaps.length > 0 ? [gapTable(gaps)] : []),
    ...filteredLine(report),
    ...imbalances,
    `${report.samples} samples + ${report.gapTicks} ticks in gaps ` +
      `${report.balanced ? '=' : '≠'} ${report.ticksScheduled} ticks scheduled: ` +
      `${report.balanced ? 'balanced' : 'NOT balanced'}`,
  ];
  return `${lines.join('\n')}\n`;
}

function filteredLine({ gapsByReason }: Rest): string[] {
  const filtered = gapsByReason.find(({ reason }) => reason === 'filtered');
  if (filtered === undefined) return [];
  return [
    `filtered  ${filtered.ticks} ticks: left out by the copy that made this stream, not lost`,
  ];
}

function hertz(value: number | null): string {
  return value === null ? 'unknown' : `${Number(value.toFixed(4))} Hz`;
}

function quantilesText({ min, p50, p99, p999, max }: Quantiles): string {
  const [low, half, most, nearly, high] = [min, p50, p99, p999, max].map((us) => us.toFixed(1));
  return `min ${low}, p50 ${half}, p99 ${most}, p99.9 ${nearly}, max ${high} µs`;
}

function gapTable(gaps: GapReport[]): string {
  const table = new Table({ head: HEAD, style: { head: [], border: [] } });
  for (const gap of gaps) table.push(cellsOf(gap));
  return table.toString();
}

function cellsOf({ reason, firstOffset, firstTick, ticks, ...length }: GapReport): string[] {
  return [reason, firstOffset, firstTick ?? '–', ticks ?? 'unknown', secondsText(length)];
}

function linesOf(rows: string[][]): string {
  const lines = rows.map(([reason, ...cells]) =>
    [reason!.padEnd(WIDTH), ...cells.map((cell) => cell.padStart(WIDTH))].join(' '),
  );
  return lines.map((line) => `${line}\n`).join('');
}

function secondsText(gap: Pick<GapReport, 'seconds' | 'minSeconds' | 'maxSeconds'>): string {
  if (gap.seconds !== null) return gap.seconds.toFixed(3);
  if (gap.minSeconds === null || gap.maxSeconds === null) return 'unknown';
  return `${gap.minSeconds.toFixed(1)} to ${gap.maxSeconds.toFixed(1)}`;
}
