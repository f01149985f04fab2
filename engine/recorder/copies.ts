/**
 * The copies of a configuration, on the thread of their target's copier: every stream that a
 * pattern matches is copied under its own name, those that come later too.
 *
 * A copy that ends with an error is begun again after a while, but for an alarm: after that one
 * nothing is sent before somebody has looked. What goes wrong is told as a sentence per stream.
 */
import { messageOf } from '../base/errors.ts';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { matchesPattern } from '../base/retention.ts';
import { cursorFor, type CopyConfig } from '../config/copies.ts';
import { isAlarm } from '../txn/copier.ts';
import { CopyLinks, copyThrough, type CopyOptions } from './copy.ts';

export interface CopiesOptions {
  dataDir: string;
  /** all of one target */
  copies: readonly CopyConfig[];
  /** undefined: the stream is copied well again */
  onProblem: (stream: string, problem: string | undefined) => void;
}

const LOOK_MS = 1000;
const MARK_WAIT_MS = 1;
const AGAIN_MS = 5000;

export class Copies {
  readonly #options: CopiesOptions;
  readonly #links: CopyLinks;
  readonly #stop = new AbortController();
  readonly #copies = new Map<string, Promise<void>>();

  /** @param links to the two stores, closed by it; for tests */
  constructor(
    options: CopiesOptions,
    links = new CopyLinks(options.dataDir, options.copies[0]?.toDataDir ?? ''),
  ) {
    this.#options = options;
    this.#links = links;
    // each copy listens to it
    setMaxListeners(0, this.#stop.signal);
  }

  /** Returns once it has been told to stop. @throws what keeps the store from being followed */
  async run(): Promise<void> {
    try {
      await this.#look();
    } finally {
      this.#stop.abort();
      await Promise.all(this.#copies.values());
      await this.#links.close();
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Follows the store, and begins the copies of streams that come. */
  async #look(): Promise<void> {
    const { signal } = this.#stop;
    const { store } = this.#links.store;
    while (!signal.aborted) {
      for (const stream of store.streamNames()) this.#begin(stream);
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      // in vain: the mark may have been made anew, which a wait finds out
      if (!store.reader.refresh()) await store.reader.wait(MARK_WAIT_MS);
    }
  }

  #begin(stream: string): void {
    if (this.#copies.has(stream)) return;
    const rule = this.#options.copies.find(({ pattern }) => matchesPattern(pattern, stream));
    if (rule) this.#copies.set(stream, this.#keepCopying(stream, rule));
  }

  async #keepCopying(stream: string, rule: CopyConfig): Promise<void> {
    const { dataDir, onProblem } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await copyThrough(this.#links, {
          ...{ dataDir, from: stream, to: stream, signal, ...wordsOf(rule, stream) },
          onProgress: (progress) => {
            if (progress.kind === 'committed') onProblem(stream, undefined);
            else if (progress.kind === 'failed' && !signal.aborted)
              onProblem(stream, messageOf(progress.error));
          },
        });
        return;
      } catch (error) {
        onProblem(stream, messageOf(error));
        if (isAlarm(error)) return;
        await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/** What a rule says of the copy of one stream. @throws RangeError for the name of a cursor */
function wordsOf(
  rule: CopyConfig,
  stream: string,
): Omit<CopyOptions, 'dataDir' | 'from' | 'to' | 'signal' | 'onProgress'> {
  const { toDataDir, follow, begin, batchRecords, bytesPerSecond, lingerMs } = rule;
  const { where, transform } = rule;
  const cursor = cursorFor(rule, stream);
  return {
    ...{ toDataDir, follow, lingerMs, isFromFile: true },
    ...(begin !== undefined && { begin }),
    ...(cursor !== undefined && { cursor }),
    ...(batchRecords !== undefined && { batchRecords }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(where !== undefined && { where }),
    ...(transform && { transform }),
  };
}
