/**
 * How a command is declared. Adding one = one file under `commands/` and one line in `program.ts`.
 * A command parses its words and prints; what it does is a call into the engine. It gets all of
 * its surroundings as `CliContext`, and ends by returning an exit code or throwing, never by
 * leaving the process.
 *
 * `--json` prints facts on stdout, one object, or one per line where a command streams;
 * everything else goes to stderr. Every command takes the common options below.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../engine/base/clock.ts';
import { NANOS_PER_MILLI } from '../engine/base/constants.ts';
import type { HelicorderError } from '../engine/base/errors.ts';
import { ERRORS, nearest } from '../engine/base/errors.ts';
import { formatUtc, parseTimeNanos } from '../engine/base/time-text.ts';
import { findConfigFiles } from '../engine/config/layers.ts';
import { parseDurationNanos } from '../engine/config/units.ts';
import type { EngineParts, Load } from './engine.ts';

/** A stream of the process as a command writes to it. */
export interface Output {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  /** Resolves once more may be written; never before the reader has kept up. */
  write(chunk: string | Uint8Array): Promise<void>;
}

/** `SIGHUP`: the terminal has been closed, or the connection to it. */
export type EndSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Of a process that a signal has ended, as shells have it. */
export const SIGNAL_EXITS: Readonly<Record<EndSignal, number>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143,
};

/** A command that was told to end before its work was done. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: EndSignal) {
    super(`ended by ${signal}, nothing is left behind`);
    this.exitCode = SIGNAL_EXITS[signal];
  }
}

export interface CliIo {
  stdout: Output;
  stderr: Output;
  stdin: AsyncIterable<Uint8Array>;
  /** a person can be asked */
  readonly isInteractive: boolean;
  /** one that can be closed: any of the three streams is one, or was when the program began */
  readonly hasTerminal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostName: string;
  readonly platform: string;
  /** the words that start this program */
  readonly program: readonly string[];
  /** Calls `listener` for every signal; returns how to stop. */
  onSignal(listener: (signal: EndSignal) => void): () => void;
  /** Ends the process at once, after a second signal. */
  exitNow(code: number): void;
  readonly load: Load;
}

/** The options that every command has. */
export interface CommonOptions {
  dataDir?: string;
  quiet?: boolean;
  logLevel?: string;
  json?: boolean;
}

/** Runs the action of a command and keeps its exit code. */
export type Run = (action: () => Promise<number>) => Promise<void>;

export interface CliContext {
  io: CliIo;
  run: Run;
}

export type CommandFactory = (context: CliContext) => Command | Promise<Command>;

const DATA_DIR_DEFAULT = './helicorder-data';
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** A command with the common options and real examples at the end of its help. */
export function newCommand(name: string, summary: string, examples: string[]): Command {
  return new Command(name)
    .summary(summary)
    .description(summary)
    .addOption(
      new Option('--data-dir <path>', `directory of the store (default: ${DATA_DIR_DEFAULT})`),
    )
    .option('--json', 'print facts as JSON on stdout')
    .option('--quiet', 'print errors only on stderr')
    .addOption(choice('--log-level <level>', 'least level of the log', LOG_LEVELS))
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);
}

/** A word that only groups commands: options belong to those, so that none is read twice. */
export function newGroup(name: string, summary: string, commands: Command[]): Command {
  const group = new Command(name).summary(summary).description(summary);
  for (const command of commands) group.addCommand(command);
  return group;
}

/** The directory of the store: flag, else environment, else a configuration, else the default. */
export async function dataDirOf(options: CommonOptions, io: CliIo): Promise<string> {
  const given = options.dataDir ?? io.environment.HELICORDER_DATA_DIR;
  if (given) return given;
  const { nodeFileSystem } = await io.load('reader');
  if (findConfigFiles(nodeFileSystem, undefined).length === 0) return DATA_DIR_DEFAULT;
  // with the schema of the configuration, which most starts do without
  const { configuredStoreDir } = await import('../engine/config/store-dir.ts');
  return configuredStoreDir(nodeFileSystem, io.environment) ?? DATA_DIR_DEFAULT;
}

type Reader = EngineParts['reader'];

/** Opens the store, and closes it behind what is done with it. */
export async function withStore<T>(
  io: CliIo,
  options: CommonOptions,
  use: (store: ReturnType<Reader['Store']['open']>, reader: Reader) => T | Promise<T>,
): Promise<T> {
  const reader = await io.load('reader');
  const store = reader.Store.open(await dataDirOf(options, io));
  try {
    return await use(store, reader);
  } finally {
    store.close();
  }
}

/** Milliseconds of a duration such as 10s; undefined if the text is none. */
export function millisecondsOf(text: string): number | undefined {
  try {
    return Number(parseDurationNanos(text)) / NANOS_PER_MILLI;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** A reader of stderr that has gone must not stop a recording. */
export function ignore(): void {}

/** What `stream write`, `cursor set` and their like tell of a store that waits, or is a copy. */
export function tellers(io: CliIo): {
  onWait: (error: HelicorderError) => void;
  onWarning: (warning: string) => void;
} {
  const tell = (text: string): void => void io.stderr.write(`helicorder: ${text}\n`).catch(ignore);
  return {
    onWait: ({ message }) => tell(`waiting: ${message}`),
    onWarning: (warning) => tell(`warning: ${warning}`),
  };
}

export function printJson(io: CliIo, value: unknown): Promise<void> {
  return io.stdout.write(`${JSON.stringify(value)}\n`);
}

/** UTC ns for people, cut to milliseconds. */
export function timeText(nanos: string | bigint | null): string {
  return nanos === null ? '–' : formatUtc(BigInt(nanos));
}

/** Of a command that has found damage, or an account that does not balance. */
export const EXIT_DAMAGED = ERRORS.DAMAGED.exit;

/** A parser of an option, from one that says what was expected by a RangeError. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new InvalidArgumentError(`${error.message}.`);
    }
  };
}

/** Parser of an option that is a moment; relative ones count from now. */
export const momentNanos = argument((text) => parseTimeNanos(text, systemClock.read().utcNanos));

/** Parser of an option that is a list of names. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (!names.includes('')) return names;
  throw new InvalidArgumentError('expected names, separated by commas.');
}

/** An option that takes one of some words; another one is answered with the nearest of them. */
export function choice(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description).choices(words).argParser((text) => {
    if (words.includes(text)) return text;
    const suggestion = nearest(text, words);
    const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
    throw new InvalidArgumentError(`Allowed are ${words.join(', ')}.${hint}`);
  });
}

/** Parser of an option that is a whole number. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('expected a whole number.');
}
