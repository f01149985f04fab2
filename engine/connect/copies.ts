/**
 * The copies of a configuration, on the thread of their target's copier: every stream that a
 * pattern matches is copied under its own name, those that come later too.
 *
 * A copy that ends with an error is begun again after a while, but for an alarm: after that one
 * nothing is sent before somebody has looked. What goes wrong is told as a sentence per stream,
 * until it goes well again or the stream is removed; one of its name made later is another one.
 */
import { codeOf, isCode, messageOf } from '../base/errors.ts';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { matchesPattern } from '../base/retention.ts';
import { cursorFor, type CopyConfig } from '../config/copies.ts';
import { isAlarm } from '../txn/failures.ts';
import { CopyLinks, copyThrough } from './copy.ts';
import type { CopyOptions } from './copy-options.ts';

export interface CopiesOptions {
  dataDir: string;
  /** all of one target */
  copies: readonly CopyConfig[];
  /**
   * @param stream undefined: all of them
   * @param problem undefined: the stream is copied well again, or was removed
   */
  onProblem: (stream: string | undefined, problem: string | undefined) => void;
}

const LOOK_MS = 1000;
const MARK_WAIT_MS = 1;
const AGAIN_MS = 5000;

export class Copies {
  readonly #options: CopiesOptions;
  readonly #links: CopyLinks;
  readonly #stop = new AbortController();
  readonly #copies = new Map<string, Promise<void>>();
  /** those of them that have */
  readonly #ended = new Set<string>();
  #isFailing = false;

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

  /** Returns once it has been told to stop. */
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
    while (!signal.aborted) {
      const streams = new Set(this.#links.store.streamNames());
      for (const stream of this.#ended) if (!streams.has(stream)) this.#forget(stream);
      for (const stream of streams) this.#begin(stream);
      await this.#pause(LOOK_MS);
      await this.#follow();
    }
  }

  /** What the disk does not give this time it is asked for again. @throws what is a bug */
  async #follow(): Promise<void> {
    const { reader } = this.#links.store.store;
    const { onProblem } = this.#options;
    try {
      // in vain: the mark may have been made anew, which a wait finds out
      if (!reader.refresh()) await reader.wait(MARK_WAIT_MS);
      if (this.#isFailing) onProblem(undefined, undefined);
      this.#isFailing = false;
    } catch (error) {
      if (codeOf(error) === 'ASSERTION') throw error;
      this.#isFailing = true;
      onProblem(undefined, messageOf(error));
      await this.#pause(AGAIN_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }

  #forget(stream: string): void {
    this.#ended.delete(stream);
    this.#copies.delete(stream);
    this.#options.onProblem(stream, undefined);
  }

  #begin(stream: string): void {
    if (this.#copies.has(stream)) return;
    const rule = this.#options.copies.find(({ pattern }) => matchesPattern(pattern, stream));
    if (rule === undefined) return;
    const ended = (): void => void this.#ended.add(stream);
    this.#copies.set(stream, this.#keepCopying(stream, rule).finally(ended));
  }

  async #keepCopying(stream: string, rule: CopyConfig): Promise<void> {
    const { dataDir, onProblem } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await copyThrough(this.#links, {
          ...{ dataDir, from: stream, to: stream, signal, ...wordsOf(rule, stream) },
          onProgress: (progress) => {
            const { kind } = progress;
            if (kind === 'committed' || kind === 'opened') onProblem(stream, undefined);
            else if (kind === 'failed' && !signal.aborted)
              onProblem(stream, messageOf(progress.error));
          },
        });
        return;
      } catch (error) {
        if (this.#isGone(stream, error)) return;
        onProblem(stream, messageOf(error));
        if (isAlarm(error)) return;
        await this.#pause(AGAIN_MS);
      }
    }
  }

  #isGone(stream: string, error: unknown): boolean {
    const { store } = this.#links;
    return isCode(error, 'NO_SUCH_STREAM') && !store.streamNames().includes(stream);
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
