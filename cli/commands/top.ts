/** `helicorder top`: what goes on in a store, live, while somebody records into it or not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { formatBytes } from '../../engine/config/units.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import type { RecorderStatus, TopReport } from '../../engine/tools/types.ts';
import { millisecondsOf, newCommand, printJson, withStore } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import { LiveBlock, forecastText } from '../status-view.ts';

const EXAMPLES = ['helicorder top', 'helicorder top --json --looks 2 --interval 10s'];
/** A look asks the disk for the size of every file of the store. */
const INTERVAL_MIN_MS = 100;
/** Cursors never take more of a terminal than this: the streams are below them. */
const CURSORS_PART = 1 / 3;

interface Options extends CommonOptions {
  interval: string;
  looks?: string;
}

export function topCommand({ io, run }: CliContext): Command {
  return newCommand('top', 'streams by what they write, lag of cursors, disk; live', EXAMPLES)
    .addOption(
      new Option('--interval <duration>', 'time between two looks, at least 100ms').default('1s'),
    )
    .option('--looks <number>', 'end after this many (default: until interrupted)')
    .action((options: Options) => run(() => top(io, options)));
}

async function top(io: CliIo, options: Options): Promise<number> {
  const intervalMs = intervalOf(options.interval);
  let left = looksOf(options.looks);
  const interrupted = new AbortController();
  const stopListening = io.onSignal(() => interrupted.abort());
  const show = viewOf(io, options);
  return withStore(io, options, async (store, { Top }) => {
    const view = new Top(store);
    for (; left > 0 && !interrupted.signal.aborted; left--) {
      const { isOwned, paths } = store.reader;
      await show(view.look(isOwned ? await statusOfOwner(io, paths.dir) : undefined));
      if (left > 1) await pause(intervalMs, interrupted.signal);
    }
    return 0;
  }).finally(stopListening);
}

/** undefined if whoever owns the store does not answer. */
async function statusOfOwner(io: CliIo, dir: string): Promise<RecorderStatus | undefined> {
  const { askRecorder } = await io.load('control');
  const status = askRecorder(dir, 'status') as Promise<RecorderStatus>;
  return status.catch(() => undefined);
}

function viewOf(io: CliIo, options: Options): (report: TopReport) => Promise<void> {
  if (options.json) return (report) => printJson(io, report);
  if (!io.stdout.isTTY) return (report) => io.stdout.write(`${linesOf(report).join('\n')}\n`);
  const block = new LiveBlock(io.stdout);
  return (report) => block.draw(linesOf(report, Math.floor(block.rows * CURSORS_PART)));
}

/** @param cursorRows lines for the cursors: those that are furthest behind, and how many more */
function linesOf({ owned, streams, cursors, disk }: TopReport, cursorRows = Infinity): string[] {
  const used = formatBytes(Number(disk.usedBytes));
  const chunks = formatBytes(Number(disk.chunkBytes));
  return [
    `helicorder top  ${owned ? 'somebody records' : 'nobody records'}, ${streams.length} streams`,
    `disk            ${used} of ${formatBytes(Number(disk.limitBytes))}, of it chunks ${chunks}, ` +
      `free ${formatBytes(Number(disk.freeBytes))}${forecastText(disk.fullInSeconds)}`,
    ...cursorLines(cursors, cursorRows),
    row('records/s', 'bytes/s', 'records', 'stream'),
    ...streams.map(({ name, records, recordsPerSecond, bytesPerSecond }) =>
      row(rate(recordsPerSecond), rate(bytesPerSecond), records, name),
    ),
  ];
}

function cursorLines(cursors: TopReport['cursors'], rows: number): string[] {
  if (cursors.length <= rows) return cursors.map(cursorLine);
  const behind = cursors.toSorted((a, b) => Number(b.lag) - Number(a.lag));
  const more = `cursor          and ${cursors.length - rows + 1} more: helicorder cursor ls`;
  return [...behind.slice(0, rows - 1).map(cursorLine), more];
}

function cursorLine({ name, stream, lag, retired }: TopReport['cursors'][number]): string {
  return `cursor          ${name} on ${stream}: ${lag} behind${retiredText(retired)}`;
}

function retiredText(records: string): string {
  return records === '0' ? '' : `, ${records} of them retired`;
}

function row(records: string, bytes: string, total: string, name: string): string {
  return `${records.padStart(12)} ${bytes.padStart(12)} ${total.padStart(14)}  ${name}`;
}

function rate(value: number | null): string {
  return value === null ? '–' : value.toFixed(1);
}

function intervalOf(text: string): number {
  const intervalMs = millisecondsOf(text) ?? 0;
  if (intervalMs >= INTERVAL_MIN_MS) return intervalMs;
  throw new HelicorderError('USAGE', `--interval ${text}: expected ${INTERVAL_MIN_MS}ms or more`);
}

function looksOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  const looks = Number(text);
  if (Number.isSafeInteger(looks) && looks > 0) return looks;
  throw new HelicorderError('USAGE', `--looks ${text}: expected a whole number from 1`);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
