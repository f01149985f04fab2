/** Child processes of the benchmarks: each has a time limit, and none is left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { HelicorderError } from '../engine/base/errors.ts';

export interface ChildOptions {
  timeoutMs: number;
  /** called once it runs, with the process; what it returns is awaited before the end */
  during?: (child: ChildProcess) => Promise<void>;
  env?: Record<string, string>;
  /** a program that is to end like this; no other end is a good one then */
  endsBy?: NodeJS.Signals;
}

const running = new Set<ChildProcess>();

/** Ends every program that is still running: the benchmark itself is being ended. */
export function killPrograms(): void {
  for (const child of running) child.kill('SIGKILL');
}

export interface ChildResult {
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end.
 * @throws HelicorderError if it does not start, is ended by a signal or the time limit, or exits
 *   with another code than 0; the message holds what it wrote to stderr
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { timeoutMs, during, env, endsBy }: ChildOptions,
): Promise<ChildResult> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  running.add(child);
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      const isGood = endsBy === undefined ? code === 0 : signal === endsBy;
      resolve(isGood ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });
  const watching = during?.(child) ?? Promise.resolve();
  watching.catch(() => undefined);
  try {
    await Promise.race([ended, watching]);
    const failure = await ended;
    await watching;
    const result = { stdout: textOf(stdout), stderr: textOf(stderr) };
    if (failure === undefined) return result;
    const command = [program, ...args].join(' ');
    throw new HelicorderError('WORKER_DIED', `${command}: ${failure}\n${result.stderr}`);
  } finally {
    child.kill('SIGKILL');
    running.delete(child);
  }
}

/** Runs one of the benchmarks' own programs, which prints one JSON object. */
export async function runNode<Result>(
  script: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<Result> {
  const { stdout } = await runProgram(process.execPath, [script, ...args], options);
  return JSON.parse(stdout) as Result;
}

/** What a program of the benchmarks has measured, for `runNode` of the one that started it. */
export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
