/**
 * Children of the self-test: the program itself, run as users and service managers run it. The one
 * home of `node:child_process` in what is shipped.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { BrokenPromise } from './promise.ts';

/** Far beyond what any of them needs to say its next line: one that takes longer hangs. */
const SILENCE_MS = 30_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export class Child {
  /** resolves, never rejects, once it has gone and all it printed was read */
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #lines: string[] = [];
  #stdout = '';
  #stderr = '';
  #rest = '';
  #isEnded = false;
  #wake: () => void = () => undefined;

  /**
   * @param program words that start the program, before `words`
   * @param cwd nothing is read there: a configuration of the user's must not take part
   */
  constructor(program: readonly string[], words: readonly string[], cwd: string) {
    this.#name = words.slice(0, 3).join(' ');
    const [command = '', ...first] = program;
    this.#process = spawn(command, [...first, ...words], { cwd, env: cleanEnvironment() });
    const decoder = new StringDecoder('utf8');
    this.#process.stdout!.on('data', (bytes: Buffer) => this.#take(decoder.write(bytes)));
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // a child that was killed leaves a broken pipe behind
    this.#process.stdin!.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => (this.#stderr += `${error.message}\n`));
      this.#process.on('close', (code, signal) => {
        this.#isEnded = true;
        this.#wake();
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Lines that have come and were not taken yet. */
  get waitingLines(): number {
    return this.#lines.length;
  }

  /** The next line of stdout; undefined once it has ended. @throws BrokenPromise after a silence */
  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#isEnded) {
      const came = new Promise<void>((resolve) => (this.#wake = resolve));
      await this.#within(came, 'has said nothing');
    }
    return this.#lines.shift();
  }

  write(text: string): void {
    this.#process.stdin!.write(text);
  }

  /** kill −9. */
  kill(): Promise<Ended> {
    this.#process.kill('SIGKILL');
    return this.ended;
  }

  /** Asked to end, and well. @throws BrokenPromise if it ends otherwise */
  async stop(): Promise<Ended> {
    this.#process.kill('SIGTERM');
    const ended = await this.#within(this.ended, 'has not ended after SIGTERM');
    // while it starts it has no way yet to end well
    if (ended.signal !== 'SIGTERM') this.expectWell(ended);
    return ended;
  }

  /** The same at the end of its input, or of its work. */
  async finish(input = ''): Promise<Ended> {
    this.#process.stdin!.end(input);
    const ended = await this.#within(this.ended, 'has not ended');
    this.expectWell(ended);
    return ended;
  }

  expectWell({ code, signal, stderr }: Ended): void {
    if (code === 0) return;
    throw new BrokenPromise(`"${this.#name}" ended with ${code ?? signal}: ${stderr.trim()}`);
  }

  async #within<T>(work: Promise<T>, otherwise: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const sentence = `"${this.#name}" ${otherwise} for ${SILENCE_MS / 1000} s`;
      timer = setTimeout(() => reject(new BrokenPromise(sentence)), SILENCE_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #take(text: string): void {
    this.#stdout += text;
    const pieces = (this.#rest + text).split('\n');
    this.#rest = pieces.pop()!;
    this.#lines.push(...pieces);
    this.#wake();
  }
}

/** What the user has set for his recorder must not become settings of these. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('HELICORDER_'));
  return Object.fromEntries(kept);
}
