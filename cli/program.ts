/**
 * The command line as a function: words and surroundings in, exit code out. It never ends the
 * process, so that tests and other programs can call it.
 *
 * Errors: a HelicorderError prints its message and the advice of its code and exits with the
 * code's number; a misuse found by the parser exits 64 with the nearest name; a reader of stdout
 * that has gone (EPIPE) ends a command quietly; anything else is a bug, exits 70 and prints its
 * stack.
 */
import { Command, CommanderError } from 'commander';
import { ERRORS, errnoCode, HelicorderError } from '../engine/base/errors.ts';
import { ignore, type CliContext, type CliIo, type CommandFactory, type Run } from './command.ts';
import { configCommand } from './commands/config.ts';
import { cursorCommand } from './commands/cursor.ts';
import { doctorCommand } from './commands/doctor.ts';
import { gapsCommand } from './commands/gaps.ts';
import { reloadCommand } from './commands/reload.ts';
import { runCommand } from './commands/run.ts';
import { selftestCommand } from './commands/selftest.ts';
import { statusCommand } from './commands/status.ts';
import { statsCommand } from './commands/stats.ts';
import { storeCommand } from './commands/store.ts';
import { streamCommand } from './commands/stream.ts';
import { validateCommand } from './commands/validate.ts';
import { streamToStreamCommand } from './commands/stream-to-stream.ts';
import { topCommand } from './commands/top.ts';
import { tuneCommand } from './commands/tune.ts';
import { verifyCommand } from './commands/verify.ts';
import type { Engine } from './engine.ts';

const COMMANDS: readonly CommandFactory[] = [
  runCommand,
  validateCommand,
  configCommand,
  statusCommand,
  reloadCommand,
  streamCommand,
  streamToStreamCommand,
  storeCommand,
  cursorCommand,
  gapsCommand,
  statsCommand,
  topCommand,
  tuneCommand,
  verifyCommand,
  doctorCommand,
  selftestCommand,
];

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
    const loaded = await engineOf(io);
    const program = newProgram({ io: loaded.io, run, drivers: loaded.drivers }, version);
    if (words.length === 0) program.help({ error: true });
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, io);
  }
}

/** The engine is loaded once, for its drivers' flags; a failure is kept for who really needs it. */
async function engineOf(io: CliIo): Promise<Pick<CliContext, 'io' | 'drivers'>> {
  let loading: Promise<Engine>;
  try {
    const engine = await io.loadEngine();
    return { io: { ...io, loadEngine: () => Promise.resolve(engine) }, drivers: engine.drivers };
  } catch (error) {
    loading = Promise.reject(error instanceof Error ? error : new Error(String(error)));
    loading.catch(ignore);
  }
  return { io: { ...io, loadEngine: () => loading }, drivers: undefined };
}

function newProgram(context: CliContext, version: string): Command {
  const program = new Command('helicorder')
    .description('Records sensors at 1 kHz and far above without losing or doubling one sample.')
    .version(version, '--version', 'print the version')
    .addHelpText('after', '\nExamples:\n  $ helicorder run\n  $ helicorder stream ls');
  for (const factory of COMMANDS) program.addCommand(factory(context));
  prepare(program, context.io);
  return program;
}

/** Settings that commander does not hand on to commands which were made on their own. */
function prepare(command: Command, io: CliIo): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text).catch(ignore),
    writeErr: (text) => void io.stderr.write(text).catch(ignore),
    outputError: (text, write) => write(text.replace(/^error: /, 'helicorder: ')),
  });
  for (const child of command.commands) prepare(child, io);
}

async function report(error: unknown, io: CliIo): Promise<number> {
  const print = (text: string): Promise<void> => io.stderr.write(text).catch(ignore);
  // commander has printed its message, or the help or version that was asked for
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERRORS.USAGE.exit;
  if (errnoCode(error) === 'EPIPE') return 0;
  if (error instanceof HelicorderError) {
    await print(`helicorder: ${error.message}\n${ERRORS[error.code].advice}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  await print(`helicorder: ${text}\n${ERRORS.ASSERTION.advice}\n`);
  return ERRORS.ASSERTION.exit;
}
