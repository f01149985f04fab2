/**
 * Row 5: from the moment a sample is taken until it is durable. 32 sources at 1 kHz, flushed every
 * 10 ms; a sample taken right after a flush waits for nearly the whole interval, so the interval is
 * taken off the p99. What is left may be 10 ms more than what a bare thread needs that wakes each
 * interval and writes 4 KiB durably. The recorder's own histogram is read: at most 0.8 % too high,
 * from its start on; at 1 ms behind a warm-up, by when V8 has compiled what a thousand flushes a
 * second need.
 */
import { childProgram } from './files.ts';
import type { Arm, Context, Experiment } from './harness.ts';
import { runNode } from './process.ts';
import { record, verified } from './recorder.ts';

const FLUSH_MS = 10;
const ALLOWANCE_MS = 10;
/** The recorder's `recentDurableMicros` are of its last 10 to 20 s. */
const WARM_UP_SECONDS = 20;
const SOURCES = ['--source', 'synthetic', '--count', '32', '--rate', '1000'];

const secondsOf = ({ quick }: Context): number => (quick ? 1 : 8);

function recorder(flushMs: number, micros: 'durableMicros' | 'recentDurableMicros'): Arm {
  return {
    name: `recorder, flush ${flushMs} ms`,
    measure: async (context) => {
      const { dataDir, status } = await record({
        args: [...SOURCES, '--flush-ms', String(flushMs)],
        dir: context.dir,
        warmUpSeconds: micros === 'durableMicros' ? 1 : WARM_UP_SECONDS,
        seconds: secondsOf(context),
      });
      await verified(dataDir);
      const { p50, p99, max } = status.writes[micros];
      return { p50Ms: p50 / 1000, p99Ms: p99 / 1000, maxMs: max / 1000 };
    },
  };
}

const bare: Arm = {
  name: 'bare thread',
  measure: (context) => {
    const seconds = secondsOf(context);
    const args = [context.dir, String(FLUSH_MS), String(seconds)];
    const options = { timeoutMs: seconds * 1000 + 20_000 };
    return runNode(childProgram('child-durable-writer'), args, options);
  },
};

const PANEL = 'from a sample to the disk';
const ten = recorder(FLUSH_MS, 'durableMicros');
const one = recorder(1, 'recentDurableMicros');
const common = { unit: 'ms', better: 'lower', gate: null, stretch: null } as const;

export const durableLatency: Experiment = {
  name: 'durable latency',
  arms: [ten, bare, one],
  rows: [
    {
      id: '5-p99',
      name: `sample→durable p99 − ${FLUSH_MS} ms, to a bare thread's + ${ALLOWANCE_MS} ms`,
      ...{ ...common, gate: 1 },
      figure: { panel: 'p99 behind a flush', at: 'less the interval · plus the allowance' },
      subject: ten.name,
      value: (metrics) => metrics.p99Ms! - FLUSH_MS,
      reference: { arm: bare.name, value: (metrics) => ALLOWANCE_MS + metrics.p99! / 1000 },
    },
    {
      id: '5-p50',
      name: `sample→durable p50, flush ${FLUSH_MS} ms`,
      ...common,
      figure: { panel: PANEL, at: 'p50, flush 10 ms' },
      subject: ten.name,
      value: (metrics) => metrics.p50Ms!,
    },
    {
      id: '5-p99-absolute',
      name: `sample→durable p99, flush ${FLUSH_MS} ms`,
      ...common,
      figure: { panel: PANEL, at: 'p99, flush 10 ms' },
      subject: ten.name,
      value: (metrics) => metrics.p99Ms!,
    },
    {
      id: '5-max',
      name: `sample→durable max, flush ${FLUSH_MS} ms`,
      ...{ ...common, maximum: true },
      figure: { panel: PANEL, at: 'max, flush 10 ms' },
      subject: ten.name,
      value: (metrics) => metrics.maxMs!,
    },
    {
      id: '5-flush-1ms',
      name: 'sample→durable p99, flush 1 ms',
      ...{ ...common, stretch: 2, fullOnly: true },
      figure: { panel: PANEL, at: 'p99, flush 1 ms' },
      subject: one.name,
      value: (metrics) => metrics.p99Ms!,
    },
  ],
};
