/** `helicorder cursor ls | show | set | rm`: durable reading positions of named consumers. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { HelicorderError } from '../../engine/base/errors.ts';
import { cursorName, streamName } from '../../engine/base/names.ts';
import type { CursorInfo } from '../../engine/tools/types.ts';
import { dataDirOf, newCommand, newGroup, printJson, tellers, withStore } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

export function cursorCommand(context: CliContext): Command {
  return newGroup('cursor', 'durable reading positions of named consumers', [
    lsCommand(context),
    showCommand(context),
    setCommand(context),
    rmCommand(context),
  ]);
}

function lsCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder cursor ls', 'helicorder cursor ls --json'];
  return newCommand('ls', 'list the cursors of the store', examples).action(
    (options: CommonOptions) =>
      run(async () => {
        const cursors = await withStore(io, options, (store, { describeCursors }) =>
          describeCursors(store),
        );
        if (options.json) await printJson(io, { cursors });
        else await io.stdout.write(listOf(cursors));
        return 0;
      }),
  );
}

function listOf(cursors: readonly CursorInfo[]): string {
  if (cursors.length === 0) return 'no cursors yet\n';
  const head = ['cursor', 'stream', 'offset', 'lag in records', 'of them retired', 'age'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { name, stream, offset, lagRecords, retired, ageSeconds } of cursors) {
    table.push([name, stream, offset, lagRecords, retired, ageText(ageSeconds)]);
  }
  return `${table.toString()}\n`;
}

function showCommand({ io, run }: CliContext): Command {
  const examples = ['helicorder cursor show dashboard --json'];
  return newCommand('show', 'show one cursor', examples)
    .argument('<name>')
    .action((name: string, options: CommonOptions) =>
      run(async () => {
        const cursor = await withStore(io, options, (store, { describeCursor }) =>
          describeCursor(store, name),
        );
        if (options.json) await printJson(io, cursor);
        else await io.stdout.write(descriptionOf(cursor));
        return 0;
      }),
    );
}

function descriptionOf(info: CursorInfo): string {
  const { name, stream, offset, lagRecords, retired, ageSeconds } = info;
  const lines = [
    `cursor  ${name}`,
    `stream  ${stream}`,
    `offset  ${offset}: the first record its consumer has not had`,
    `lag     ${lagRecords} records, ${retired} of them retired`,
    `age     ${ageText(ageSeconds)} since it was set`,
  ];
  return `${lines.join('\n')}\n`;
}

function ageText(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86_400).toFixed(0)} d`;
}

function setCommand({ io, run }: CliContext): Command {
  const examples = [
    'helicorder cursor set dashboard plant/eth0 60000',
    'helicorder cursor set dashboard plant/eth0 tail',
  ];
  return newCommand('set', 'set a cursor, making it if there is none', examples)
    .argument('<name>', 'of the characters A-Z a-z 0-9 . _ -')
    .argument('<stream>', 'scope/name')
    .argument('<offset>', 'the first offset its consumer has not had, start or tail')
    .action((name: string, stream: string, offset: string, options: CommonOptions) =>
      run(async () => {
        const cursor = { name: cursorName(name), stream: streamName(stream) };
        const position = await withStore(io, options, (store) => {
          const { id, nextOffset } = store.stream(stream);
          if (offset === 'tail') return nextOffset;
          return offset === 'start' ? store.reader.state.lowWaterOf(id) : offsetOf(offset);
        });
        const { changeStore } = await io.load('control');
        const where = { dataDir: await dataDirOf(options, io), ...tellers(io) };
        await changeStore(where, { type: 'set-cursor', ...cursor, offset: position });
        if (options.json) await printJson(io, { ...cursor, offset: String(position) });
        return 0;
      }),
    );
}

function rmCommand({ io, run }: CliContext): Command {
  return newCommand('rm', 'remove a cursor', ['helicorder cursor rm dashboard'])
    .argument('<name>')
    .action((name: string, options: CommonOptions) =>
      run(async () => {
        const { changeStore } = await io.load('control');
        const where = { dataDir: await dataDirOf(options, io), ...tellers(io) };
        await changeStore(where, { type: 'remove-cursor', name: cursorName(name) });
        if (options.json) await printJson(io, { name });
        return 0;
      }),
    );
}

function offsetOf(text: string): number {
  const offset = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(offset)) return offset;
  throw new HelicorderError('USAGE', `"${text}" is no offset: expected a number, start or tail`);
}
