/**
 * Row 13: opening a store for recording after kill −9, until the first new record is durable. With
 * small segments the same, whatever lies behind them: recovery reads the newest one.
 */
import { MIB } from '../engine/base/constants.ts';
import { childProgram } from './files.ts';
import type { Arm, Experiment, Metrics } from './harness.ts';
import { sharedStore } from './histories.ts';
import { runNode, runProgram } from './process.ts';

const TIMEOUT_MS = 120_000;
const SEGMENT_BYTES = 4 * MIB;
const SIZES = { short: 50 * MIB, long: 1024 * MIB } as const;

/** Fills a store and kills itself, as a power cut would. */
export async function makeHistory(dir: string, bytes: number): Promise<void> {
  const words = [childProgram('child-history'), dir, String(bytes), String(SEGMENT_BYTES)];
  await runProgram(process.execPath, words, { timeoutMs: TIMEOUT_MS, endsBy: 'SIGKILL' });
}

/** Each restart is killed in turn: the next one finds the store as after a power cut, too. */
export function restart(store: string, name: string): Arm {
  return {
    name,
    measure: ({ shared }): Promise<Metrics> =>
      runNode(childProgram('child-restart'), [sharedStore(shared, store)], {
        ...{ timeoutMs: TIMEOUT_MS, endsBy: 'SIGKILL' },
      }),
  };
}

const short = restart('short', 'after 50 MiB');
const long = restart('long', 'after 1024 MiB');

export const restarts: Experiment = {
  name: 'restart',
  arms: [long, short],
  prepare: async (shared) => {
    await makeHistory(sharedStore(shared, 'short'), SIZES.short);
    await makeHistory(sharedStore(shared, 'long'), SIZES.long);
  },
  rows: [
    {
      id: '13-history',
      name: 'restart after kill −9, 1 GiB of history to 50 MiB',
      ...{ unit: 'ms', better: 'lower', gate: 1.2, stretch: null, fullOnly: true },
      figure: { panel: 'growth with history: restart', from: '50 MiB', at: '1 GiB' },
      subject: long.name,
      value: (metrics) => metrics.readyMs!,
      reference: { arm: short.name, value: (metrics) => metrics.readyMs! },
    },
    {
      id: '13-absolute',
      name: 'restart after kill −9, until the first record is durable',
      ...{ unit: 'ms', better: 'lower', gate: null, stretch: 100, fullOnly: true },
      figure: { panel: 'restart after kill −9', at: 'after 1 GiB' },
      subject: long.name,
      value: (metrics) => metrics.readyMs!,
    },
  ],
};
