/**
 * The sampler worker: runs the drivers that are written in TypeScript. Its thread sleeps on the
 * stop word between ticks, so it hears no messages; main ends it by that word. A device that main
 * has opened and that is away by now is no error: it is waited for, in gap(device).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { systemClock } from '../engine/base/clock.ts';
import { awaitedDriver } from '../engine/sampler/awaited-driver.ts';
import { openDriver } from '../engine/sampler/driver-files.ts';
import { StopWord } from '../engine/ring/wait.ts';
import { runTypescriptSamplers } from '../engine/sampler/sampler.ts';
import type { FromSampler, SamplerData } from '../engine/threads/protocol.ts';
import { plainError } from '../engine/threads/spawn.ts';

const port = defined(parentPort, 'the parent port');
const post = (message: FromSampler): void => port.postMessage(message);

try {
  const { stop, t0Nanos, groups } = workerData as SamplerData;
  // ready before they are opened: a device may keep whoever opens it waiting
  post({ type: 'ready' });
  const opened = groups.map((group) => ({
    ...group,
    sources: group.sources.map(({ driver, options, ...source }) => ({
      ...source,
      driver: awaitedDriver(() => openDriver(driver, options, source.name)),
    })),
  }));
  runTypescriptSamplers(opened, t0Nanos, systemClock, new StopWord(stop));
  post({ type: 'stopped' });
} catch (error) {
  post({ type: 'failed', error: plainError(error) });
}
