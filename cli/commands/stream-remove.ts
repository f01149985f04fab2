/**
 * `helicorder stream trim | rm`: what they take away cannot be had back, so a person is asked, and
 * a script has to say `--yes`.
 */
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import { streamName } from '../../engine/base/names.ts';
import type { Change } from '../../engine/tools/change.ts';
import {
  dataDirOf,
  momentNanos,
  newCommand,
  printJson,
  tellers,
  wholeNumber,
  withStore,
} from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';

const TRIM_EXAMPLES = [
  'helicorder stream trim plant/eth0 --to 60000',
  'helicorder stream trim plant/eth0 --to 60000 --yes',
  'helicorder stream trim plant/eth0 --before 2026-10-01 --yes',
];
const RM_EXAMPLES = ['helicorder stream rm plant/old-pump', 'helicorder stream rm a/b --yes'];

interface Options extends CommonOptions {
  yes?: boolean;
}

interface TrimOptions extends Options {
  to?: number;
  before?: bigint;
}

export function trimCommand({ io, run }: CliContext): Command {
  return newCommand('trim', 'let go of the oldest records of a stream', TRIM_EXAMPLES)
    .argument('<stream>', 'scope/name')
    .option('--to <offset>', 'keep the records from this offset on', wholeNumber)
    .option('--before <time>', 'keep what was sampled at or after this time: -30d …', momentNanos)
    .option('--yes', 'do it without asking')
    .action((name: string, options: TrimOptions) =>
      run(async () => {
        const stream = streamName(name);
        const lowWater = await lowWaterOf(io, options, stream);
        return takeAway(io, options, { type: 'trim', stream, lowWater });
      }),
    );
}

async function lowWaterOf(io: CliIo, options: TrimOptions, stream: string): Promise<number> {
  const { to, before } = options;
  if (to !== undefined && before === undefined) return to;
  if (to !== undefined || before === undefined) {
    throw new HelicorderError('USAGE', 'say either --to OFFSET or --before TIME');
  }
  return withStore(io, options, (store) => store.locateTime(stream, before));
}

export function rmCommand({ io, run }: CliContext): Command {
  return newCommand('rm', 'remove a stream with all it holds', RM_EXAMPLES)
    .argument('<stream>', 'scope/name')
    .option('--yes', 'do it without asking')
    .action((name: string, options: Options) =>
      run(() => takeAway(io, options, { type: 'remove', stream: streamName(name) })),
    );
}

type TakesAway = Extract<Change, { type: 'trim' | 'remove' }>;

async function takeAway(io: CliIo, options: Options, change: TakesAway): Promise<number> {
  const { stream } = change;
  const range = await withStore(io, options, (store) => {
    const { id, nextOffset } = store.stream(stream);
    return { first: store.reader.state.lowWaterOf(id), next: nextOffset };
  });
  const records = Math.max(
    0,
    (change.type === 'trim' ? change.lowWater : range.next) - range.first,
  );
  const what =
    change.type === 'trim'
      ? `${records} records of ${stream}`
      : `${stream} with its ${records} records`;
  if (!options.yes && !(await isConfirmed(io, what))) return 1;
  const { changeStore } = await io.load('control');
  await changeStore({ dataDir: await dataDirOf(options, io), ...tellers(io) }, change);
  if (options.json) await printJson(io, { ok: true, stream, removedRecords: String(records) });
  if (!options.quiet) await io.stderr.write(`helicorder: removed ${what}\n`);
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
