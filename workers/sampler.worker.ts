/**
 * The sampler worker: runs the drivers that are written in TypeScript. Its thread sleeps on the
 * stop word between ticks, so it hears no messages; main ends it by that word.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defined } from '../engine/base/assert.ts';
import { systemClock } from '../engine/base/clock.ts';
import { openDriver } from '../engine/recorder/plan.ts';
import { StopWord } from '../engine/ring/wait.ts';
import { runTypescriptSamplers } from '../engine/sampler/sampler.ts';
import type { FromSampler, SamplerData } from './protocol.ts';
import { plainError } from './spawn.ts';

const port = defined(parentPort, 'the parent port');
const post = (message: FromSampler): void => port.postMessage(message);

try {
  const { stop, t0Nanos, groups } = workerData as SamplerData;
  const opened = groups.map((group) => ({
    ...group,
    sources: group.sources.map(({ driver, options, ...source }) => ({
      ...source,
      driver: openDriver(driver, options, source.name),
    })),
  }));
  post({ type: 'ready' });
  runTypescriptSamplers(opened, t0Nanos, systemClock, new StopWord(stop));
  post({ type: 'stopped' });
} catch (error) {
  post({ type: 'failed', error: plainError(error) });
}
