/** Random histories of two stores against a plain model: see history.ts. */
import { describe, expect, it } from 'vitest';
import { count } from '../support/counts.ts';
import { playHistory } from './history.ts';

const ONE_SEED = process.env['HELICORDER_SEED'];
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** in `npm test`; a soak runs until its time is up */
const SEEDS = Number(process.env['HELICORDER_HISTORY_SEEDS'] ?? 15);
const SOAK_MS = Number(process.env['HELICORDER_SOAK_MS'] ?? 20 * 60_000);
const TIMEOUT_MS = 24 * 3600 * 1000;

function* allSeeds(): Generator<number> {
  const end = performance.now() + SOAK_MS;
  const isWanted = (seed: number): boolean => (IS_SOAK ? performance.now() < end : seed <= SEEDS);
  for (let seed = 1; isWanted(seed); seed++) yield seed;
}

describe('two stores with any history', () => {
  it(
    'hold what a plain model says, record by record, and refuse what the manual says',
    async () => {
      const sum = new Map<string, number>();
      let seeds = 0;
      for (const seed of ONE_SEED ? [Number(ONE_SEED)] : allSeeds()) {
        const { counts } = await playHistory(seed);
        for (const [name, times] of Object.entries(counts)) {
          sum.set(name, (sum.get(name) ?? 0) + times);
        }
        seeds++;
      }
      count('simulated histories', seeds);
      const counts = [...sum].map(([name, times]) => `${name} ${times}`);
      process.stdout.write(`histories of two stores: seeds ${seeds}, ${counts.join(', ')}\n`);
    },
    TIMEOUT_MS,
  );

  if (ONE_SEED !== undefined) return;

  it(
    'equal seeds give equal traces, another seed another',
    async () => {
      const hashes = new Set<number>();
      for (let seed = 1; seed <= 2; seed++) {
        const first = await playHistory(seed);
        expect(await playHistory(seed)).toEqual(first);
        hashes.add(first.traceHash);
      }
      expect(hashes.size).toBe(2);
    },
    TIMEOUT_MS,
  );
});
