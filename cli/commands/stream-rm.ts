/**
 * `helicorder stream rm`: a stream with all it holds. It cannot be undone, so a person is asked,
 * and a script has to say `--yes`.
 */
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import { dataDirOf, newCommand, streamName, tellWait } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder stream rm plant/old-pump', 'helicorder stream rm a/b --yes'];

interface Options extends CommonOptions {
  yes?: boolean;
}

export function rmCommand({ io, run }: CliContext): Command {
  return newCommand('rm', 'remove a stream with all it holds', EXAMPLES)
    .argument('<stream>', 'scope/name')
    .option('--yes', 'do it without asking')
    .action((name: string, options: Options) => run(() => remove(io, streamName(name), options)));
}

async function remove(io: CliIo, stream: string, options: Options): Promise<number> {
  const { Store, changeStore } = await io.loadEngine();
  const dataDir = dataDirOf(options, io);
  const store = Store.open(dataDir);
  let records: number;
  try {
    records = store.stream(stream).nextOffset;
  } finally {
    store.close();
  }
  if (!options.yes && !(await isConfirmed(io, `${stream} with its ${records} records`))) return 1;
  await changeStore({ dataDir, onWait: tellWait(io) }, { type: 'remove', stream });
  if (!options.quiet) await io.stderr.write(`helicorder: ${stream} is removed\n`);
  return 0;
}

/** @throws USAGE where nobody can be asked */
async function isConfirmed(io: CliIo, what: string): Promise<boolean> {
  if (!io.isInteractive) {
    throw new HelicorderError('USAGE', `this would remove ${what}: say --yes`);
  }
  await io.stderr.write(`Remove ${what}? It cannot be undone. [y/N] `);
  for await (const piece of io.stdin) {
    return /^y(es)?$/i.test(new TextDecoder().decode(piece).trim());
  }
  return false;
}
