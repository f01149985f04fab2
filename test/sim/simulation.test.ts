/** Production code of the store, recorder and readers under simulated faults: see simulation.ts. */
import { describe, expect, it } from 'vitest';
import { simulate, type Counts } from './simulation.ts';

const ONE_SEED = process.env['HELICORDER_SEED'];
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
const SEEDS = Number(process.env['HELICORDER_SEEDS'] ?? (IS_SOAK ? 100_000 : 2000));
const TIMEOUT_MS = 24 * 3600 * 1000;

function add(sum: Partial<Counts>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts) as [keyof Counts, number][]) {
    sum[name] = (sum[name] ?? 0) + count;
  }
}

function summary(seeds: number, sum: Partial<Counts>): string {
  const counts = Object.entries(sum).map(([name, count]) => `${name} ${count}`);
  return `simulation: seeds ${seeds}, ${counts.join(', ')}`;
}

describe('simulation', () => {
  it(
    'holds every promise under every mix of faults',
    async () => {
      const seeds = ONE_SEED ? [Number(ONE_SEED)] : Array.from({ length: SEEDS }, (_, i) => i + 1);
      const sum: Partial<Counts> = {};
      for (const seed of seeds) add(sum, (await simulate(seed)).counts);
      process.stdout.write(`${summary(seeds.length, sum)}\n`);
      if (ONE_SEED) return;
      for (const [name, count] of Object.entries(sum)) expect(count, name).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it('the same seed gives the same trace', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const first = await simulate(seed);
      expect(await simulate(seed)).toEqual(first);
    }
  });
});
