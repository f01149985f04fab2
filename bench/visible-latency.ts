/**
 * Row 6: from the moment a sample is durable until a tail reader in another process has it,
 * decoded: the p99 from sample to reader less the p99 from sample to disk, of the same run. What is
 * left may be 2 ms more than a bare wake-up through a futex from one process to another costs.
 */
import { join } from 'node:path';
import { childProgram } from './files.ts';
import type { Arm, Experiment, Metrics } from './harness.ts';
import { runNode } from './process.ts';
import { record, verified } from './recorder.ts';

const FLUSH_MS = 10;
/** V8 compiles, and beside the small first segment the zeros of a large one are written. */
const WARM_UP_SECONDS = 20;
/** As long as what the recorder calls recent may be. */
const SECONDS = 20;
const LIMIT = { timeoutMs: (WARM_UP_SECONDS + SECONDS) * 1000 + 40_000 };
const RATE_HZ = 1000;
const ALLOWANCE_MS = 2;
const SOURCES = ['--source', 'synthetic', '--count', '32', '--rate', String(RATE_HZ)];
const STREAM = 'bench/rig';
const PANEL = 'from the disk to a reader';

/** µs, as both children print them */
interface Micros extends Metrics {
  p50: number;
  p99: number;
  max: number;
}

const reader: Arm = {
  name: 'tail reader',
  measure: async (context) => {
    const args = [...SOURCES, '--stream', STREAM, '--flush-ms', String(FLUSH_MS)];
    const words = [
      join(context.dir, 'store'),
      `${STREAM}-0`,
      String(RATE_HZ),
      String(WARM_UP_SECONDS),
    ];
    const [recording, visible] = await Promise.all([
      record({ args, dir: context.dir, warmUpSeconds: WARM_UP_SECONDS, seconds: SECONDS }),
      runNode<Micros>(childProgram('child-tail-reader'), words, LIMIT),
    ]);
    await verified(recording.dataDir);
    const { p50, p99 } = recording.status.writes.recentDurableMicros;
    return {
      p50Ms: (visible.p50 - p50) / 1000,
      p99Ms: (visible.p99 - p99) / 1000,
      maxMs: visible.max / 1000,
    };
  },
};

const futex: Arm = {
  name: 'bare futex wake',
  measure: async (context) => {
    const run = (role: string): Promise<Micros> => {
      const words = [role, join(context.dir, 'mark'), String(FLUSH_MS), String(SECONDS)];
      return runNode(childProgram('child-futex-wake'), words, LIMIT);
    };
    const [waked] = await Promise.all([run('wait'), run('wake')]);
    return waked;
  },
};

const common = { unit: 'ms', better: 'lower', gate: null, fullOnly: true } as const;

export const visibleLatency: Experiment = {
  name: 'visible latency',
  arms: [reader, futex],
  rows: [
    {
      id: '6-p99',
      name: `durable→visible to another process, to a bare futex wake + ${ALLOWANCE_MS} ms`,
      ...{ ...common, gate: 1, stretch: null },
      figure: { panel: PANEL, at: 'p99 · plus the allowance' },
      subject: reader.name,
      value: (metrics) => metrics.p99Ms!,
      reference: { arm: futex.name, value: (metrics) => ALLOWANCE_MS + metrics.p99! / 1000 },
    },
    {
      id: '6-visible',
      name: 'durable→visible to another process, p99',
      ...{ ...common, stretch: 0.5 },
      figure: { panel: PANEL, at: 'p99' },
      subject: reader.name,
      value: (metrics) => metrics.p99Ms!,
    },
  ],
};
