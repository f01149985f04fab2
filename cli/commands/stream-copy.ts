/** `helicorder stream cp`: a stream into another store, exactly once. Also `stream-to-stream`. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { monotonicMs } from '../../engine/base/clock.ts';
import { COPY_LINGER_MAX_MS } from '../../engine/base/constants.ts';
import { parseBatchRecords, parseBeginning } from '../../engine/config/copy-words.ts';
import { parseSizeBytes } from '../../engine/config/units.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { cursorName, streamName } from '../../engine/base/names.ts';
import type { CopyOptions } from '../../engine/index.ts';
import { argument, dataDirOf, ignore, millisecondsOf, newCommand, printJson } from '../command.ts';
import { wholeNumber } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';

const EXAMPLES = [
  'helicorder stream cp examples/network --to-data-dir /mnt/edge',
  'helicorder stream cp plant/pump-3 plant/pump-3 --to-data-dir /mnt/edge --follow',
  'helicorder stream cp examples/network archive/network --from tail --bandwidth 1MiB',
  'helicorder stream cp plant/pump-3 plant/pump-3-loud --where "abs(X) > 2.5 || Temp >= 80" --follow',
  'helicorder stream cp plant/pump-3 plant/pump-3-g --transform magnitude.js',
];

export interface CopyCommandOptions extends CommonOptions, DerivationOptions {
  toDataDir?: string;
  from?: CopyOptions['begin'];
  to: number | 'end';
  follow?: boolean;
  cursor?: string;
  batchRecords?: number;
  bandwidth?: number;
  /** ms */
  linger?: number;
}

/** Also those of `stream-to-stream`. */
export interface DerivationOptions {
  where?: string;
  transform?: string;
  transformOptions?: Record<string, unknown>;
  fixedRoutingKey?: string;
}

export const WHERE_TEXT =
  'keep only samples for which it holds: channels in physical units, + - * / % **, comparisons, ' +
  '&& || ! ?:, abs min max sqrt …; names with other characters in quotes';
const CURSOR_TEXT =
  'name under which the source keeps how far the copy has come (default: made of both streams ' +
  'and the path of --to-data-dir as it is written; one through a symbolic link makes another)';
const BATCH_TEXT =
  'most records of one transaction (default: 1000000, or what the target takes in one write); ' +
  'with more than 1000000 it may be larger than memory: the target has all of it at once, or none';
export const TRANSFORM_TEXT = 'ES module with a defineTransform, applied to what is kept';
export const TRANSFORM_OPTIONS_TEXT = 'its options, as a JSON object';
export const ROUTING_KEY_TEXT = 'RemoteAddr of what is copied (default: that of each record)';

type Progress = Parameters<NonNullable<CopyOptions['onProgress']>>[0];

const PROGRESS_INTERVAL_MS = 500;

export function cpCommand({ io, run }: CliContext): Command {
  return newCommand('cp', 'copy a stream into another store or stream, exactly once', EXAMPLES)
    .argument('<source>', 'scope/name')
    .argument('[target]', 'scope/name (default: the name of the source)')
    .option('--to-data-dir <path>', 'directory of the target store (default: --data-dir)')
    .addOption(
      new Option(
        '--from <where>',
        'where a new copy begins: start, tail or an offset (default: start)',
      ).argParser(argument(parseBeginning)),
    )
    .addOption(
      new Option('--to <where>', 'end: all there is now; or the first offset not wanted')
        .default('end')
        .argParser((text) => (text === 'end' ? text : wholeNumber(text))),
    )
    .option('--follow', 'go on with what is recorded from now on, until told to stop')
    .option('--where <expression>', WHERE_TEXT)
    .option('--transform <file>', TRANSFORM_TEXT)
    .option('--transform-options <json>', TRANSFORM_OPTIONS_TEXT, jsonObject)
    .option('--fixedRoutingKey <key>', ROUTING_KEY_TEXT)
    .option('--cursor <name>', CURSOR_TEXT, cursorName)
    .option('--batch-records <n>', BATCH_TEXT, argument(parseBatchRecords))
    .option('--bandwidth <size>', 'most bytes per second, such as 1MiB', bandwidth)
    .option(
      '--linger <duration>',
      'with --follow: time between two transactions, unless it is behind (default: 1s)',
      linger,
    )
    .action((source: string, target: string | undefined, options: CopyCommandOptions) =>
      run(() => copy(io, streamName(source), streamName(target ?? source), options)),
    );
}

/** Parser of an option that is a JSON object. */
export function jsonObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // said below
  }
  throw new InvalidArgumentError('expected a JSON object, such as {"range": 4}.');
}

