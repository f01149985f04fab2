/** `helicorder config show`: every effective value and where it comes from. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import {
  newCommand,
  newGroup,
  printJson,
  type CliContext,
  type CommonOptions,
} from '../command.ts';
import { addSettingOptions, configurationOf, flagsOf } from '../settings-options.ts';

const EXAMPLES = [
  'helicorder config show',
  'helicorder config show --config plant.yaml --rate 2000',
  'helicorder config show --json',
];

export function configCommand(context: CliContext): Command {
  return newGroup('config', 'show the effective configuration', [showCommand(context)]);
}

function showCommand({ io, run, drivers: known }: CliContext): Command {
  const command = newCommand('show', 'every effective value and its origin', EXAMPLES);
  return addSettingOptions(command, known).action((options: CommonOptions & { config?: string }) =>
    run(async () => {
      const { values, paths } = await configurationOf(io, options.config, flagsOf(command));
      if (options.json) {
        await printJson(io, { files: paths, values });
        return 0;
      }
      const table = new Table({ head: ['key', 'value', 'from'], style: { head: [], border: [] } });
      for (const { key, value, origin } of values) table.push([key, printed(value), origin]);
      await io.stdout.write(`${table.toString()}\n`);
      return 0;
    }),
  );
}

function printed(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
