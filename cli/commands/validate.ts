/**
 * `helicorder validate CONFIG`: checks a configuration and prints what would run, and the memory it
 * takes. A device that is not here is told and no error: configurations are checked elsewhere too.
 */
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import type { RetentionRule } from '../../engine/base/retention.ts';
import type { RecorderConfig } from '../../engine/config/config.ts';
import type { CopyConfig } from '../../engine/config/copies.ts';
import { formatBytes, formatDuration, formatDurationMs } from '../../engine/config/units.ts';
import type { BufferSizes, RateGroupBuffers } from '../../engine/tools/types.ts';
import { newCommand, printJson } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import { configurationOf } from '../settings-options.ts';
import { counted } from '../status-view.ts';

const EXAMPLES = ['helicorder validate helicorder.yaml', 'helicorder validate plant.toml --json'];

export function validateCommand({ io, run }: CliContext): Command {
  return newCommand('validate', 'check a configuration and print what would run', EXAMPLES)
    .argument('[config]', 'configuration file, YAML or TOML; without it the usual places')
    .action((path: string | undefined, options: CommonOptions) =>
      run(async () => {
        try {
          await validate(io, path, options);
        } catch (error) {
          if (options.json && error instanceof HelicorderError)
            await printJson(io, { ok: false, problems: error.message.split('\n') });
          throw error;
        }
        return 0;
      }),
    );
}

/** @throws what is wrong with it */
async function validate(
  io: CliIo,
  path: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const flags = options.dataDir === undefined ? {} : { 'data-dir': options.dataDir };
  const { engine, config, paths } = await configurationOf(io, path, flags);
  if (config.copies.length > 0) await engine.tryCopies(config);
  const buffers = engine.bufferSizes(config);
  if (options.json) await printJson(io, { ok: true, files: paths, ...facts(config), buffers });
  else if (!options.quiet) await io.stdout.write(describe(config, paths, buffers));
}

function facts(config: RecorderConfig): object {
  const sources = config.sources.map((source) => ({
    ...source,
    timestampResolutionNanos: String(source.timestampResolutionNanos),
  }));
  return { ...config, sources };
}

function describe(config: RecorderConfig, paths: string[], buffers: BufferSizes): string {
  const lines = [
    `configuration  ${paths.join(', ') || 'none found, defaults'}: ok`,
    `store          ${config.dataDir}, durable every ${config.flushIntervalMs} ms, ` +
      `segments of ${formatBytes(config.segmentBytes)}`,
    `budget         ${budgetText(config)}`,
    ...config.retention.map((rule) => `retention      ${rule.pattern}: ${retentionText(rule)}`),
    `real time      ${realtimeText(config)}`,
    ...config.sources.map(
      (source) =>
        `source         ${source.name}: ${source.driver} at ${source.rateHz} Hz into ` +
        `${source.stream}, ${source.samplesPerEvent} samples per event, ` +
        `time in ${formatDuration(source.timestampResolutionNanos)}`,
    ),
    ...config.copies.map((copy) => `copy           ${copyText(copy)}`),
    ...buffers.groups.map(groupLine),
    `log            buffers of at most ${formatBytes(buffers.logBytes)}`,
    `memory         about ${formatBytes(buffers.expectedRssBytes)} resident: ` +
      `${formatBytes(buffers.programBytes)} for the program, ` +
      `${formatBytes(buffers.sourceBytes)} for its sources, the rest for rings and buffers`,
    ...buffers.unavailable.map(({ source, problem }) => `not here       ${source}: ${problem}`),
  ];
  return `${lines.join('\n')}\n`;
}

function copyText(copy: CopyConfig): string {
  const { pattern, toDataDir, follow, begin = 'start', cursor, where, transform } = copy;
  const details = [
    ...(begin === 'start' ? [] : [`from ${begin}`]),
    ...(cursor === undefined ? [] : [`cursor ${cursor}`]),
    ...(where === undefined ? [] : [`where ${where}`]),
    ...(transform === undefined ? [] : [`transform ${transform.file}`]),
  ];
  const mode = follow ? 'while they are recorded' : 'up to their ends';
  return [`${pattern} into ${toDataDir}, ${mode}`, ...details].join(', ');
}

function realtimeText(config: RecorderConfig): string {
  const { realtime, cpu, spinNanos, cpuDmaLatencyMicros: micros } = config;
  return [
    realtime,
    ...(cpu < 0 ? [] : [`on processor ${cpu}`]),
    ...(spinNanos > 0 ? [`spinning for ${formatDuration(BigInt(spinNanos))}`] : []),
    ...(micros === undefined ? [] : [`processors wake within ${micros}us`]),
  ].join(', ');
}

function budgetText({ budget, chunksDir }: RecorderConfig): string {
  const most = budget.bytes === undefined ? 'what the disk holds' : formatBytes(budget.bytes);
  const place = chunksDir ?? 'the store';
  return `${most}, ${formatBytes(budget.minFreeBytes)} left free, chunks in ${place}`;
}

function retentionText({ ageMs, bytes, onFull, class: streamClass }: RetentionRule): string {
  const limits = [
    ...(ageMs === undefined ? [] : [formatDurationMs(ageMs)]),
    ...(bytes === undefined ? [] : [formatBytes(bytes)]),
  ];
  return `${limits.join(' and ') || 'no limit'}, ${streamClass}, when full ${onFull}`;
}

function groupLine(group: RateGroupBuffers): string {
  const { rateHz, sources, ringBytes, ringSeconds } = group;
  const { batchRows, batchBytes, maxBatchRows, maxBatchBytes } = group;
  return (
    `rate group     ${Number(rateHz.toPrecision(6))} Hz, ${counted(sources.length, 'source')}: ` +
    `ring of ${formatBytes(ringBytes)} holds ${ringSeconds.toFixed(1)} s, ` +
    `${counted(batchRows, 'row')} a batch of at most ${formatBytes(batchBytes)}, ` +
    `${maxBatchRows} of ${formatBytes(maxBatchBytes)} in a backlog`
  );
}
