/** `helicorder validate CONFIG`: checks a configuration and prints what would run. */
import type { Command } from 'commander';
import type { RetentionRule } from '../../engine/base/retention.ts';
import { resolveConfig, type RecorderConfig } from '../../engine/config/config.ts';
import { formatBytes, formatDuration } from '../../engine/config/units.ts';
import { newCommand, printJson, type CliContext, type CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder validate helicorder.yaml', 'helicorder validate plant.toml --json'];

export function validateCommand({ io, run }: CliContext): Command {
  return newCommand('validate', 'check a configuration and print what would run', EXAMPLES)
    .argument('[config]', 'configuration file, YAML or TOML; without it the usual places')
    .action((path: string | undefined, options: CommonOptions) =>
      run(async () => {
        const { nodeFileSystem, drivers } = await io.loadEngine();
        const flags = options.dataDir === undefined ? {} : { 'data-dir': options.dataDir };
        const { environment, hostName } = io;
        const { config, paths } = resolveConfig({
          files: nodeFileSystem,
          drivers,
          environment,
          hostName,
          path,
          flags,
        });
        if (options.json) await printJson(io, { ok: true, files: paths, ...facts(config) });
        else if (!options.quiet) await io.stdout.write(describe(config, paths));
        return 0;
      }),
    );
}

function facts(config: RecorderConfig): object {
  const sources = config.sources.map((source) => ({
    ...source,
    timestampResolutionNanos: String(source.timestampResolutionNanos),
  }));
  return { ...config, sources };
}

function describe(config: RecorderConfig, paths: string[]): string {
  const lines = [
    `configuration  ${paths.join(', ') || 'none found, defaults'}: ok`,
    `store          ${config.dataDir}, durable every ${config.flushIntervalMs} ms, ` +
      `segments of ${formatBytes(config.segmentBytes)}`,
    `budget         ${budgetText(config)}`,
    ...config.retention.map((rule) => `retention      ${rule.pattern}: ${retentionText(rule)}`),
    `real time      ${config.realtime}${config.cpu < 0 ? '' : `, on processor ${config.cpu}`}`,
    ...config.sources.map(
      (source) =>
        `source         ${source.name}: ${source.driver} at ${source.rateHz} Hz into ` +
        `${source.stream}, ${source.samplesPerEvent} samples per event, ` +
        `time in ${formatDuration(source.timestampResolutionNanos)}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function budgetText({ budget, chunksDir }: RecorderConfig): string {
  const most = budget.bytes === undefined ? 'what the disk holds' : formatBytes(budget.bytes);
  const place = chunksDir ?? 'the store';
  return `${most}, ${formatBytes(budget.minFreeBytes)} left free, chunks in ${place}`;
}

function retentionText({ ageMs, bytes, onFull, class: streamClass }: RetentionRule): string {
  const limits = [
    ...(ageMs === undefined ? [] : [formatDuration(BigInt(Math.round(ageMs * 1e6)))]),
    ...(bytes === undefined ? [] : [formatBytes(bytes)]),
  ];
  return `${limits.join(' and ') || 'no limit'}, ${streamClass}, when full ${onFull}`;
}
