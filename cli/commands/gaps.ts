/** `helicorder gaps scope/name`: what is missing in a stream, why, and whether the sum balances. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import type { GapReport, GapsReport, Quantiles } from '../../engine/tools/types.ts';
import {
  EXIT_DAMAGED,
  newCommand,
  printJson,
  streamName,
  timeText,
  withStore,
} from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';
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
    .action((name: string, options: Options) =>
      run(() => {
        const stream = streamName(name);
        return withStore(io, options, async (store, { gaps }) => {
          const report = await gaps(store, stream, options);
          if (options.json) await printJson(io, report);
          else await io.stdout.write(describe(report, options));
          return report.balanced ? 0 : EXIT_DAMAGED;
        });
      }),
    );
}

function describe(report: GapsReport, { fromTime, toTime }: Options): string {
  const { nominalHz, measuredHz, deltaMicros, latenessMicros, imbalances } = report;
  const lines = [
    `${report.stream}: ${report.samples} samples of ${report.ticksScheduled} ticks scheduled`,
    `time      ${timeText(report.firstTimestampNanos)} to ${timeText(report.lastTimestampNanos)}` +
      (fromTime === undefined && toTime === undefined ? '' : WHOLE_BATCHES),
    `rate      nominal ${hertz(nominalHz)}, measured ${hertz(measuredHz)}`,
    ...(deltaMicros ? [`Δt        ${quantilesText(deltaMicros)}`] : []),
    ...(latenessMicros ? [`lateness  ${quantilesText(latenessMicros)}`] : []),
    ...(report.gaps.length > 0 ? [gapTable(report)] : []),
    ...filteredLine(report),
    ...imbalances,
    `${report.samples} samples + ${report.gapTicks} ticks in gaps ` +
      `${report.balanced ? '=' : '≠'} ${report.ticksScheduled} ticks scheduled: ` +
      `${report.balanced ? 'balanced' : 'NOT balanced'}`,
  ];
  return `${lines.join('\n')}\n`;
}

function filteredLine({ gapsByReason }: GapsReport): string[] {
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

function gapTable({ gaps }: GapsReport): string {
  const head = ['reason', 'offset', 'first tick', 'ticks', 'seconds'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { reason, firstOffset, firstTick, ticks, ...length } of gaps) {
    table.push([reason, firstOffset, firstTick ?? '–', ticks ?? 'unknown', secondsText(length)]);
  }
  return table.toString();
}

function secondsText(gap: Pick<GapReport, 'seconds' | 'minSeconds' | 'maxSeconds'>): string {
  if (gap.seconds !== null) return gap.seconds.toFixed(3);
  if (gap.minSeconds === null || gap.maxSeconds === null) return 'unknown';
  return `${gap.minSeconds.toFixed(1)} to ${gap.maxSeconds.toFixed(1)}`;
}
