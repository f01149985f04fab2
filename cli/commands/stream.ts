/** `helicorder stream ls | info | cat | write | cp | trim | rm`. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { streamName } from '../../engine/base/names.ts';
import { formatBytes } from '../../engine/config/units.ts';
import type { StreamInfo } from '../../engine/tools/types.ts';
import { newCommand, newGroup, printJson, timeText, withStore } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';
import { catCommand } from './stream-cat.ts';
import { cpCommand } from './stream-copy.ts';
import { rmCommand, trimCommand } from './stream-remove.ts';
import { writeCommand } from './stream-write.ts';

const WHAT_COUNTS = `
Records, samples, offsets and times are of what is still there. Bytes are of all that was ever
written, as it was written: what is retired is in them, and what is sealed takes less of the disk
(see "helicorder store info").`;

export function streamCommand(context: CliContext): Command {
  return newGroup('stream', 'list, describe, read, write and remove streams', [
    lsCommand(context),
    infoCommand(context),
    catCommand(context),
    writeCommand(context),
    cpCommand(context),
    trimCommand(context),
    rmCommand(context),
  ]);
}

function lsCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder stream ls', 'helicorder stream ls --json'];
  return newCommand('ls', 'list the streams of the store', examples)
    .addHelpText('after', WHAT_COUNTS)
    .action((options: CommonOptions) =>
      run(() =>
        withStore(io, options, async (store, { describeStreams }) => {
          const streams = await describeStreams(store);
          if (options.json) await printJson(io, { streams });
          else await io.stdout.write(listOf(streams));
          return 0;
        }),
      ),
    );
}

function listOf(streams: StreamInfo[]): string {
  if (streams.length === 0) return 'no streams yet\n';
  const head = ['stream', 'records', 'samples', 'written', 'first', 'last'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const info of streams) {
    table.push([
      `${info.scope}/${info.name}`,
      info.records,
      info.samples,
      formatBytes(Number(info.bytes)),
      timeText(info.firstTimestampNanos),
      timeText(info.lastTimestampNanos),
    ]);
  }
  return `${table.toString()}\n`;
}

function infoCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder stream info examples/network --json'];
  return newCommand('info', 'describe one stream: schema, offsets, writers, bytes', examples)
    .addHelpText('after', WHAT_COUNTS)
    .argument('<stream>', 'scope/name')
    .action((name: string, options: CommonOptions) =>
      run(() =>
        withStore(io, options, async (store, { describeStream }) => {
          const info = await describeStream(store, streamName(name));
          if (options.json) await printJson(io, info);
          else await io.stdout.write(descriptionOf(info));
          return 0;
        }),
      ),
    );
}

function descriptionOf(info: StreamInfo): string {
  const channels = info.schema.channels.map(
    ({ name, type, unit, scale, offset }) =>
      `  ${name}: ${type}, ${unit || 'no unit'}, × ${scale} + ${offset}`,
  );
  const writers = info.writers.map(
    ({ id, epoch, lastSeq }) => `  ${id}: epoch ${epoch}, last seq ${lastSeq}`,
  );
  const lines = [
    `stream   ${info.scope}/${info.name} (${info.id})`,
    `records  ${info.records}, of them samples ${info.samples}, ${info.samplesPerEvent} per event`,
    ...(info.retired.records === '0'
      ? []
      : [`retired  ${info.retired.records}, of them samples ${info.retired.samples}`]),
    `offsets  ${offsetsText(info)}`,
    `time     ${timeText(info.firstTimestampNanos)} to ${timeText(info.lastTimestampNanos)}`,
    `written  ${info.bytes} bytes, ${info.bytesPerRecord?.toFixed(2) ?? '–'} per record, ` +
      `padding ${info.paddingBytes}`,
    'channels',
    ...(channels.length > 0 ? channels : ['  none: opaque events']),
    'writers',
    ...writers,
  ];
  return `${lines.join('\n')}\n`;
}

function offsetsText({ records, firstOffset, lastOffset }: StreamInfo): string {
  if (firstOffset === null) return 'none yet';
  return records === '0' ? `none left, next ${firstOffset}` : `${firstOffset} to ${lastOffset}`;
}
