/** The copier workers of a recorder, on the main thread: one for each store that is copied to. */
import type { Worker } from 'node:worker_threads';
import type { HelicorderError } from '../base/errors.ts';
import type { CopyConfig } from '../config/copies.ts';
import type { CopyData, FromCopy } from '../threads/protocol.ts';
import { spawnWorker } from '../threads/spawn.ts';

/** How long stopping waits for a copier that hangs on its target, before it is ended. */
const STOP_WAIT_MS = 10_000;

interface CopierWorker {
  worker: Worker;
  ended: Promise<void>;
}

export class CopySet {
  readonly #workers: CopierWorker[] = [];
  /** by target and stream */
  readonly #problems = new Map<string, string>();

  /** The store is served by now. A copier that dies is a problem of its copies, of nothing else. */
  static async start(dataDir: string, copies: readonly CopyConfig[]): Promise<CopySet> {
    const set = new CopySet();
    for (const target of new Set(copies.map(({ toDataDir }) => toDataDir))) {
      const own = copies.filter(({ toDataDir }) => toDataDir === target);
      await set.#begin(target, { dataDir, copies: own });
    }
    return set;
  }

  /** What is wrong, a sentence for each stream. */
  get problems(): string[] {
    return [...this.#problems.values()];
  }

  /**
   * Ends all copiers; what was under way is found by the next ones.
   * @param waitMs for those that hang on their target; little where the store has failed
   */
  async stop(waitMs = STOP_WAIT_MS): Promise<void> {
    await Promise.all(this.#workers.map((one) => endWorker(one, waitMs)));
  }

  async #begin(target: string, data: CopyData): Promise<void> {
    const hear = (message: FromCopy): void => {
      if (message.type !== 'problem') return;
      const { stream, problem } = message;
      const key = `${target}\n${stream ?? ''}`;
      const what = stream === undefined ? 'copies' : `the copy of ${stream}`;
      if (problem === undefined) this.#problems.delete(key);
      else this.#problems.set(key, `${what} to ${target}: ${problem}`);
    };
    const died = ({ message }: HelicorderError): void => {
      this.#problems.set(target, `the copier to ${target} has ended: ${message}`);
    };
    try {
      const worker = await spawnWorker<FromCopy>('copy', data, hear, died);
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      this.#workers.push({ worker, ended });
    } catch (error) {
      died(error as HelicorderError);
    }
  }
}

async function endWorker({ worker, ended }: CopierWorker, waitMs: number): Promise<void> {
  worker.postMessage('stop');
  const timer = setTimeout(() => void worker.terminate(), waitMs);
  await ended;
  clearTimeout(timer);
}
