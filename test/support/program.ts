/** The command line as a function, with surroundings and an engine that a test makes up. */
import type { CliIo, EndSignal, Output } from '../../cli/command.ts';
import type { Engine } from '../../cli/engine.ts';
import { main } from '../../cli/program.ts';
import { testDrivers } from './drivers.ts';
import { memoryFiles } from './memory-files.ts';

export type EngineParts = Partial<Record<keyof Engine, unknown>>;

/** The engine of a test: what is not given fails loudly when it is used. */
function engineOf(parts: EngineParts): Engine {
  const files = memoryFiles({ 'bad.yaml': 'stroe: {}\n', 'good.yaml': 'cpu: 1\n' });
  const nodeFileSystem = {
    ...files,
    open: (): never => {
      throw new Error('no file is opened here');
    },
  };
  return { nodeFileSystem, drivers: testDrivers, ...parts } as unknown as Engine;
}

/** What a command sees as its process, and what it did to it. */
export interface Process {
  io: CliIo;
  out: () => string;
  err: () => string;
  signal: (signal: EndSignal) => void;
  exits: number[];
}

export function processWith(engine: EngineParts, change: Partial<CliIo> = {}): Process {
  const listeners = new Set<(signal: EndSignal) => void>();
  const exits: number[] = [];
  const texts = { out: '', err: '' };
  const output = (name: 'out' | 'err'): Output => ({
    isTTY: false,
    columns: undefined,
    rows: undefined,
    write: async (chunk) => {
      texts[name] += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
    },
  });
  const io: CliIo = {
    stdout: output('out'),
    stderr: output('err'),
    stdin: (async function* () {})(),
    isInteractive: false,
    hasTerminal: true,
    environment: {},
    hostName: 'box',
    platform: 'linux',
    program: [],
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => exits.push(code),
    load: () => Promise.resolve(engineOf(engine)),
    ...change,
  };
  const signal = (name: EndSignal): void => listeners.forEach((listener) => listener(name));
  return { io, out: () => texts.out, err: () => texts.err, signal, exits };
}

/** Runs the words, split at blanks. */
export async function call(words: string, engine: EngineParts = {}, change: Partial<CliIo> = {}) {
  const process = processWith(engine, change);
  const code = await main(words.split(' ').filter(Boolean), process.io, '1.2.3');
  return { code, out: process.out(), err: process.err() };
}
