/** `helicorder gaps scope/name`: what is missing in a stream, why, and whether the sum balances. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import type { GapReport, GapsReport, Quantiles } from '../../engine/tools/types.ts';
import { dataDirOf, newCommand, printJson, streamName } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder gaps examples/network', 'helicorder gaps plant/eth0 --json'];
const EXIT_UNBALANCED = 65;

export function gapsCommand({ io, run }: CliContext): Command {
  return newCommand('gaps', 'every gap of a stream, its reason and length', EXAMPLES)
    .argument('<stream>', 'scope/name')
    .action((name: string, options: CommonOptions) =>
      run(async () => {
        const stream = streamName(name);
        const { Store, gaps } = await io.loadEngine();
        const store = Store.open(dataDirOf(options, io));
        try {
          const report = await gaps(store, stream);
          if (options.json) await printJson(io, report);
          else await io.stdout.write(describe(report));
          return report.balanced ? 0 : EXIT_UNBALANCED;
        } finally {
          store.close();
        }
      }),
    );
}

function describe(report: GapsReport): string {
  const { deltaMicros: delta, latenessMicros: lateness } = report;
  const lines = [
    `${report.stream}: ${report.samples} samples of ${report.ticksScheduled} ticks scheduled`,
    `rate      nominal ${hertz(report.nominalHz)}, measured ${hertz(report.measuredHz)}`,
    ...(delta ? [`Δt        ${quantiles(delta)}`] : []),
    ...(lateness ? [`lateness  ${quantiles(lateness)}`] : []),
    ...(report.gaps.length > 0 ? [gapTable(report)] : []),
    ...report.gapsByReason.map(
      ({ reason, gaps, ticks }) => `${reason}: ${gaps} gaps, ${ticks} ticks`,
    ),
    `${report.samples} samples + ${report.gapTicks} in gaps ${report.balanced ? '=' : '≠'} ` +
      `${report.ticksScheduled} ticks scheduled: ${report.balanced ? 'balanced' : 'NOT balanced'}`,
    ...report.imbalances,
  ];
  return `${lines.join('\n')}\n`;
}

function hertz(value: number | null): string {
  return value === null ? 'unknown' : `${value} Hz`;
}

function quantiles({ min, p50, p99, p999, max }: Quantiles): string {
  return `min ${min}, p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max} µs`;
}

function gapTable({ gaps }: GapsReport): string {
  const head = ['reason', 'offset', 'first tick', 'ticks', 'seconds'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const gap of gaps) {
    const { reason, firstOffset, firstTick, ticks } = gap;
    table.push([reason, firstOffset, firstTick ?? 'unknown', ticks ?? 'unknown', seconds(gap)]);
  }
  return table.toString();
}

function seconds({ seconds: exact, minSeconds, maxSeconds }: GapReport): string {
  if (exact !== null) return String(exact);
  return minSeconds === null ? 'unknown' : `${minSeconds} to ${maxSeconds ?? 'unknown'}`;
}
