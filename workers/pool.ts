/** The pool for whole tasks off the recording threads; it has no thread while nothing is to do. */
import { createRequire } from 'node:module';
import { Piscina } from 'piscina';
import type { UpkeepOptions, UpkeepResult } from '../engine/store/upkeep.ts';

const require = createRequire(import.meta.url);

const IDLE_TIMEOUT_MS = 1000;

export interface UpkeepPool {
  /** One step at a time. Rejects with what the step threw, its class lost on the way. */
  run(options: UpkeepOptions): Promise<UpkeepResult>;
  /** What is under way is given up: a step that is cut short is made again. */
  close(): Promise<void>;
}

export function upkeepPool(): UpkeepPool {
  const pool = new Piscina<UpkeepOptions, UpkeepResult>({
    filename: require.resolve('#workers/upkeep'),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_TIMEOUT_MS,
    // a task waits for files: a thread that slept on Atomics would not hear of them
    atomics: 'disabled',
    // ended while it instantiates a module for `require`, Node 20 aborts the process: `import` it
    execArgv: [...process.execArgv, '--no-experimental-require-module'],
  });
  return { run: (options) => pool.run(options), close: () => pool.destroy() };
}
