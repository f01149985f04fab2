/**
 * The engine's path from the ring to the disk as fast as it goes: the native sampler without
 * pacing on one core (a full ring is waited for), the collector, as the writer worker runs it, on
 * the other.
 *   node child-saturation.js DIR SOURCES SECONDS
 * One rate group of SOURCES synthetic sources of 3 × int16; with the time that is 4 columns. The
 * time is stored once per group, so with more sources a sample costs less: both are measured.
 * Prints {samplesPerSecond, cpuNanosPerSample, writerCpuNanosPerSample, bytesPerSample,
 * samplerWaitedPercent, writerWaitedPercent}, after the store has been opened again and holds
 * exactly what was sampled. The writer's CPU is that of its thread alone. Both threads sleep while
 * they wait, and for nothing else: the sampler for room in the ring, the writer for the disk (of
 * rows it takes as few as there are).
 */
import { HelicorderError } from '../engine/base/errors.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { sleptPercent, threadNamed, threadTimes, type ThreadTimes } from './machine.ts';
import { printJson } from './process.ts';
import {
  NANOS_PER_SECOND,
  SAMPLES_PER_EVENT_DEFAULT,
  SEGMENT_DEFAULT_BYTES,
} from '../engine/base/constants.ts';
import { syntheticDriver } from '../engine/drivers/synthetic.ts';
import { Collector } from '../engine/collector/collector.ts';
import { createRing } from '../engine/ring/layout.ts';
import { makeRateGroups, type RateGroup } from '../engine/sampler/rate-group.ts';
import { startNativeSampler } from '../engine/sampler/sampler.ts';
import { readStatus } from '../engine/sampler/status.ts';
import { Store, systemEnvironment } from '../engine/store/store.ts';

const RATE_HZ = 1000;
/** Holds several batches, so that neither side waits for the other, and fits the cache. */
const RING_BYTES = 2 ** 22;
const WARM_UP_MS = 500;
/** As `native/src/sampler.cc` names it. */
const SAMPLER_THREAD = 'heli-sampler';

const [dir = '.', sourcesText = '1', secondsText = '2'] = process.argv.slice(2);
const sources = Number(sourcesText);

function makeGroup(): RateGroup {
  const sampled = Array.from({ length: sources }, (_, seed) => ({
    name: `synthetic-${seed}`,
    rateHz: RATE_HZ,
    timestampResolutionNanos: 1n,
    driver: syntheticDriver.open(
      { channels: 3, seed },
      { files: { list: () => [], readText: () => '', openText: noText }, sourceName: 'bench' },
    ),
  }));
  const group = makeRateGroups(sampled, 0)[0]!;
  return { ...group, ring: createRing(RING_BYTES) };
}

function noText(): never {
  throw new HelicorderError('ASSERTION', 'a synthetic source opens no file');
}

function openCollector(group: RateGroup): Collector {
  const { ring, layout, periodNanos, resolutionNanos } = group;
  const described = group.sources.map(({ name, driver }, i) => ({
    name,
    stream: `bench/${name}`,
    schema: { kind: 'samples' as const, channels: driver.channels },
    samplesPerEvent: SAMPLES_PER_EVENT_DEFAULT,
    writer: name,
    attributes: driver.attributes,
    channels: layout.sources[i]!.channels,
  }));
  const { rowBytes, validityOffset } = layout;
  const schedule = { t0Nanos: 0n, periodNanos, resolutionNanos };
  const spec = { ring, rowBytes, validityOffset, ...schedule, sources: described };
  const options = { dataDir: dir, segmentBytes: SEGMENT_DEFAULT_BYTES, groups: [spec] };
  return new Collector(options, systemEnvironment);
}

function flushFor(collector: Collector, ms: number): void {
  const endMs = monotonicMs() + ms;
  while (monotonicMs() < endMs) collector.flush();
}

/** @throws HelicorderError unless a new reader finds as many samples as the sampler has taken */
function checkStore(taken: number): void {
  const store = Store.open(dir);
  let stored = 0;
  for (const name of store.streamNames()) stored += store.stream(name).totals.samples;
  store.close();
  if (stored === taken) return;
  throw new HelicorderError('ASSERTION', `${taken} samples were taken, the store holds ${stored}`);
}

const group = makeGroup();
const collector = openCollector(group);
const sampler = startNativeSampler(group, 0n, { realtime: 'off', cpu: -1, saturate: true });
flushFor(collector, WARM_UP_MS);
const samplerThread = threadNamed(SAMPLER_THREAD);
const threads = (): { writer: ThreadTimes; sampler: ThreadTimes } => {
  return { writer: threadTimes(process.pid), sampler: threadTimes(samplerThread) };
};
const threadsFrom = threads();
const [from, cpuFrom, fromMs] = [collector.status(), process.cpuUsage(), monotonicMs()];
flushFor(collector, Number(secondsText) * 1000);
const [to, cpu, seconds] = [
  collector.status(),
  process.cpuUsage(cpuFrom),
  (monotonicMs() - fromMs) / 1000,
];
const threadsTo = threads();
sampler.stop();
if (!collector.close()) throw new HelicorderError('NO_SPACE', `the disk of ${dir} is full`);
checkStore(Number(readStatus([group.status]).rows) * sources);

const samples = to.samples - from.samples;
const nanos = seconds * NANOS_PER_SECOND;
printJson({
  samplesPerSecond: samples / seconds,
  writerCpuNanosPerSample: (threadsTo.writer.cpuNanos - threadsFrom.writer.cpuNanos) / samples,
  cpuNanosPerSample: (1000 * (cpu.user + cpu.system)) / samples,
  samplerWaitedPercent: sleptPercent(threadsFrom.sampler, threadsTo.sampler, nanos),
  writerWaitedPercent: sleptPercent(threadsFrom.writer, threadsTo.writer, nanos),
  bytesPerSample: (to.bytes - from.bytes) / samples,
});
