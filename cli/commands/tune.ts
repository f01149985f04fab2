/**
 * `helicorder tune`: measures this machine, and says what each flush interval and event size would
 * cost for the configured sources. Devices are opened for a moment, to see what channels they have.
 */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import { formatBytes } from '../../engine/config/units.ts';
import type { TuneCell, TuneReport } from '../../engine/tools/types.ts';
import { Interrupted, millisecondsOf, newCommand, printJson } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';
import { configurationOf, flagsOf, withSettings } from '../settings-options.ts';

const EXAMPLES = [
  'helicorder tune',
  'helicorder tune --config helicorder.yaml --max-latency 50ms',
  'helicorder tune --source synthetic --count 32 --data-dir /var/lib/helicorder --json',
];
const LATENCY_DEFAULT = '250ms';

interface Options extends CommonOptions {
  config?: string;
  maxLatency: string;
}

export async function tuneCommand({ io, run }: CliContext): Promise<Command> {
  const summary = 'measure this machine and recommend flush interval and event size';
  const command = newCommand('tune', summary, EXAMPLES).option(
    '--max-latency <duration>',
    'p99 from sample to disk that is good enough',
    LATENCY_DEFAULT,
  );
  return (await withSettings(command, io)).action((options: Options) =>
    run(async () => {
      const maxLatencyMs = milliseconds(options.maxLatency);
      const { 'max-latency': _, ...flags } = flagsOf(command);
      const { engine, config } = await configurationOf(io, options.config, flags);
      const { groups, unavailable } = engine.bufferSizes(config);
      for (const { source, problem } of unavailable) {
        await io.stderr.write(`helicorder: left out: ${source}: ${problem}\n`);
      }
      const interrupted = new AbortController();
      const stopListening = io.onSignal((signal) => interrupted.abort(new Interrupted(signal)));
      try {
        const report = await engine.tune({
          dataDir: config.dataDir,
          loads: groups.map(({ rateHz, sources, channels }) => {
            return { rateHz, sources: sources.length, channels };
          }),
          maxLatencyMs,
          configured: {
            flushMs: config.flushIntervalMs,
            samplesPerEvent: config.sources[0]?.samplesPerEvent ?? 1000,
          },
          signal: interrupted.signal,
        });
        if (options.json) await printJson(io, report);
        else await io.stdout.write(textOf(report));
        return 0;
      } finally {
        stopListening();
      }
    }),
  );
}

function milliseconds(text: string): number {
  const ms = millisecondsOf(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new HelicorderError('USAGE', `--max-latency ${text}: expected a duration such as 50ms`);
}

function textOf(report: TuneReport): string {
  const { box, loads, maxLatencyMs, recommended } = report;
  const { flushMs, samplesPerEvent, durableMs } = recommended;
  const sources = loads.reduce((sum, load) => sum + load.sources, 0);
  const samples = loads.reduce((sum, load) => sum + load.sources * load.rateHz, 0);
  const quantiles = ({ p50, p99 }: { p50: number; p99: number }): string =>
    `p50 ${Math.round(p50)} µs, p99 ${Math.round(p99)} µs`;
  const why =
    durableMs.p99 <= maxLatencyMs
      ? `the longest interval that is durable within ${maxLatencyMs} ms (p99)`
      : `nothing is durable within ${maxLatencyMs} ms (p99) here: the shortest interval`;
  return [
    `disk         ${box.fileSystem}, ${box.direct ? 'O_DIRECT|O_DSYNC' : 'buffered, fdatasync'}`,
    `sync         4 KiB durable: ${quantiles(box.syncMicros)}`,
    `write        ${formatBytes(box.writeBytesPerSecond)}/s, durable, 1 MiB at a time`,
    `wake-up      ${quantiles(box.wakeMicros)}, ${Math.round(box.wakeCpuMicros)} µs of CPU`,
    `load         ${sources} sources, ${Math.round(samples)} samples/s`,
    tableOf(report),
    'expected from a model (docs/tuning.md); * is configured now, > is recommended',
    `recommended  --flush-ms ${flushMs} --samples-per-event ${samplesPerEvent}: ${why},`,
    '             and the largest event that fills within a second',
    '',
  ].join('\n');
}

/** A row per flush interval; of events only their latency depends on their size. */
function tableOf({ table, recommended, configured }: TuneReport): string {
  const events = [...new Set(table.map(({ samplesPerEvent }) => samplesPerEvent))];
  const shown = new Table({
    head: [
      ...['', 'flush-ms', 'p50', 'p99', 'CPU', 'log/day', 'to the disk/day', 'kept/day'],
      ...events.map((samples) => `event of ${samples}`),
    ],
    style: { head: [], border: [], compact: true },
  });
  for (const flushMs of new Set(table.map((cell) => cell.flushMs))) {
    const cells = table.filter((cell) => cell.flushMs === flushMs);
    const isNow = flushMs === configured.flushMs ? '*' : '';
    const isBest = flushMs === recommended.flushMs ? '>' : '';
    shown.push([isNow + isBest, ...columnsOf(cells[0]!), ...cells.map((cell) => ms(cell.eventMs))]);
  }
  return shown.toString();
}

function columnsOf(cell: TuneCell): string[] {
  const { flushMs, durableMs, cpuPercent } = cell;
  return [
    ...[String(flushMs), ms(durableMs.p50), ms(durableMs.p99), `${cpuPercent.toFixed(1)} %`],
    ...[cell.logBytesPerDay, cell.deviceBytesPerDay, cell.keptBytesPerDay].map(formatBytes),
  ];
}

function ms(value: number): string {
  return `${Number(value.toPrecision(3))} ms`;
}
