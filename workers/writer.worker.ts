/**
 * The writer worker: owns the log and the catalog. Flushes come on multiples of the interval, so
 * that a late one does not shift the next; one that took longer than the interval is followed by
 * the next at once, as in a backlog, with the messages heard in between. What other processes ask
 * for is served between two flushes, at most one write at a time, so that no flush waits longer for
 * them than for that.
 *
 * It goes ahead of threads that are in no hurry, where that is granted (CAP_SYS_NICE): sealing,
 * V8's own, other programs. At 1024 x 1 kHz, sealing beside it, one flush in a hundred took 22 ms
 * without that, and takes 16.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { WriterAgent, nextFlush } from '../engine/collector/writer-agent.ts';
import { systemEnvironment } from '../engine/store/store.ts';
import type { FromWriter, PlainError, ToWriter, WriterData } from '../engine/threads/protocol.ts';
import { plainError } from '../engine/threads/spawn.ts';

const port = defined(parentPort, 'the parent port');
const post = (message: FromWriter): void => port.postMessage(message);

/** Below real time, which is the samplers'. */
const URGENT_NICE = -10;

/** Timers count whole milliseconds: with one, a flush interval of 1 ms would be two. */
const TIMER_MS = 1;

class WriterThread {
  readonly #agent: WriterAgent;
  #flushIntervalMs: number;
  #dueMs = monotonicMs();
  #timer: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;
  #serving: NodeJS.Immediate | undefined;

  constructor({ options, flushIntervalMs, isUrgent }: WriterData) {
    if (isUrgent) goAhead();
    this.#flushIntervalMs = flushIntervalMs;
    this.#agent = new WriterAgent(options, systemEnvironment, {
      answer: (key, answer) => post({ type: 'answer', key, answer }),
      waiting: (message) => post({ type: 'waiting', message }),
    });
  }

  run(): void {
    port.on('message', (message: ToWriter) => guarded(() => this.#hear(message)));
    post({ type: 'ready' });
    this.#tick();
  }

  #tick(): void {
    const more = this.#agent.flush();
    const now = monotonicMs();
    this.#dueMs = nextFlush(this.#dueMs, now, this.#flushIntervalMs);
    this.#serveSoon();
    this.#tickAt(more ? now : this.#dueMs);
  }

  /** What is less than a timer can tell is waited out, behind the messages that have come. */
  #tickAt(dueMs: number): void {
    const waitMs = dueMs - monotonicMs();
    if (waitMs >= TIMER_MS) {
      this.#timer = setTimeout(() => guarded(() => this.#tick()), waitMs);
      return;
    }
    this.#next = setImmediate(() =>
      guarded(() => {
        systemEnvironment.pause(Math.max(0, dueMs - monotonicMs()));
        this.#tick();
      }),
    );
  }

  /** What has come by then shares a write; a flush that is due comes between two of them. */
  #serveSoon(): void {
    this.#serving ??= setImmediate(() => {
      this.#serving = undefined;
      guarded(() => {
        if (this.#agent.serve()) this.#serveSoon();
      });
    });
  }

  #hear(message: ToWriter): void {
    switch (message.type) {
      case 'status':
        return post({ type: 'status', status: this.#agent.status() });
      case 'stop':
        return this.#stop();
      case 'request':
        this.#agent.submit(message.connection, message.key, message.request, message.payload);
        return this.#serveSoon();
      case 'gone':
        this.#agent.gone(message.connection);
        return this.#serveSoon();
      case 'flush-interval':
        this.#flushIntervalMs = message.ms;
        return;
      case 'prepare':
        return this.#attempt(message.key, () =>
          this.#agent.prepare(message.groups, message.retention),
        );
      case 'upkeep':
        return this.#attempt(message.key, () => this.#agent.applyUpkeep(message.result));
      case 'replace-groups':
        return this.#agent.replaceGroups(message.ended, message.begun, () =>
          post({ type: 'done', key: message.key, error: undefined }),
        );
    }
  }

  /** Does what may be refused with nothing changed. What is final ends the worker. */
  #attempt(key: number, work: () => void): void {
    let error: PlainError | undefined;
    try {
      work();
    } catch (cause) {
      const isFinal = !(cause instanceof HelicorderError) || cause.code === 'STORE_IO';
      if (isFinal) throw cause;
      error = plainError(cause);
    }
    post({ type: 'done', key, error });
  }

  #stop(): void {
    this.end();
    const clean = this.#agent.close();
    post({ type: 'stopped', clean, status: this.#agent.status() });
    port.close();
  }

  /** Nothing happens by itself any more. */
  end(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#next);
    clearImmediate(this.#serving);
  }
}

/** Of this thread only: to Linux it is a process of its own (setpriority(2)). */
function goAhead(): void {
  try {
    setPriority(0, URGENT_NICE);
  } catch (error) {
    // most people may not, and record all the same
    if (!isRefusal(error)) throw error;
  }
}

/** Node gives what setpriority(2) says as `info.code`. */
function isRefusal(error: unknown): boolean {
  const { info } = error as { info?: { code?: string } };
  return info?.code === 'EACCES' || info?.code === 'EPERM';
}

let thread: WriterThread | undefined;

function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    thread?.end();
    post({ type: 'failed', error: plainError(error) });
    port.close();
  }
}

guarded(() => {
  thread = new WriterThread(workerData as WriterData);
  thread.run();
});
