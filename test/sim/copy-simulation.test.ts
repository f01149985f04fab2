/** Copies between stores under simulated faults of disks, power, processes and network. */
import { describe, expect, it } from 'vitest';
import { count } from '../support/counts.ts';
import { simulateCopy, type CopyCounts } from './copy-simulation.ts';
import { cpuSeconds } from './seeds.ts';

const ONE_SEED = process.env['HELICORDER_SEED'];
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** in `npm test`; a soak runs until its time is up */
const SEEDS = Number(process.env['HELICORDER_COPY_SEEDS'] ?? 100);
const SOAK_MS = Number(process.env['HELICORDER_SOAK_MS'] ?? 20 * 60_000);
const TIMEOUT_MS = 24 * 3600 * 1000;

function* allSeeds(): Generator<number> {
  const end = performance.now() + SOAK_MS;
  const isWanted = (seed: number): boolean => (IS_SOAK ? performance.now() < end : seed <= SEEDS);
  for (let seed = 1; isWanted(seed); seed++) yield seed;
}

describe('a simulated copy', () => {
  it(
    'arrives once and in order under every mix of faults, and drains when they stop',
    async () => {
      const sum = new Map<keyof CopyCounts, number>();
      let seeds = 0;
      for (const seed of ONE_SEED ? [Number(ONE_SEED)] : allSeeds()) {
        const { counts } = await simulateCopy(seed);
        for (const [name, count] of Object.entries(counts) as [keyof CopyCounts, number][]) {
          sum.set(name, (sum.get(name) ?? 0) + count);
        }
        seeds++;
      }
      count('simulated histories', seeds);
      const counts = [...sum].map(([name, count]) => `${name} ${count}`);
      const what = [`seeds ${seeds}`, `seconds of CPU ${cpuSeconds()}`, ...counts];
      process.stdout.write(`copy simulation: ${what.join(', ')}\n`);
      // a fault that never comes proves nothing
      if (seeds < 50) return;
      for (const [name, count] of sum) expect(count, name).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  if (ONE_SEED !== undefined) return;

  it(
    'equal seeds give equal traces, another seed another',
    async () => {
      const hashes = new Set<number>();
      for (let seed = 1; seed <= 4; seed++) {
        const first = await simulateCopy(seed);
        expect(await simulateCopy(seed)).toEqual(first);
        hashes.add(first.traceHash);
      }
      expect(hashes.size).toBe(4);
    },
    TIMEOUT_MS,
  );
});
