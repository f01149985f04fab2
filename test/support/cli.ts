/**
 * The built program in processes of its own, as users, pipes and service managers see it.
 *
 * Every process has an end: it is killed when its test finishes or when its time is over, and a
 * test that waits for a line it never prints is told what it printed instead.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Lines } from './lines.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const MAIN = join(REPOSITORY, 'dist/cli/main.js');

/**
 * Far beyond what any of them needs: a process that reaches it hangs. The full counts run for long
 * beside other work.
 */
const LIFE_MS = process.env['HELICORDER_SOAK'] ? 300_000 : 150_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stdoutBytes: Buffer;
  stderr: string;
}

export interface ProgramOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  lifeMs?: number;
  /** started by a hook, for all tests of the file: killed at the end of that, not of a test */
  isShared?: boolean;
}

export class Program {
  readonly child: ChildProcess;
  readonly stdout = new Lines();
  readonly stderr = new Lines();
  /** resolves, never rejects, once the process has gone and all it printed was read */
  readonly ended: Promise<Ended>;
  readonly #name: string;
  readonly #chunks: Buffer[] = [];

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { cwd = tmpdir(), env = {}, lifeMs = LIFE_MS, isShared = false } = options;
    this.#name = [command, ...args].join(' ');
    this.child = spawn(command, args, { cwd, env: { ...cleanEnvironment(), ...env } });
    const decoder = new StringDecoder('utf8');
    this.child.stdout!.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.stdout.push(decoder.write(chunk));
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.stderr.push(text));
    // a process that was killed leaves a broken pipe behind, which is what the test is about
    this.child.stdin!.on('error', () => {});
    const timer = setTimeout(() => {
      this.stderr.push('(killed by the test: its time was over)\n');
      this.child.kill('SIGKILL');
    }, lifeMs);
    const end = (): void => void this.child.kill('SIGKILL');
    if (isShared) process.once('exit', end);
    else onTestFinished(end);
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => this.stderr.push(`${error.message}\n`));
      this.child.on('close', (code, signal) => {
        clearTimeout(timer);
        resolve(this.#end(code, signal));
      });
    });
  }

  /** Feeds standard input. */
  write(content: string | Uint8Array): void {
    this.child.stdin!.write(content);
  }

  endInput(content: string | Uint8Array = ''): void {
    this.child.stdin!.end(content);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** kill −9, and all it printed before. */
  async kill(): Promise<Ended> {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  #end(code: number | null, signal: NodeJS.Signals | null): Ended {
    const last = this.stdout.all.slice(-3).join('\n');
    const error = new Error(
      `${this.#name} ended (${code ?? signal}) without the line waited for; its last lines:\n` +
        `${last}\nstderr:\n${this.stderr.text}`,
    );
    this.stdout.end(error);
    this.stderr.end(error);
    const stdoutBytes = Buffer.concat(this.#chunks);
    const stdout = stdoutBytes.toString();
    return { code, signal, stdout, stdoutBytes, stderr: this.stderr.text };
  }
}

/** What the tests themselves are told must not become settings of the program. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(HELICORDER|npm)_/.test(name));
  return Object.fromEntries(kept);
}

/** `helicorder ARGS…`, running. */
export function helicorder(args: readonly string[], options?: ProgramOptions): Program {
  return new Program(process.execPath, [MAIN, ...args], options);
}

/** The same, with its stdout in a file. */
export function helicorderInto(file: string, args: readonly string[]): Program {
  const words = [process.execPath, MAIN, ...args];
  return new Program('sh', ['-c', 'exec "$@" > "$0"', file, ...words]);
}

/** `helicorder ARGS…`, run to its end. */
export function helicorderRun(
  args: readonly string[],
  input: string | Uint8Array = '',
  options: ProgramOptions = {},
): Promise<Ended> {
  const program = helicorder(args, options);
  program.endInput(input);
  return program.ended;
}

/** The same, expected to exit with 0: its stdout. */
export async function helicorderOut(
  args: readonly string[],
  input = '',
  options: ProgramOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await helicorderRun(args, input, options);
  if (code !== 0) throw new Error(`${args.join(' ')} exited with ${code}: ${stderr}`);
  return stdout;
}

/** `helicorder ARGS… --json`: the one object that it prints. */
export async function helicorderJson<T>(args: readonly string[]): Promise<T> {
  return JSON.parse(await helicorderOut([...args, '--json'])) as T;
}

/**
 * Resolves when the next owner has renamed its mark, or its control socket, into `dir`, which must
 * exist. Call it before the owner is started.
 */
export function nextOwner(dir: string, what: 'mark' | 'control' = 'mark'): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(dir);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      watcher.close();
      if (error) reject(error);
      else resolve();
    };
    const timer = setTimeout(() => settle(new Error(`no owner came to ${dir}`)), LIFE_MS);
    watcher.on('change', (type, name) => {
      if (type === 'rename' && name === what) settle();
    });
    watcher.on('error', settle);
  });
}
