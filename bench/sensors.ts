/**
 * Row 11: what 1024 sources at 1 kHz cost beside 32 of them, flush 10 ms: CPU of the whole process,
 * and p99 from sample to disk, both behind the start: 1024 streams are made in the first second,
 * and a young store has small segments. Waking up costs the same for both; what a sample adds is
 * the slope. To verify a store of 1024 streams takes minutes: the first of each number is.
 */
import { NANOS_PER_SECOND } from '../engine/base/constants.ts';
import { metricsOf, type Arm, type Context, type Experiment } from './harness.ts';
import { record, verified } from './recorder.ts';

const RATE_HZ = 1000;
const FLUSH_MS = 10;
const [FEW, MANY] = [32, 1024];
const AMOUNTS = { from: `${FEW} × 1 kHz`, at: `${MANY} × 1 kHz` };

const WARM_UP_SECONDS = 12;

const secondsOf = ({ quick }: Context): number => (quick ? 2 : 10);

/** Numbers of sources whose store was verified. */
const checked = new Set<number>();

/** The recorder with so many sources: CPU, memory, and p99 from sample to disk. */
export function withSources(count: number): Arm {
  return {
    name: `${count} sources`,
    measure: async (context) => {
      const sources = ['--source', 'synthetic', '--count', String(count)];
      const { dataDir, status, cpuPercent, rssMib } = await record({
        args: [...sources, '--rate', String(RATE_HZ), '--flush-ms', String(FLUSH_MS)],
        dir: context.dir,
        warmUpSeconds: WARM_UP_SECONDS,
        seconds: secondsOf(context),
      });
      if (!checked.has(count)) await verified(dataDir);
      checked.add(count);
      // of the last 10 to 20 s
      return { cpuPercent, rssMib, p99Ms: status.writes.recentDurableMicros.p99 / 1000 };
    },
  };
}

const few = withSources(FEW);
const many: Arm = {
  ...withSources(MANY),
  measure: async (context) => {
    const metrics = await withSources(MANY).measure(context);
    const { cpuPercent } = metricsOf(context.round, few.name);
    const cpuNanosPerSecond = ((metrics.cpuPercent! - cpuPercent!) / 100) * NANOS_PER_SECOND;
    return { ...metrics, marginalNanos: cpuNanosPerSecond / ((MANY - FEW) * RATE_HZ) };
  },
};

const common = { better: 'lower', fullOnly: true, subject: many.name } as const;

export const sensors: Experiment = {
  name: 'sensors',
  arms: [few, many],
  rows: [
    {
      ...common,
      id: '11-cpu',
      name: `CPU of ${MANY} × 1 kHz, to ${FEW}`,
      ...{ unit: '%', gate: 2, stretch: null },
      figure: { panel: 'growth with sensors: CPU', ...AMOUNTS },
      value: (metrics) => metrics.cpuPercent!,
      reference: { arm: few.name, value: (metrics) => metrics.cpuPercent! },
    },
    {
      ...common,
      id: '11-p99',
      name: `sample→durable p99 of ${MANY} × 1 kHz, to ${FEW}`,
      ...{ unit: 'ms', gate: 1.5, stretch: null },
      figure: { panel: 'growth with sensors: sample→durable p99', ...AMOUNTS },
      value: (metrics) => metrics.p99Ms!,
      reference: { arm: few.name, value: (metrics) => metrics.p99Ms! },
    },
    {
      ...common,
      id: '11-marginal',
      name: 'CPU of one more sample',
      ...{ unit: 'ns', gate: null, stretch: 50 },
      figure: { panel: 'CPU of one more sample', at: `beyond ${FEW} × 1 kHz` },
      value: (metrics) => metrics.marginalNanos!,
    },
  ],
};
