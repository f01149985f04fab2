/**
 * Row 10: what 32 sources at 1 kHz cost with the default flush interval of 100 ms: CPU of the whole
 * process against cyclictest's, which only wakes up; resident memory, and whether it stays flat.
 * CPU and memory are the kernel's figures (/proc), after a warm-up: a recorder runs for months, and
 * V8 compiles for the first half minute.
 */
import { cpus } from 'node:os';
import { cyclictestMissing, runCyclictest } from './cyclictest.ts';
import type { Arm, Context, Experiment } from './harness.ts';
import { record, samplerCpu, verified } from './recorder.ts';

const secondsOf = ({ quick }: Context): number => (quick ? 3 : 15);
const MEMORY_PANEL = 'memory of 32 × 1 kHz';
const cpu = samplerCpu(cpus().length);

const recorder: Arm = {
  name: 'recorder',
  measure: async (context) => {
    const { quick } = context;
    const sources = ['--source', 'synthetic', '--count', '32', '--rate', '1000'];
    const { dataDir, cpuPercent, rssMib, rssGrowthMib } = await record({
      args: [...sources, '--flush-ms', '100', '--cpu', String(cpu)],
      dir: context.dir,
      warmUpSeconds: quick ? 2 : 30,
      seconds: secondsOf(context),
    });
    await verified(dataDir);
    return { cpuPercent, rssMib, rssGrowthMib };
  },
};

const cyclictest: Arm = {
  name: 'cyclictest',
  missing: cyclictestMissing,
  measure: (context) =>
    runCyclictest({ periodMicros: 1000, seconds: secondsOf(context), priority: 50, cpu }),
};

const full = { steady: true, fullOnly: true } as const;

export const footprint: Experiment = {
  name: 'footprint',
  arms: [recorder, cyclictest],
  // long enough to be warm, five times, they would take half of what --quick may
  rows: [
    {
      id: '10-cpu',
      name: "CPU of 32 × 1 kHz, flush 100 ms, to cyclictest's",
      ...{ unit: '%', better: 'lower', gate: 4, stretch: 2.5, fullOnly: true },
      figure: { panel: 'CPU of 32 × 1 kHz, flush 100 ms', at: 'of a core' },
      subject: recorder.name,
      value: (metrics) => metrics.cpuPercent!,
      reference: { arm: cyclictest.name, value: (metrics) => metrics.cpuPercent! },
    },
    {
      id: '10-rss',
      name: 'resident memory of 32 × 1 kHz',
      ...{ unit: 'MiB', better: 'lower', gate: 120, stretch: 80, ...full },
      figure: { panel: MEMORY_PANEL, at: 'resident' },
      subject: recorder.name,
      value: (metrics) => metrics.rssMib!,
    },
    {
      id: '10-rss-growth',
      name: 'its growth in the second half of the run',
      ...{ unit: 'MiB', better: 'lower', gate: null, stretch: null, fullOnly: true },
      figure: { panel: MEMORY_PANEL, at: 'growth in the second half' },
      subject: recorder.name,
      value: (metrics) => metrics.rssGrowthMib!,
    },
  ],
};
