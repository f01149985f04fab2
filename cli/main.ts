#!/usr/bin/env node
/** The program: joins the command line to the process. The only place that ends the process. */
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { ERRORS, HelicorderError, errnoCode, messageOf } from '../engine/base/errors.ts';
import type { CliIo, EndSignal, Output } from './command.ts';
import { load } from './engine.ts';

/** A reader that has gone is EPIPE, also where it was a terminal that is closed. */
function failureOf(error: unknown, name: string, { isTTY }: NodeJS.WriteStream): Error {
  const errno = errnoCode(error);
  if (errno === 'EPIPE' || (isTTY && errno === 'EIO')) {
    return Object.assign(new Error(`${name} has no reader any more`), { code: 'EPIPE' });
  }
  const sentence = `${name} cannot be written: ${errno ?? messageOf(error)}`;
  return new HelicorderError('OUTPUT', sentence, { cause: error });
}

function outputOf(name: string, stream: NodeJS.WriteStream): Output & { failure(): unknown } {
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure ??= failureOf(error, name, stream);
  });
  const writable = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        for (const event of ['drain', 'error', 'close']) stream.off(event, settle);
        resolve();
      };
      for (const event of ['drain', 'error', 'close']) stream.on(event, settle);
    });
    if (failure) throw failure;
  };
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
    write: async (chunk) => {
      if (failure) throw failure;
      if (!stream.write(chunk)) await writable();
    },
    failure: () => failure,
  };
}

/**
 * Resolves once everything written has left the process, or its reader has gone. A full pipe takes
 * the rest later, and `process.exit` would drop it.
 */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once('close', resolve);
    stream.write('', () => resolve());
  });
}

const SIGNALS: readonly EndSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function onSignal(listener: (signal: EndSignal) => void): () => void {
  for (const signal of SIGNALS) process.on(signal, listener as NodeJS.SignalsListener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener as NodeJS.SignalsListener);
  };
}

/** Of the three streams, those that are terminals. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd));

const stdout = outputOf('standard output', process.stdout);

const io: CliIo = {
  stdout,
  stderr: outputOf('standard error', process.stderr),
  stdin: process.stdin,
  isInteractive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  hasTerminal: terminals.length > 0,
  environment: process.env,
  hostName: hostname(),
  platform: process.platform,
  program: [process.execPath, fileURLToPath(import.meta.url)],
  onSignal,
  exitNow: (code) => process.exit(code),
  load,
};

/** Of an addon that is missing or does not fit (`native/load.cjs`). */
const NO_ADDON = 'HELICORDER_NO_ADDON';

/** All else of the program needs the addon, which an interrupted build leaves missing. */
async function begin(): Promise<number> {
  try {
    const { main } = await import('./program.ts');
    return await main(process.argv.slice(2), io, version);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === NO_ADDON)) throw error;
    await io.stderr.write(`helicorder: ${error.message}\n`);
    return ERRORS.UNSUPPORTED.exit;
  }
}

const { version } = createRequire(import.meta.url)('helicorder/package.json') as {
  version: string;
};
/** What was printed last may have failed behind the command's back. */
async function exitCodeOf(exitCode: number): Promise<number> {
  await flushed(process.stdout);
  // what a file or a device does not take is told in a turn of its own
  await setImmediate();
  const failure = stdout.failure();
  if (exitCode !== 0 || !(failure instanceof HelicorderError)) return exitCode;
  const { advice, exit } = ERRORS[failure.code];
  await io.stderr.write(`helicorder: ${failure.message}\n${advice}\n`).catch(() => undefined);
  return exit;
}

const exitCode = await exitCodeOf(await begin());
await flushed(process.stderr);
// Node.js gives terminals back as they were, and aborts where one has gone
for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
process.exit(exitCode);
