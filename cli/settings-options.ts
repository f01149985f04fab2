/** The flags that lie over the configuration, made from its schema. */
import { Option, type Command } from 'commander';
import type { DriverFace } from '../engine/config/schema.ts';
import { settingsOf } from '../engine/config/settings.ts';

/** Adds a flag for every setting; without drivers (no engine) any other flag is let through. */
export function addSettingOptions(
  command: Command,
  drivers: readonly DriverFace[] | undefined,
): Command {
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

/** The settings given as flags, as they were typed. */
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
