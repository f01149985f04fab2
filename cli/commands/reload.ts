/** `helicorder reload`: the recorder that runs reads its configuration again. */
import type { Command } from 'commander';
import type { ReloadReport } from '../../engine/tools/types.ts';
import { dataDirOf, newCommand, printJson } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder reload', 'helicorder reload --data-dir /var/lib/helicorder --json'];

export function reloadCommand({ io, run }: CliContext): Command {
  const summary = 'let the recorder that runs read its configuration again';
  return newCommand('reload', summary, EXAMPLES).action((options: CommonOptions) =>
    run(async () => {
      const { askRecorder } = await io.load('control');
      const report = (await askRecorder(await dataDirOf(options, io), 'reload')) as ReloadReport;
      if (options.json) await printJson(io, report);
      else await io.stdout.write(reloadText(report));
      return 0;
    }),
  );
}

/** A line for each change. */
export function reloadText({
  started,
  ended,
  restarted,
  settings,
  warnings,
}: ReloadReport): string {
  const lines = [
    ...started.map((name) => `started   ${name}`),
    ...ended.map((name) => `ended     ${name}`),
    ...restarted.map((name) => `restarted ${name}`),
    ...settings.map((key) => `changed   ${key}`),
    ...warnings.map((warning) => `warning   ${warning}`),
  ];
  return lines.length === 0 ? 'nothing has changed\n' : `${lines.join('\n')}\n`;
}
