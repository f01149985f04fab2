/** Copies between stores under simulated faults of disks, power, processes and network. */
import { describe, it } from 'vitest';
import { simulateCopy } from './copy-simulation.ts';
import { ONE_SEED, SEEDS_TIMEOUT_MS, expectEqualTraces, playSeeds } from './seeds.ts';

/** in `npm test` */
const SEEDS = Number(process.env['HELICORDER_COPY_SEEDS'] ?? 100);

describe('a simulated copy', () => {
  it(
    'arrives once and in order under every mix of faults, and drains when they stop',
    () => playSeeds({ name: 'copy simulation', play: simulateCopy, most: SEEDS, allFrom: 50 }),
    SEEDS_TIMEOUT_MS,
  );

  if (ONE_SEED !== undefined) return;

  it(
    'equal seeds give equal traces, another seed another',
    () => expectEqualTraces(simulateCopy, 4),
    SEEDS_TIMEOUT_MS,
  );
});
