/**
 * `helicorder stream-to-stream`: `stream cp` in the words of the reference job of that name. What
 * has no meaning here is accepted and named in one line, never ignored silently; what would be
 * missed is refused.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { COPY_LINGER_MAX_MS } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { streamName } from '../../engine/base/names.ts';
import { dataDirOf, ignore, newCommand, wholeNumber } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import {
  copy,
  jsonObject,
  ROUTING_KEY_TEXT,
  TRANSFORM_OPTIONS_TEXT,
  TRANSFORM_TEXT,
  WHERE_TEXT,
  type CopyCommandOptions,
  type DerivationOptions,
} from './stream-copy.ts';

const EXAMPLES = [
  'helicorder stream-to-stream --input-stream plant/pump-3 --output-controller /mnt/edge',
  'helicorder stream-to-stream --scope plant --input-stream a --output-stream b --follow',
];

/** Settings of the reference's cluster and job manager: a copy is one worker of this process. */
const MEANINGLESS = [
  ...['parallelism', 'readerParallelism'],
  ...['checkpointTimeoutMs', 'enableCheckpoint', 'enableOperatorChaining', 'rebalance'],
  ...['maxOutOfOrdernessMs', 'logOutputRecords', 'jobName', 'output-minNumSegments'],
  ...['output-scaleFactor', 'output-targetRate'],
];

/** What would make other events of the source's: a copy is the source, sample by sample. */
const NOT_OF_A_COPY: Readonly<Record<string, string>> = {
  flatten: 'a copy keeps samples as they are, each a row already; leave --flatten out',
  keyFieldNames: 'a copy brings each record once by itself, after any crash; leave it out',
  counterFieldName: 'a copy brings each record once by itself, after any crash; leave it out',
};

/** The reference's word for a stream cut that is none. */
const UNBOUNDED = 'UNBOUNDED';
/** The reference's. */
const CHECKPOINT_INTERVAL_MS = 10_000;

interface Options extends CommonOptions, DerivationOptions {
  inputStream?: string;
  outputStream?: string;
  scope?: string;
  inputScope?: string;
  outputScope?: string;
  controller?: string;
  inputController?: string;
  outputController?: string;
  inputStartAtTail: boolean;
  inputEndAtTail: boolean;
  inputStartStreamCut: number | typeof UNBOUNDED;
  inputEndStreamCut: number | typeof UNBOUNDED;
  follow?: boolean;
  checkpointIntervalMs: number;
}

export function streamToStreamCommand({ io, run }: CliContext): Command {
  const summary = 'copy a stream, as "stream cp", in the words of the reference tools';
  const command = newCommand('stream-to-stream', summary, EXAMPLES)
    .option('--input-stream <name>', 'scope/name, or a name in the scope')
    .option('--output-stream <name>', 'scope/name (default: the name of the input)')
    .option('--scope <scope>', 'scope of streams given without one')
    .option('--input-scope <scope>', 'the same, of the input')
    .option('--output-scope <scope>', 'the same, of the output')
    .option('--controller <directory>', 'directory of both stores')
    .option('--input-controller <directory>', 'directory of the input (default: --data-dir)')
    .option('--output-controller <directory>', 'directory of the output (default: --data-dir)')
    .addOption(flag('--input-startAtTail [bool]', 'a new copy begins at the end', false))
    .addOption(flag('--input-endAtTail [bool]', 'end with all there is now', true))
    .addOption(streamCut('--input-startStreamCut <offset>', 'offset at which a new copy begins'))
    .addOption(streamCut('--input-endStreamCut <offset>', 'the first offset not wanted'))
    .option('--where <expression>', WHERE_TEXT)
    .option('--transform <file>', TRANSFORM_TEXT)
    .option('--transform-options <json>', TRANSFORM_OPTIONS_TEXT, jsonObject)
    .option('--fixedRoutingKey <key>', ROUTING_KEY_TEXT)
    .option('--follow', 'the same as --input-endAtTail false')
    .addOption(
      new Option('--checkpointIntervalMs <ms>', 'time between two transactions of one that follows')
        .default(CHECKPOINT_INTERVAL_MS)
        .argParser(interval),
    );
  for (const name of [...MEANINGLESS, ...Object.keys(NOT_OF_A_COPY)]) {
    command.addOption(new Option(`--${name} [value]`).hideHelp());
  }
  return command.action((options: Options) =>
    run(() => {
      const isEndSaid = command.getOptionValueSource('inputEndAtTail') === 'cli';
      if (options.follow && isEndSaid && options.inputEndAtTail) {
        throw new HelicorderError('USAGE', '--follow and --input-endAtTail: one or the other');
      }
      return copyAs(io, options);
    }),
  );
}

