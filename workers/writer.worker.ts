/**
 * The writer worker: owns the log and the catalog. Flushes come on multiples of the interval, so
 * that a late one does not shift the next; in a backlog they follow each other, with the messages
 * heard in between.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { WriterAgent } from '../engine/recorder/writer-agent.ts';
import { systemEnvironment } from '../engine/store/store.ts';
import type { FromWriter, ToWriter, WriterData } from './protocol.ts';
import { plainError } from './spawn.ts';

const port = defined(parentPort, 'the parent port');
const { options, flushIntervalMs } = workerData as WriterData;
const post = (message: FromWriter): void => port.postMessage(message);
let timer: NodeJS.Timeout | undefined;

function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    clearTimeout(timer);
    post({ type: 'failed', error: plainError(error) });
    port.close();
  }
}

guarded(() => {
  const agent = new WriterAgent(options, systemEnvironment);
  let due = monotonicMs();
  const tick = (): void => {
    guarded(() => {
      const more = agent.flush();
      const now = monotonicMs();
      due += flushIntervalMs * Math.max(1, Math.ceil((now - due) / flushIntervalMs));
      timer = setTimeout(tick, more ? 0 : Math.max(0, due - now));
    });
  };
  port.on('message', (message: ToWriter) => {
    guarded(() => {
      if (message.type === 'status') return post({ type: 'status', status: agent.status() });
      clearTimeout(timer);
      const clean = agent.close(message.reason);
      post({ type: 'stopped', clean, status: agent.status() });
      port.close();
    });
  });
  post({ type: 'ready' });
  tick();
});
