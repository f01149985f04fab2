/**
 * Rows 1 and 2: how late a tick is taken, and how many are not taken at all, against cyclictest
 * (the kernel's best on this machine) and `setInterval` (JavaScript's).
 *
 * The recorder samples `lo` once a millisecond (at 10 kHz in the stretch rows) and stores it;
 * lateness is read back from the store, of every sample, cut to whole microseconds as cyclictest's
 * histogram cuts it. On both sides it is that of the newest tick that was due (`cyclictest.ts`).
 * Both run with the same SCHED_FIFO priority on the same processor, or, where the recorder was
 * refused that, both with SCHED_OTHER; neither holds `/dev/cpu_dma_latency`.
 */
import { cpus } from 'node:os';
import { tailsOf } from './curve.ts';
import { cyclictestMissing, runCyclictest } from './cyclictest.ts';
import { childProgram } from './files.ts';
import { metricsOf } from './harness.ts';
import type { Arm, Context, Experiment, Metrics, RowSpec } from './harness.ts';
import { runNode } from './process.ts';
import { latenessNanos, record, samplerCpu, verified } from './recorder.ts';
import { quantileOfSorted } from './stats.ts';

const MICROS_PER_SECOND = 1e6;
const STREAM = 'bench/lo';
/** What the recorder asks for at 1 kHz, and so what cyclictest gets. */
const PRIORITY = 50;
/** Points of a percent that a recorder may miss more than cyclictest. */
const MISSED_ALLOWANCE = 0.1;
export const MISSED_PANEL = 'ticks missed';

const secondsOf = ({ quick }: Context): number => (quick ? 1 : 10);

const recorderAt = (rateHz: number): Arm => ({
  name: `recorder at ${rateHz} Hz`,
  measure: async (context: Context): Promise<Metrics> => {
    const source = ['--source', 'network', '--interface', 'lo', '--stream', STREAM];
    const cpu = ['--cpu', String(samplerCpu(cpus().length))];
    const { dataDir, status } = await record({
      args: [...source, '--rate', String(rateHz), '--realtime', 'auto', ...cpu],
      dir: context.dir,
      warmUpSeconds: 1,
      seconds: secondsOf(context),
    });
    const { streams } = await verified(dataDir);
    const ticks = Number(streams[0]!.ticksScheduled);
    const sorted = await latenessNanos(dataDir, STREAM);
    const micros = (quantile: number): number =>
      Math.floor(quantileOfSorted(sorted, quantile) / 1000);
    return {
      p50: micros(0.5),
      p99: micros(0.99),
      p999: micros(0.999),
      max: micros(1),
      ...tailsOf(sorted.length, micros),
      missedPercent: (100 * (ticks - sorted.length)) / ticks,
      ...rungNumbers(status.scheduling.rung),
    };
  },
});

/** What the recorder was granted, for cyclictest to be run with the same. */
function rungNumbers(rung: string): Metrics {
  return { fifo: Number(rung.startsWith('fifo')), pinned: Number(rung === 'fifo+pinned') };
}

const cyclictestBeside = (recorder: Arm, rateHz: number): Arm => ({
  name: rateHz === 1000 ? 'cyclictest' : `cyclictest at ${rateHz} Hz`,
  missing: cyclictestMissing,
  measure: (context) => {
    const { fifo, pinned } = metricsOf(context.round, recorder.name);
    return runCyclictest({
      periodMicros: MICROS_PER_SECOND / rateHz,
      seconds: secondsOf(context),
      priority: fifo ? PRIORITY : undefined,
      cpu: pinned ? samplerCpu(cpus().length) : undefined,
    });
  },
});

const recorder = recorderAt(1000);
const cyclictest = cyclictestBeside(recorder, 1000);
const fast = recorderAt(10_000);
const fastCyclictest = cyclictestBeside(fast, 10_000);

const setIntervalArm: Arm = {
  name: 'setInterval',
  measure: (context) => {
    const seconds = secondsOf(context);
    const options = { timeoutMs: seconds * 1000 + 10_000 };
    return runNode(childProgram('child-set-interval'), [String(seconds)], options);
  },
};

function latenessRow(metric: string, name: string, gate: number, stretch: number): RowSpec {
  return {
    id: `1-${metric}`,
    name: `lateness at 1 kHz, ${name}`,
    ...{ unit: 'µs', better: 'lower', gate, stretch },
    figure: { panel: 'lateness at 1 kHz', at: name },
    curve: true,
    subject: recorder.name,
    value: (metrics) => metrics[metric]!,
    reference: { arm: cyclictest.name, value: (metrics) => metrics[metric]! },
  };
}

/** A stretch goal only: at 10 kHz a period is shorter than many a stall. */
function fastRow(metric: string, name: string, stretch: number): RowSpec {
  return {
    id: `1-10khz-${metric}`,
    name: `lateness at 10 kHz, ${name}`,
    ...{ unit: 'µs', better: 'lower', gate: null, stretch, fullOnly: true },
    figure: { panel: 'lateness at 10 kHz', at: name },
    curve: true,
    subject: fast.name,
    value: (metrics) => metrics[metric]!,
    reference: { arm: fastCyclictest.name, value: (metrics) => metrics[metric]! },
  };
}

export const schedule: Experiment = {
  name: 'schedule',
  arms: [recorder, cyclictest, setIntervalArm, fast, fastCyclictest],
  rows: [
    latenessRow('p50', 'p50', 1.5, 1.2),
    latenessRow('p99', 'p99', 2, 1.3),
    latenessRow('p999', 'p99.9', 4, 2),
    { ...latenessRow('max', 'max', 0, 0), gate: null, stretch: null, maximum: true },
    fastRow('p50', 'p50', 1.2),
    fastRow('p99', 'p99', 1.3),
    fastRow('p999', 'p99.9', 2),
    {
      id: '2-cyclictest',
      name: `ticks missed, to cyclictest's + ${MISSED_ALLOWANCE} point`,
      ...{ unit: '%', better: 'lower', gate: 1, stretch: 0 },
      figure: { panel: MISSED_PANEL, at: 'to cyclictest' },
      subject: recorder.name,
      value: (metrics) => metrics.missedPercent!,
      reference: {
        arm: cyclictest.name,
        value: (metrics) => metrics.missedPercent! + MISSED_ALLOWANCE,
      },
    },
    {
      id: '2-setInterval',
      name: "ticks missed, to setInterval's",
      ...{ unit: '%', better: 'lower', gate: 1 / 50, stretch: null, fullOnly: true },
      figure: { panel: MISSED_PANEL, at: 'to setInterval' },
      subject: recorder.name,
      value: (metrics) => metrics.missedPercent!,
      reference: { arm: setIntervalArm.name, value: (metrics) => metrics.missedPercent! },
    },
  ],
};
