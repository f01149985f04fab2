/** `helicorder gaps scope/name`: what is missing in a stream, why, and whether the sum balances. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import type { GapsReport } from '../../engine/tools/types.ts';
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
        const store = Store.open(dataDirOf(options, io), { readOnly: true });
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
  const { deltaNanos: delta, latenessMicros: lateness } = report;
  const measured = report.measuredRateHz === null ? 'unknown' : `${report.measuredRateHz} Hz`;
  const lines = [
    `${report.stream}: ${report.samples} samples of ${report.ticksScheduled} ticks scheduled`,
    `rate      nominal ${report.nominalRateHz} Hz, measured ${measured}`,
  ];
  if (delta) {
    const { min, p50, p99, p999, max } = delta;
    lines.push(`Δt        min ${min}, p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max} ns`);
  }
  if (lateness) {
    lines.push(`lateness  p50 ${lateness.p50}, p99 ${lateness.p99}, max ${lateness.max} µs`);
  }
  if (report.gaps.length > 0) lines.push(gapTable(report));
  lines.push(
    report.balanced
      ? 'samples + gaps = ticks scheduled: balanced'
      : 'samples + gaps ≠ ticks scheduled: NOT balanced',
  );
  return `${lines.join('\n')}\n`;
}

function gapTable({ gaps }: GapsReport): string {
  const head = ['reason', 'ticks', 'first tick', 'time'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { reason, ticks, firstTick, timestampNanos } of gaps) {
    const time =
      timestampNanos === null ? '' : new Date(Number(timestampNanos) / 1e6).toISOString();
    table.push([reason, ticks ?? 'unknown', firstTick ?? '', time]);
  }
  return table.toString();
}
