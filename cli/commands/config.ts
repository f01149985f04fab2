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
import { configurationOf, flagsOf, withSettings } from '../settings-options.ts';

const EXAMPLES = [
  'helicorder config show',
  'helicorder config show --config plant.yaml --rate 2000',
  'helicorder config show --json',
];

export async function configCommand(context: CliContext): Promise<Command> {
  return newGroup('config', 'show the effective configuration', [await showCommand(context)]);
}

async function showCommand({ io, run }: CliContext): Promise<Command> {
  const command = newCommand('show', 'every effective value and its origin', EXAMPLES);
  return (await withSettings(command, io)).action((options: CommonOptions & { config?: string }) =>
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
