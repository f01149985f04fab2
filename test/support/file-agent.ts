/** The test's side of `file-agent.cjs`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface AgentMark {
  durableLsn: number;
  word: number;
}

/** Another process; it is killed when the test has finished. */
export class FileAgent {
  readonly #child: ChildProcess;
  readonly #replies: AsyncIterator<string>;

  constructor() {
    const script = new URL('file-agent.cjs', import.meta.url).pathname;
    const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#replies = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
  }

  lock(path: string, exclusive: boolean): Promise<boolean> {
    return this.#ask({ action: 'lock', path, exclusive });
  }

  openMark(path: string): Promise<AgentMark> {
    return this.#ask({ action: 'openMark', path });
  }

  waitMark(word: number, timeoutMs: number): Promise<AgentMark> {
    return this.#ask({ action: 'waitMark', word, timeoutMs });
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async #ask<Reply>(request: object): Promise<Reply> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const reply = await this.#replies.next();
    if (reply.done) throw new Error('the other process ended');
    return JSON.parse(reply.value) as Reply;
  }
}
