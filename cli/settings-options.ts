/** The flags that lie over the configuration, made from its schema, and what comes of all of it. */
import { Option, type Command } from 'commander';
import { resolveConfig, type ResolvedConfig } from '../engine/config/config.ts';
import type { DriverFace } from '../engine/config/schema.ts';
import { settingsOf } from '../engine/config/settings.ts';
import type { CliIo } from './command.ts';
import type { Engine } from './engine.ts';

/**
 * Adds a flag for every setting, those of the drivers too. Where the engine cannot be loaded these
 * are not known, and any other flag is let through: the command itself will say what is missing.
 */
export async function withSettings(command: Command, io: CliIo): Promise<Command> {
  const drivers: readonly DriverFace[] | undefined = await io.load('engine').then(
    (engine) => engine.drivers,
    () => undefined,
  );
  command.option('--config <path>', 'configuration file (default: ./helicorder.yaml, /etc/…)');
  if (!drivers) command.allowUnknownOption().allowExcessArguments();
  for (const { flag, takes, description, defaultText } of settingsOf(drivers ?? [])) {
    if (flag === 'data-dir') continue;
    const byDefault = defaultText === undefined ? '' : ` (default: ${defaultText})`;
    const kinds = drivers?.map(({ kind }) => kind).join(', ');
    const text = flag === 'source' && kinds ? `${description} One of ${kinds}.` : description;
    const placeholder = takes.replaceAll(' ', '-');
    command.addOption(new Option(`--${flag} <${placeholder}>`, text + byDefault));
  }
  return command;
}

/** What was given as flags, as it was typed: settings, and what else the command takes. */
export function flagsOf(command: Command): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    const isGiven = command.getOptionValueSource(option.attributeName()) === 'cli';
    const flag = option.long?.slice(2);
    if (isGiven && flag && typeof value === 'string') flags[flag] = value;
  }
  return flags;
}

/**
 * The configuration as a command sees it: file, environment and flags over the engine's drivers.
 * @param path `--config`; undefined: the usual places
 * @throws HelicorderError USAGE, CONFIG
 */
export async function configurationOf(
  io: CliIo,
  path: string | undefined,
  flags: Readonly<Record<string, string>>,
): Promise<ResolvedConfig & { engine: Engine }> {
  const engine = await io.load('engine');
  return { engine, ...resolvedBy(engine, io, path, flags) };
}

/** The same with an engine that is loaded; a second call reads everything again. */
export function resolvedBy(
  { nodeFileSystem: files, drivers }: Engine,
  { environment, hostName }: CliIo,
  path: string | undefined,
  flags: Readonly<Record<string, string>>,
): ResolvedConfig {
  const known = new Set(settingsOf(drivers).map(({ flag }) => flag));
  const settings = Object.fromEntries(Object.entries(flags).filter(([flag]) => known.has(flag)));
  return resolveConfig({ files, drivers, environment, hostName, path, flags: settings });
}
