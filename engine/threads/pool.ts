/** The pool for whole tasks off the recording threads; where these are rare it has no thread. */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { FixedQueue, Piscina } from 'piscina';
import type { UpkeepOptions, UpkeepResult } from '../store/upkeep/upkeep.ts';

const require = createRequire(import.meta.url);

/** Where a segment is full every few seconds a thread stays, and what V8 has compiled with it. */
const IDLE_TIMEOUT_MS = 15_000;
/** A step looks up from its work between two blocks; opening the store takes longer. */
const GIVE_UP_MS = 10_000;

/** What a thread of the pool is given. */
export interface UpkeepTask {
  options: UpkeepOptions;
  /** not 0: give up at the next pause */
  isOver: Int32Array;
}

export interface UpkeepPool {
  /** One step at a time. Rejects with what the step threw, its class lost on the way. */
  run(options: UpkeepOptions): Promise<UpkeepResult>;
  /**
   * What is under way is given up: a step that is cut short is made again. It ends by itself:
   * ended from outside within a call of zlib, Node 20 aborts the process (`close before init`).
   */
  close(): Promise<void>;
}

/** @param giveUpMs after which a step that does not end is ended */
export function upkeepPool(giveUpMs = GIVE_UP_MS): UpkeepPool {
  const queue = new FixedQueue();
  const pool = new Piscina<UpkeepTask, UpkeepResult>({
    taskQueue: queue,
    filename: require.resolve('#workers/upkeep'),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_TIMEOUT_MS,
    // a task waits for files: a thread that slept on Atomics would not hear of them
    atomics: 'disabled',
    // ended while it instantiates a module for `require`, Node 20 aborts the process: `import` it;
    // not what the process was started with besides: a thread refuses V8's own options
    execArgv: ['--no-experimental-require-module'],
  });
  const isOver = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  let underWay: Promise<unknown> = Promise.resolve();
  let fail: (error: Error) => void = () => undefined;
  // of a thread that ends before it has taken its task
  pool.on('error', (error: Error) => fail(error));
  return {
    run: (options) => {
      const step = new Promise<UpkeepResult>((resolve, reject) => {
        fail = (error) => {
          // the task is still queued, and whoever asks next is to wait for his own
          queue.shift();
          reject(error);
        };
        try {
          pool.run({ options, isOver }).then(resolve, reject);
        } catch (error) {
          // there is no thread to be had
          fail(error as Error);
        }
      });
      underWay = step.catch(() => undefined);
      return step;
    },
    close: async () => {
      Atomics.store(isOver, 0, 1);
      await Promise.race([underWay, sleep(giveUpMs, undefined, { ref: false })]);
      await pool.destroy();
    },
  };
}
