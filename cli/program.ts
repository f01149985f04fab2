/**
 * The command line as a function: words and surroundings in, exit code out. It never ends the
 * process, so that tests and other programs can call it.
 *
 * Errors: a HelicorderError prints its message and the advice of its code and exits with the
 * code's number; a misuse found by the parser exits 64 with the nearest name; a reader of stdout
 * that has gone (EPIPE) ends a command quietly; what a signal has ended exits as the signal would
 * have had it; anything else is a bug, exits 70 and prints its
 * stack.
 */
import { Command, CommanderError } from 'commander';
import { ERRORS, HelicorderError, codeOf, errnoCode, messageOf } from '../engine/base/errors.ts';
import {
  Interrupted,
  ignore,
  type CliContext,
  type CliIo,
  type CommandFactory,
  type Run,
} from './command.ts';

const COMMANDS: Readonly<Record<string, () => Promise<CommandFactory>>> = {
  run: async () => (await import('./commands/run.ts')).runCommand,
  validate: async () => (await import('./commands/validate.ts')).validateCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  reload: async () => (await import('./commands/reload.ts')).reloadCommand,
  stream: async () => (await import('./commands/stream.ts')).streamCommand,
  'stream-to-stream': async () =>
    (await import('./commands/stream-to-stream.ts')).streamToStreamCommand,
  store: async () => (await import('./commands/store.ts')).storeCommand,
  cursor: async () => (await import('./commands/cursor.ts')).cursorCommand,
  gaps: async () => (await import('./commands/gaps.ts')).gapsCommand,
  stats: async () => (await import('./commands/stats.ts')).statsCommand,
  top: async () => (await import('./commands/top.ts')).topCommand,
  tune: async () => (await import('./commands/tune.ts')).tuneCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  selftest: async () => (await import('./commands/selftest.ts')).selftestCommand,
};

/** @param words the command line behind the program's name */
export async function main(words: readonly string[], io: CliIo, version: string): Promise<number> {
  let exitCode = 0;
  const run: Run = async (action) => {
    if (io.platform !== 'linux') {
      throw new HelicorderError('UNSUPPORTED', `Helicorder needs Linux, this is ${io.platform}`);
    }
    exitCode = await action();
  };
  try {
    const asked = words[0] === 'help' ? [...words.slice(1), '--help'] : words;
    const program = await newProgram({ io, run }, asked, version);
    if (words.length === 0) program.help({ error: true });
    await program.parseAsync(withoutHelpOfNothing(program, asked), { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, io);
  }
}

/** Knows the command that `words` begin with; all of them if that is none, to list or suggest. */
async function newProgram(
  context: CliContext,
  words: readonly string[],
  version: string,
): Promise<Command> {
  const program = new Command('helicorder')
    .description('Records sensors at 1 kHz and far above without losing or doubling one sample.')
    .version(version, '--version', 'print the version')
    .addHelpText('after', '\nExamples:\n  $ helicorder run\n  $ helicorder stream ls');
  for (const load of loadersFor(words)) program.addCommand(await (await load())(context));
  prepare(program, context.io);
  return program;
}

/** Without asking for help where a command is named that is none: it is told, not helped with. */
function withoutHelpOfNothing(program: Command, words: readonly string[]): readonly string[] {
  let command: Command | undefined = program;
  for (const word of words) {
    if (word.startsWith('-') || command.commands.length === 0) return words;
    command = command.commands.find((child) => [child.name(), ...child.aliases()].includes(word));
    if (command === undefined) return words.filter((each) => each !== '--help' && each !== '-h');
  }
  return words;
}

function loadersFor([first = '']: readonly string[]): (() => Promise<CommandFactory>)[] {
  if (first === '--version') return [];
  return Object.hasOwn(COMMANDS, first) ? [COMMANDS[first]!] : Object.values(COMMANDS);
}

/** Settings that commander does not hand on to commands which were made on their own. */
function prepare(command: Command, io: CliIo, parents = ''): void {
  const name = `${parents}${command.name()}`;
  command.showHelpAfterError(`see "${name} --help"`);
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text).catch(ignore),
    writeErr: (text) => void io.stderr.write(text).catch(ignore),
    outputError: (text, write) => write(text.replace(/^error: /, 'helicorder: ')),
  });
  for (const child of command.commands) prepare(child, io, `${name} `);
}

async function report(error: unknown, io: CliIo): Promise<number> {
  const print = (text: string): Promise<void> => io.stderr.write(text).catch(ignore);
  // commander has printed its message, or the help or version that was asked for
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERRORS.USAGE.exit;
  if (errnoCode(error) === 'EPIPE') return 0;
  if (error instanceof Interrupted) {
    await print(`helicorder: ${error.message}\n`);
    return error.exitCode;
  }
  const code = codeOf(error);
  const isBug = code === 'ASSERTION' && error instanceof Error && error.stack !== undefined;
  const text = isBug ? error.stack : messageOf(error);
  await print(`helicorder: ${text}\n${ERRORS[code].advice}\n`);
  return ERRORS[code].exit;
}