/** @throws USAGE for options of a transform that is not there */
function derivationOf(options: DerivationOptions) {
  const { where, transform, transformOptions, fixedRoutingKey } = options;
  if (transformOptions && transform === undefined) {
    throw new HelicorderError('USAGE', '--transform-options needs a --transform');
  }
  return {
    ...(where === undefined ? {} : { where }),
    // empty is the reference's default
    ...(fixedRoutingKey ? { routingKey: fixedRoutingKey } : {}),
    ...(transform === undefined
      ? {}
      : { transform: { file: transform, ...(transformOptions && { options: transformOptions }) } }),
  };
}

function bandwidth(text: string): number {
  try {
    const bytes = parseSizeBytes(text);
    if (bytes > 0) return bytes;
  } catch {
    // said below
  }
  throw new InvalidArgumentError('expected a size, such as 1MiB.');
}

function linger(text: string): number {
  const ms = millisecondsOf(text);
  if (ms !== undefined && ms <= COPY_LINGER_MAX_MS) return ms;
  throw new InvalidArgumentError('expected a duration up to 1h, such as 200ms.');
}

export async function copy(
  io: CliIo,
  from: string,
  to: string,
  options: CopyCommandOptions,
): Promise<number> {
  const { copyStream } = await io.load('engine');
  const dataDir = await dataDirOf(options, io);
  if (options.follow && options.to !== 'end') {
    throw new HelicorderError('USAGE', '--follow has no --to: it goes on until told to stop');
  }
  const derivation = derivationOf(options);
  const stop = new AbortController();
  const unlisten = io.onSignal(() => stop.abort());
  const progress = new ProgressLine(io, options.quiet === true);
  try {
    const report = await copyStream({
      dataDir,
      from,
      toDataDir: options.toDataDir ?? dataDir,
      to,
      signal: stop.signal,
      onProgress: (step) => {
        if (!stop.signal.aborted) progress.take(step);
      },
      onDamage: ({ file, offset, length, what }) =>
        progress.tell(`damage: ${file}: ${what} (byte ${offset}, ${length} bytes)`),
      onWaiting: (message) => progress.tell(`waiting: ${message}`),
      ...(options.from === undefined ? {} : { begin: options.from }),
      ...(options.to === 'end' ? {} : { end: options.to }),
      ...(options.follow ? { follow: true } : {}),
      ...derivation,
      ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
      ...(options.batchRecords === undefined ? {} : { batchRecords: options.batchRecords }),
      ...(options.bandwidth === undefined ? {} : { bytesPerSecond: options.bandwidth }),
      ...(options.linger === undefined ? {} : { lingerMs: options.linger }),
    });
    progress.end();
    const { base, nextOffset, records, transactions } = report;
    if (options.json) {
      const counts = { base, nextOffset, records, transactions };
      const quoted = Object.entries(counts).map(([key, value]) => [key, String(value)]);
      const { cursor, done } = report;
      await printJson(io, { from, to, cursor, ...Object.fromEntries(quoted), done });
    } else {
      await io.stdout.write(
        `${records} records copied in ${transactions} transactions; ` +
          `${to} has ${from} up to offset ${nextOffset} (cursor ${report.cursor})\n`,
      );
    }
    return 0;
  } finally {
    progress.end();
    unlisten();
  }
}

/** On a terminal one line that is written over; failures are lines of their own anywhere. */
class ProgressLine {
  readonly #io: CliIo;
  readonly #isQuiet: boolean;
  #records = 0;
  #shownMs = 0;
  #isOpen = false;

  constructor(io: CliIo, isQuiet: boolean) {
    this.#io = io;
    this.#isQuiet = isQuiet;
  }

  take(step: Progress): void {
    if (step.kind === 'failed') {
      const reason = step.error instanceof Error ? step.error.message : String(step.error);
      if (step.failures === 0) this.tell(`trying again: ${reason}`);
    }
    if (step.kind === 'sent') this.#show(`, seq ${step.seq} sent`);
    if (step.kind !== 'committed') return;
    this.#records += step.records;
    this.#show(`, seq ${step.acked}`);
  }

  #show(where: string): void {
    const nowMs = monotonicMs();
    if (this.#isQuiet || !this.#io.stderr.isTTY || nowMs - this.#shownMs < PROGRESS_INTERVAL_MS) {
      return;
    }
    this.#shownMs = nowMs;
    this.#isOpen = true;
    this.#write(`\r${this.#records} records copied${where}\u001b[K`);
  }

  tell(sentence: string): void {
    this.end();
    if (!this.#isQuiet) this.#write(`helicorder: ${sentence}\n`);
  }

  end(): void {
    if (this.#isOpen) this.#write('\n');
    this.#isOpen = false;
  }

  #write(text: string): void {
    void this.#io.stderr.write(text).catch(ignore);
  }
}
