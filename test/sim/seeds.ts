/** Runs seeds one after the other and adds up what they went through. */
import { describe, expect, it } from 'vitest';
import { count } from '../support/counts.ts';
import { simulate, type Counts } from './simulation.ts';

const ONE_SEED = process.env['HELICORDER_SEED'];
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** in `npm test`, in all files together; a soak runs until its time is up */
const SEEDS = Number(process.env['HELICORDER_SEEDS'] ?? 2000);
const SOAK_MS = Number(process.env['HELICORDER_SOAK_MS'] ?? 20 * 60_000);
const TIMEOUT_MS = 24 * 3600 * 1000;

type Sum = Partial<Record<keyof Counts, number>>;

function add(sum: Sum, counts: Counts): void {
  for (const [name, count] of Object.entries(counts) as [keyof Counts, number][]) {
    sum[name] = (sum[name] ?? 0) + count;
  }
}

/** The file's share of all seeds: `first`, `first + step` … */
function* seedsOf(first: number, step: number): Generator<number> {
  const end = performance.now() + SOAK_MS;
  const isWanted = (seed: number): boolean => (IS_SOAK ? performance.now() < end : seed <= SEEDS);
  for (let seed = first; isWanted(seed); seed += step) yield seed;
}

/** What this process has taken of the processors: it runs one file. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) / 1e6);
}

/** Half the seeds in each of two files: they run beside each other. */
export function describeSeeds(first: number, step: number): void {
  describe('simulation', () => {
    it(
      'holds every promise under every mix of faults',
      async () => {
        const sum: Sum = {};
        let seeds = 0;
        for (const seed of ONE_SEED ? [Number(ONE_SEED)] : seedsOf(first, step)) {
          add(sum, (await simulate(seed)).counts);
          seeds++;
        }
        count('simulated histories', seeds);
        const counts = Object.entries(sum).map(([name, count]) => `${name} ${count}`);
        const what = [`seeds ${seeds}`, `seconds of CPU ${cpuSeconds()}`, ...counts];
        process.stdout.write(`simulation: ${what.join(', ')}\n`);
        // a fault that never comes proves nothing
        if (seeds < 500) return;
        for (const [name, count] of Object.entries(sum)) expect(count, name).toBeGreaterThan(0);
      },
      TIMEOUT_MS,
    );
  });
}
