#!/usr/bin/env node
/** The program: joins the command line to the process. The only place that ends the process. */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '../engine/base/errors.ts';
import type { CliIo, EndSignal, Output } from './command.ts';
import { load } from './engine.ts';

function outputOf(stream: NodeJS.WriteStream): Output {
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure ??= error;
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

function onSignal(listener: (signal: EndSignal) => void): () => void {
  process.on('SIGINT', listener as NodeJS.SignalsListener);
  process.on('SIGTERM', listener as NodeJS.SignalsListener);
  return () => {
    process.off('SIGINT', listener as NodeJS.SignalsListener);
    process.off('SIGTERM', listener as NodeJS.SignalsListener);
  };
}

const io: CliIo = {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  stdin: process.stdin,
  isInteractive: process.stdin.isTTY === true && process.stderr.isTTY === true,
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
const exitCode = await begin();
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(exitCode);
