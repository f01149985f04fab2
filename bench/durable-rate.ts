/**
 * Rows 3 and 9: durable samples a second, and CPU per sample, when the sampler does not wait for
 * the clock; against three ways to keep samples in SQLite (`child-sqlite.ts`).
 *
 * The gates are about one source per rate group, where each sample pays for its own time column:
 * the dearest case. With 32 sources per group the time is stored once for all of them.
 * The reference collector has 100–200 samples in an event, so the gate is about 200; events of
 * 1000, and what its queue would be with a WAL, are shown beside it.
 * Every run ends with a reader of its own that finds exactly as many samples as were taken.
 */
import { childProgram } from './files.ts';
import type { Arm, Context, Experiment, Metrics, RowSpec } from './harness.ts';
import { runNode } from './process.ts';

const RATE_PANEL = 'durable samples per second';
const CPU_PANEL = 'CPU per sample';
const WRITERS_CPU = "the writer thread's alone, 1 source";
const PANELS: Readonly<Record<string, string>> = {
  '/s': RATE_PANEL,
  ns: CPU_PANEL,
  '%': 'waiting for the other side, of the time',
};

/** Opening, closing and reading back, on a busy machine. */
const GRACE_MS = 60_000;

function engine(name: string, sources: number): Arm {
  return {
    name,
    measure: (context) => runFor(context, 'child-saturation', [context.dir, String(sources)]),
  };
}

function sqlite(name: string, mode: string, samples: number): Arm {
  const args = [mode, String(samples)];
  return { name, measure: (context) => runFor(context, 'child-sqlite', [...args, context.dir]) };
}

function runFor({ quick }: Context, program: string, args: readonly string[]): Promise<Metrics> {
  const seconds = quick ? 1 : 3;
  const options = { timeoutMs: seconds * 1000 + GRACE_MS };
  return runNode<Metrics>(childProgram(program), [...args, String(seconds)], options);
}

const one = engine('1 source', 1);
const many = engine('32 sources', 32);
const rows = sqlite('SQLite, a row and a commit per sample', 'rows', 1);
const batches = sqlite('SQLite, 1000 rows per commit', 'batches', 1000);
const events = sqlite('SQLite, JSON events of 200 samples', 'queue', 200);
const largeEvents = sqlite('SQLite, JSON events of 1000 samples', 'queue', 1000);
const walEvents = sqlite('SQLite with a WAL, JSON events of 200 samples', 'queue-wal', 200);

function rateRow(id: string, arm: Arm, reference: Arm, gate: number, stretch: number): RowSpec {
  return {
    id: `3-${id}`,
    name: `durable samples/s, to ${reference.name}`,
    ...{ unit: '/s', better: 'higher', gate, stretch },
    figure: { panel: RATE_PANEL, at: reference.name.replace('SQLite, ', '') },
    subject: arm.name,
    value: (metrics) => metrics.samplesPerSecond!,
    reference: { arm: reference.name, value: (metrics) => metrics.samplesPerSecond! },
  };
}

/** Without a gate. */
function shownRow(id: string, reference: Arm): RowSpec {
  const row = rateRow(id, one, reference, 0, 0);
  return { ...row, gate: null, stretch: null, fullOnly: true };
}

function cpuRow(id: string, reference: Arm, gate: number): RowSpec {
  return {
    id: `9-${id}`,
    name: `CPU per sample, to ${reference.name}`,
    ...{ unit: 'ns', better: 'lower', gate, stretch: null },
    figure: { panel: CPU_PANEL, at: reference.name.replace('SQLite, ', '') },
    subject: one.name,
    value: (metrics) => metrics.cpuNanosPerSample!,
    reference: { arm: reference.name, value: (metrics) => metrics.cpuNanosPerSample! },
  };
}

/** Without a reference. */
function plainRow(id: string, name: string, arm: Arm, metric: string, unit: string): RowSpec {
  const better = unit === '/s' ? 'higher' : 'lower';
  const bounds = { gate: null, stretch: null };
  return {
    ...{ id, name, unit, better, ...bounds },
    figure: { panel: PANELS[unit]!, at: name.replace(/^.*, (?=\d)/, '') },
    subject: arm.name,
    value: (metrics) => metrics[metric]!,
  };
}

export const durableRate: Experiment = {
  name: 'durable rate',
  arms: [one, rows, batches, events, largeEvents, walEvents, many],
  rows: [
    {
      ...plainRow('3-absolute', 'durable samples/s, 1 source', one, 'samplesPerSecond', '/s'),
      ...{ gate: 10e6, stretch: 30e6 },
    },
    {
      ...plainRow('3-absolute-32', 'durable samples/s, 32 sources', many, 'samplesPerSecond', '/s'),
      fullOnly: true,
    },
    { ...rateRow('rows', one, rows, 2000, 5000), fullOnly: true },
    rateRow('batches', one, batches, 15, 40),
    rateRow('events', one, events, 60, 200),
    shownRow('events-1000', largeEvents),
    shownRow('events-wal', walEvents),
    plainRow(
      '3-sampler-waited',
      'time waited, 1 source: the sampler, for room in the ring',
      one,
      'samplerWaitedPercent',
      '%',
    ),
    plainRow(
      '3-writer-waited',
      'time waited, 1 source: the writer, for the disk',
      one,
      'writerWaitedPercent',
      '%',
    ),
    {
      ...plainRow('9-absolute', 'CPU per sample, 1 source', one, 'cpuNanosPerSample', 'ns'),
      stretch: 60,
    },
    {
      ...plainRow('9-absolute-32', 'CPU per sample, 32 sources', many, 'cpuNanosPerSample', 'ns'),
      fullOnly: true,
    },
    {
      ...plainRow('9-writer', WRITERS_CPU, one, 'writerCpuNanosPerSample', 'ns'),
      figure: { panel: CPU_PANEL, at: 'the writer alone' },
    },
    cpuRow('batches', batches, 1 / 8),
    cpuRow('events', events, 1 / 20),
  ],
};
