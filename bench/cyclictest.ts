/**
 * cyclictest of rt-tests as a reference: one thread at the same period, priority, processor and
 * quality of service as the recorder's sampler.
 *
 * Left alone, cyclictest keeps `/dev/cpu_dma_latency` open with 0 µs, which keeps the processor
 * from sleeping deeply; the recorder does so only when asked (`cpuDmaLatency`). `--latency` writes
 * the kernel's own default there instead, so both are measured under the same setting. Source of
 * the values: PM_QOS_CPU_LATENCY_DEFAULT_VALUE in include/linux/pm_qos.h.
 *
 * Its histogram has buckets of 1 µs, cut downwards. A latency of n whole periods is n ticks missed:
 * it goes on with the next tick that is still to come, exactly as the sampler does. The sampler
 * takes the newest tick that is due and notes how late that one is, always less than a period;
 * cyclictest notes how late the oldest is. So whole periods are taken off its latencies, too: they
 * are the ticks missed, and what is left is how late the newest tick was met.
 */
import { HelicorderError } from '../engine/base/errors.ts';
import { tailsOf } from './curve.ts';
import { findProgram } from './files.ts';
import type { Metrics } from './harness.ts';
import { runProgram } from './process.ts';
import { processCpuSeconds } from './machine.ts';
import { quantileOfCounts } from './stats.ts';

const PM_QOS_DEFAULT_MICROS = 2_000_000_000;
/** Latencies up to here are counted one by one; a virtual machine stalls for less than this. */
const HISTOGRAM_MICROS = 100_000;
/** How long starting, and printing the histogram, may take beyond the measurement. */
const GRACE_MS = 20_000;

export function cyclictestMissing(): string | undefined {
  if (findProgram('cyclictest') !== undefined) return undefined;
  return 'cyclictest is not installed (Debian: apt-get install rt-tests)';
}

export interface CyclictestOptions {
  periodMicros: number;
  seconds: number;
  /** SCHED_FIFO priority; undefined: SCHED_OTHER */
  priority: number | undefined;
  /** processor to pin to; undefined: none */
  cpu: number | undefined;
}

/** @returns p50, p99, p999, max, tails: µs; missedPercent, ticks, cpuPercent (of one processor) */
export async function runCyclictest(options: CyclictestOptions): Promise<Metrics> {
  const { periodMicros, seconds, priority, cpu } = options;
  const args = [
    '--quiet',
    '--mlockall',
    '--threads=1',
    `--interval=${periodMicros}`,
    `--loops=${Math.round((seconds * 1e6) / periodMicros)}`,
    `--histogram=${HISTOGRAM_MICROS}`,
    `--latency=${PM_QOS_DEFAULT_MICROS}`,
    ...(priority === undefined ? ['--policy=other'] : [`--priority=${priority}`]),
    ...(cpu === undefined ? [] : [`--affinity=${cpu}`]),
  ];
  let cpuSeconds = 0;
  const { stdout } = await runProgram('cyclictest', args, {
    timeoutMs: seconds * 1000 + GRACE_MS,
    during: async (child) => {
      while (child.exitCode === null && child.signalCode === null) {
        cpuSeconds = processCpuSeconds(child.pid!) ?? cpuSeconds;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  });
  return { ...parseHistogram(stdout, periodMicros), cpuPercent: (100 * cpuSeconds) / seconds };
}

/** Reads what `--histogram` prints: `000042 000123` per bucket, and `# Name: number` lines. */
export function parseHistogram(text: string, periodMicros: number): Metrics {
  /** by how late the newest tick that was due had become */
  const counts = new Float64Array(periodMicros);
  const beyond = labelled(text, 'Histogram Overflows');
  let [ticks, missed] = [beyond, beyond * Math.floor(HISTOGRAM_MICROS / periodMicros)];
  let max = beyond === 0 ? 0 : labelled(text, 'Max Latencies') % periodMicros;
  for (const [, bucket, number] of text.matchAll(/^(\d+)\s+(\d+)\s*$/gm)) {
    const [micros, count] = [Number(bucket) % periodMicros, Number(number)];
    counts[micros]! += count;
    ticks += count;
    missed += count * Math.floor(Number(bucket) / periodMicros);
    if (count > 0) max = Math.max(max, micros);
  }
  const quantile = (of: number): number => quantileOfCounts(counts, beyond, of);
  return {
    ...{ p50: quantile(0.5), p99: quantile(0.99), p999: quantile(0.999), max },
    ...tailsOf(ticks, quantile),
    ticks,
    missedPercent: (100 * missed) / (ticks + missed),
  };
}

function labelled(text: string, label: string): number {
  const found = new RegExp(`^# ${label}:\\s*(\\d+)`, 'm').exec(text);
  if (found) return Number(found[1]);
  throw new HelicorderError('UNSUPPORTED', `cyclictest printed no line "# ${label}"`);
}
