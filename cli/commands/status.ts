/** `helicorder status`: what `run` shows, asked from another process. */
import type { Command } from 'commander';
import type { RecorderStatus } from '../../engine/tools/types.ts';
import { dataDirOf, newCommand, printJson } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';
import { statusLines } from '../status-view.ts';

const EXAMPLES = ['helicorder status', 'helicorder status --json'];

export function statusCommand({ io, run }: CliContext): Command {
  return newCommand('status', 'show the status of the recorder that runs', EXAMPLES).action(
    (options: CommonOptions) =>
      run(async () => {
        const { askRecorder } = await io.load('control');
        const status = (await askRecorder(
          await dataDirOf(options, io),
          'status',
        )) as RecorderStatus;
        if (options.json) await printJson(io, status);
        else await io.stdout.write(`${statusLines(status).join('\n')}\n`);
        return 0;
      }),
  );
}
