/**
 * The writer worker: owns the log and the catalog. Flushes come on multiples of the interval, so
 * that a late one does not shift the next; in a backlog they follow each other, with the messages
 * heard in between. What other processes ask for is served between two flushes, at most one write
 * at a time, so that no flush waits longer for them than for that.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { ControlService } from '../engine/control/service.ts';
import { Collector } from '../engine/recorder/collector.ts';
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
  const collector = new Collector(options, systemEnvironment);
  const service = new ControlService(collector.writer, systemEnvironment.clock, {
    answer: (key, answer) => post({ type: 'answer', key, answer }),
    waiting: (message) => post({ type: 'waiting', message }),
  });
  let due = monotonicMs();
  const tick = (): void => {
    guarded(() => {
      const more = collector.flush();
      const now = monotonicMs();
      due += flushIntervalMs * Math.max(1, Math.ceil((now - due) / flushIntervalMs));
      timer = setTimeout(tick, more ? 0 : Math.max(0, due - now));
      serveSoon();
    });
  };
  let serving: NodeJS.Immediate | undefined;
  /** What has come by then shares a write; a flush that is due comes between two of them. */
  const serveSoon = (): void => {
    serving ??= setImmediate(() => {
      serving = undefined;
      guarded(() => {
        if (service.serve()) serveSoon();
      });
    });
  };
  const stop = (reason: string): void => {
    clearTimeout(timer);
    clearImmediate(serving);
    service.close();
    const clean = collector.close(reason);
    post({ type: 'stopped', clean, status: collector.status() });
    port.close();
  };
  const hear = (message: ToWriter): void => {
    switch (message.type) {
      case 'status':
        return post({ type: 'status', status: collector.status() });
      case 'stop':
        return stop(message.reason);
      case 'request':
        service.submit(message.connection, message.key, message.request, message.payload);
        return serveSoon();
      case 'gone':
        service.gone(message.connection);
        return serveSoon();
    }
  };
  port.on('message', (message: ToWriter) => guarded(() => hear(message)));
  post({ type: 'ready' });
  tick();
});
