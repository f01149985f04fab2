/** `helicorder store info | migrate`: what the store as a whole is. */
import type { Command } from 'commander';
import { formatBytes } from '../../engine/config/units.ts';
import type { StoreInfo } from '../../engine/tools/types.ts';
import { dataDirOf, newCommand, newGroup, printJson, timeText } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

export function storeCommand(context: CliContext): Command {
  return newGroup('store', 'identity, sizes and formats of the store', [
    infoCommand(context),
    migrateCommand(context),
  ]);
}

function infoCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder store info', 'helicorder store info --json'];
  return newCommand(
    'info',
    'say whose store it is, what it holds and who owns it',
    examples,
  ).action((options: CommonOptions) =>
    run(async () => {
      const { storeInfo } = await io.load('reader');
      const info = storeInfo(await dataDirOf(options, io));
      if (options.json) await printJson(io, info);
      else await io.stdout.write(descriptionOf(info));
      return 0;
    }),
  );
}

function migrateCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder store migrate --data-dir /var/lib/helicorder'];
  return newCommand('migrate', 'bring the store to the formats of this version', examples).action(
    (options: CommonOptions) =>
      run(async () => {
        const { migrateStore } = await io.load('reader');
        const done = migrateStore(await dataDirOf(options, io));
        const sentence = `nothing to do: the store is of format ${done.format}, the only one\n`;
        if (options.json) await printJson(io, done);
        else if (!options.quiet) await io.stdout.write(sentence);
        return 0;
      }),
  );
}

function descriptionOf(info: StoreInfo): string {
  const { sizes, segments } = info;
  const size = (kind: keyof StoreInfo['sizes']): string => formatBytes(Number(sizes[kind]));
  const origin = info.origin === null ? '' : `, copied from store ${info.origin}`;
  const isUnbound = /^0*$/.test(info.machineId);
  const lines = [
    `store     ${info.storeId}${origin}`,
    `machine   ${isUnbound ? 'without an id' : info.machineId}`,
    `format    ${info.format}, segments of ${formatBytes(Number(info.segmentBytes))}`,
    `created   ${timeText(info.created)}`,
    `holds     ${info.streams} streams, ${segments.count} segments` +
      (segments.first === null ? '' : ` (${segments.first} to ${segments.last})`),
    `bytes     ${size('all')}: log ${size('log')}, spares ${size('spares')}, ` +
      `chunks ${size('chunks')}, catalog ${size('catalog')}, ballast ${size('ballast')}, ` +
      `quarantine ${size('quarantine')}, other ${size('other')}`,
    `owner     ${info.owned ? 'a process records into it' : 'none'}, ${info.generation} so far; ` +
      (info.owned ? 'open' : info.clean ? 'closed cleanly' : 'the last one was cut off'),
    `boot      ${info.bootId}`,
  ];
  return `${lines.join('\n')}\n`;
}