function interval(text: string): number {
  const ms = wholeNumber(text);
  if (ms <= COPY_LINGER_MAX_MS) return ms;
  throw new InvalidArgumentError(`expected at most ${COPY_LINGER_MAX_MS}, an hour.`);
}

function streamCut(flags: string, description: string): Option {
  return new Option(flags, description)
    .default(UNBOUNDED)
    .argParser((text: string) => (text === UNBOUNDED ? text : wholeNumber(text)));
}

function rangeOf(options: Options): Pick<CopyCommandOptions, 'from' | 'to'> {
  const { inputStartStreamCut: start, inputEndStreamCut: end } = options;
  const to = end === UNBOUNDED ? 'end' : end;
  if (start !== UNBOUNDED) return { from: start, to };
  return options.inputStartAtTail ? { from: 'tail', to } : { to };
}

function flag(flags: string, description: string, value: boolean): Option {
  return new Option(flags, description)
    .default(value)
    .preset(true)
    .argParser((text: unknown) => {
      if (text === true || text === 'true') return true;
      if (text === 'false') return false;
      throw new InvalidArgumentError('expected true or false.');
    });
}

async function copyAs(io: CliIo, options: Options): Promise<number> {
  const { inputStream, outputStream = inputStream, scope } = options;
  if (inputStream === undefined || outputStream === undefined) {
    throw new HelicorderError('USAGE', '--input-stream is missing: the stream to be copied');
  }
  refuseOthers(options);
  await tellMeaningless(io, options);
  const from = named(inputStream, options.inputScope ?? scope);
  const to = named(outputStream, options.outputScope ?? scope);
  const dataDir = await directory(options.inputController ?? options.controller, io, options);
  const toDataDir = await directory(options.outputController ?? options.controller, io, options);
  return copy(io, from, to, {
    ...options,
    dataDir,
    toDataDir,
    ...rangeOf(options),
    linger: options.checkpointIntervalMs,
    follow: options.follow === true || !options.inputEndAtTail,
  });
}

/** @throws USAGE for what a copy does not do, and would be missed if it were only named */
function refuseOthers(options: Options): void {
  for (const [name, why] of Object.entries(NOT_OF_A_COPY)) {
    const value = (options as unknown as Record<string, unknown>)[name];
    if (value === undefined || value === 'false' || value === '') continue;
    throw new HelicorderError('USAGE', `--${name} is not to be had here: ${why}`);
  }
}

async function tellMeaningless(io: CliIo, options: Options): Promise<void> {
  const given = MEANINGLESS.filter((name) => {
    const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    return key in options;
  });
  if (given.length === 0 || options.quiet) return;
  const names = given.map((name) => `--${name}`).join(', ');
  await io.stderr.write(`helicorder: has no meaning here: ${names}\n`).catch(ignore);
}

/** @throws USAGE unless it has a scope, its own or the one given */
function named(stream: string, scope: string | undefined): string {
  return streamName(stream.includes('/') || scope === undefined ? stream : `${scope}/${stream}`);
}

async function directory(
  controller: string | undefined,
  io: CliIo,
  options: CommonOptions,
): Promise<string> {
  if (controller === undefined) return await dataDirOf(options, io);
  if (!/^(tcp|tls):\/\//.test(controller)) return controller;
  throw new HelicorderError(
    'USAGE',
    `${controller}: a controller is a directory here; other targets than stores are still to come`,
  );
}
