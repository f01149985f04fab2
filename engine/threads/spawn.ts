/** The home of `new Worker`. Workers run compiled code, from source (tests) as from dist. */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { HelicorderError, codeOf, messageOf } from '../base/errors.ts';
import type { FromCopy, FromSampler, FromWriter, PlainError } from './protocol.ts';

/** Only its end is that of the process: a program may record in a worker of its own. */
export { isMainThread } from 'node:worker_threads';

const require = createRequire(import.meta.url);

/** Workers make little garbage, all of it short-lived: a small nursery keeps their memory flat. */
const YOUNG_GENERATION_MB = 4;

/**
 * Starts a worker and resolves once it is READY.
 * @param onExit called once when the thread ends for any reason but an orderly stop
 * @throws the worker's own error if it fails before it is ready
 */
export async function spawnWorker<In extends FromWriter | FromSampler | FromCopy>(
  name: 'writer' | 'sampler' | 'copy',
  workerData: object,
  onMessage: (message: In) => void,
  onExit: (error: HelicorderError) => void,
): Promise<Worker> {
  const worker = new Worker(require.resolve(`#workers/${name}`), {
    workerData,
    name,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  return new Promise((resolve, reject) => {
    let ready = false;
    let stopped = false;
    const die = (error: HelicorderError): void => {
      if (stopped) return;
      stopped = true;
      if (ready) onExit(error);
      else reject(error);
    };
    worker.on('message', (message: In) => {
      if (message.type === 'failed') return die(revive(message.error));
      if (message.type === 'stopped') stopped = true;
      if (message.type === 'ready') {
        ready = true;
        return resolve(worker);
      }
      onMessage(message);
    });
    worker.on('error', (cause) => {
      const what = cause instanceof Error ? cause.message : String(cause);
      die(new HelicorderError('WORKER_DIED', `the ${name} worker died: ${what}`, { cause }));
    });
    worker.on('exit', (code) => {
      die(new HelicorderError('WORKER_DIED', `the ${name} worker ended with exit code ${code}`));
    });
  });
}

export function plainError(error: unknown): PlainError {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return { code: codeOf(error), message: messageOf(error), stack };
}

/** The error as it was thrown in the worker. */
export function revive({ code, message, stack }: PlainError): HelicorderError {
  const error = new HelicorderError(code, message);
  if (stack !== '') error.stack = stack;
  return error;
}
