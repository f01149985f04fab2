/**
 * `--growth`: what becomes dearer with more of something, and by how much, to the least of it:
 * history (log before a restart), sensors (sources at 1 kHz), readers (processes that follow the
 * tail), streams (in the store, one of them written to). No gates: rows 11, 13 and 14 have those.
 */
import { join } from 'node:path';
import { MIB } from '../engine/base/constants.ts';
import { childProgram } from './files.ts';
import type { Arm, Experiment, Metrics, RowSpec } from './harness.ts';
import { sharedStore } from './histories.ts';
import { runNode } from './process.ts';
import { record, verified } from './recorder.ts';
import { makeHistory, restart } from './restart.ts';
import { withSources } from './sensors.ts';

const HISTORY_MIB = [16, 64, 256, 1024];
const SOURCES = [32, 128, 512, 1024];
const READERS = [0, 1, 4, 16];
const STREAMS = [1, 100, 1000, 10_000];
const RATE_HZ = 1000;
const SECONDS = 6;
const CHILD_MS = 120_000;

/** A row for each amount: its number, and how many times that of the least amount. */
function rowsOf(
  id: string,
  panel: string,
  [least, ...more]: readonly Arm[],
  metric: string,
  unit: string,
): RowSpec[] {
  return [least!, ...more].map((arm) => ({
    id: `${id}-${arm.name.replaceAll(/\D/g, '')}`,
    name: `${panel}, ${arm.name}`,
    ...{ unit, better: 'lower', gate: null, stretch: null },
    figure: { panel, from: least!.name, at: arm.name },
    subject: arm.name,
    value: (metrics: Metrics) => metrics[metric]!,
    reference: { arm: least!.name, value: (metrics: Metrics) => metrics[metric]! },
  }));
}

const histories = HISTORY_MIB.map((mib) => restart(String(mib), `${mib} MiB of log`));

const history: Experiment = {
  name: 'growth with history',
  arms: histories,
  prepare: async (shared) => {
    for (const mib of HISTORY_MIB) await makeHistory(sharedStore(shared, String(mib)), mib * MIB);
  },
  rows: [
    ...rowsOf('history-restart', 'restart with history', histories, 'readyMs', 'ms'),
    ...rowsOf('history-commit', 'commit with history', histories, 'commitMicros', 'µs'),
  ],
};

const sourceArms = SOURCES.map(withSources);

const sensors: Experiment = {
  name: 'growth with sensors',
  arms: sourceArms,
  rows: [
    ...rowsOf('sensors-cpu', 'CPU with sensors', sourceArms, 'cpuPercent', '%'),
    ...rowsOf('sensors-p99', 'sample→durable p99 with sensors', sourceArms, 'p99Ms', 'ms'),
    ...rowsOf('sensors-rss', 'memory with sensors', sourceArms, 'rssMib', 'MiB'),
  ],
};

/** The recorder's own cost; the readers' CPU is their own, though they share the processors. */
function withReaders(count: number): Arm {
  return {
    name: `${count} readers`,
    measure: async ({ dir }) => {
      const stream = 'bench/rig';
      const sources = ['--source', 'synthetic', '--count', '32', '--rate', String(RATE_HZ)];
      const words = [join(dir, 'store'), `${stream}-0`, String(RATE_HZ)];
      const args = [...sources, '--stream', stream, '--flush-ms', '10'];
      const [recording] = await Promise.all([
        record({ args, dir, warmUpSeconds: 2, seconds: SECONDS }),
        ...Array.from({ length: count }, () =>
          runNode(childProgram('child-tail-reader'), words, { timeoutMs: CHILD_MS }),
        ),
      ]);
      await verified(recording.dataDir);
      const { p99 } = recording.status.writes.durableMicros;
      return { cpuPercent: recording.cpuPercent, p99Ms: p99 / 1000 };
    },
  };
}

const readerArms = READERS.map(withReaders);

const readers: Experiment = {
  name: 'growth with readers',
  arms: readerArms,
  rows: [
    ...rowsOf('readers-cpu', "the recorder's CPU with readers", readerArms, 'cpuPercent', '%'),
    ...rowsOf('readers-p99', 'sample→durable p99 with readers', readerArms, 'p99Ms', 'ms'),
  ],
};

const streamArms = STREAMS.map((count) => restart(String(count), `${count} streams`));

const streams: Experiment = {
  name: 'growth with streams',
  arms: streamArms,
  prepare: async (shared) => {
    for (const count of STREAMS) {
      const args = [sharedStore(shared, String(count)), String(count)];
      await runNode(childProgram('child-streams'), args, { timeoutMs: CHILD_MS });
    }
  },
  rows: [
    ...rowsOf('streams-restart', 'restart with streams', streamArms, 'readyMs', 'ms'),
    ...rowsOf('streams-commit', 'commit with streams', streamArms, 'commitMicros', 'µs'),
  ],
};

export const GROWTH: readonly Experiment[] = [history, sensors, readers, streams];
