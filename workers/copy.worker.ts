/** The copier worker: one for each store that streams are copied to. */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { Copies } from '../engine/connect/copies.ts';
import type { CopyData, FromCopy } from '../engine/threads/protocol.ts';
import { plainError } from '../engine/threads/spawn.ts';

const port = defined(parentPort, 'the parent port');
const post = (message: FromCopy): void => port.postMessage(message);

const copies = new Copies({
  ...(workerData as CopyData),
  onProblem: (stream, problem) => post({ type: 'problem', stream, problem }),
});
port.on('message', () => copies.stop());
post({ type: 'ready' });
void copies
  .run()
  .then(
    () => post({ type: 'stopped' }),
    (error: unknown) => post({ type: 'failed', error: plainError(error) }),
  )
  .finally(() => port.close());
