/**
 * The engine's path from the ring to the disk as fast as it goes: the native sampler without
 * pacing on one core (a full ring is waited for), the collector, as the writer worker runs it, on
 * the other.
 *   node child-saturation.js DIR SOURCES SECONDS
 * One rate group of SOURCES synthetic sources of 3 × int16; with the time that is 4 columns. The
 * time is stored once per group, so with more sources a sample costs less: both are measured.
 * Prints {samplesPerSecond, cpuNanosPerSample, writerCpuNanosPerSample, bytesPerSample}, after the
 * store has been opened again and holds exactly what was sampled. The process's CPU includes the
 * sampler's waiting for room in the ring, which spins; the writer's is that of its thread alone.
 */
import { HelicorderError } from '../engine/base/errors.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { threadCpuNanos } from './machine.ts';
import { printJson } from './process.ts';
import { SEGMENT_DEFAULT_BYTES, SAMPLES_PER_EVENT_DEFAULT } from '../engine/base/constants.ts';
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
const writerCpuFrom = threadCpuNanos(process.pid);
const [from, cpuFrom, fromMs] = [collector.status(), process.cpuUsage(), monotonicMs()];
flushFor(collector, Number(secondsText) * 1000);
const [to, cpu, seconds] = [
  collector.status(),
  process.cpuUsage(cpuFrom),
  (monotonicMs() - fromMs) / 1000,
];
const writerCpu = threadCpuNanos(process.pid) - writerCpuFrom;
sampler.stop();
if (!collector.close()) throw new HelicorderError('NO_SPACE', `the disk of ${dir} is full`);
checkStore(Number(readStatus([group.status]).rows) * sources);

const samples = to.samples - from.samples;
printJson({
  samplesPerSecond: samples / seconds,
  writerCpuNanosPerSample: writerCpu / samples,
  cpuNanosPerSample: (1000 * (cpu.user + cpu.system)) / samples,
  bytesPerSample: (to.bytes - from.bytes) / samples,
});
