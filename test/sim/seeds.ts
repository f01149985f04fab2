/** Runs seeds one after the other and adds up what they went through. */
import { describe, expect, it } from 'vitest';
import { count } from '../support/counts.ts';
import { simulate } from './simulation.ts';

export const ONE_SEED = process.env['HELICORDER_SEED'];
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** in `npm test`, in all files together; a soak runs until its time is up */
const SEEDS = Number(process.env['HELICORDER_SEEDS'] ?? 2000);
const SOAK_MS = Number(process.env['HELICORDER_SOAK_MS'] ?? 20 * 60_000);
export const SEEDS_TIMEOUT_MS = 24 * 3600 * 1000;

/** What one seed went through. */
interface Outcome {
  traceHash: number;
  /** of numbers, by name */
  counts: object;
}

type Play = (seed: number) => Promise<Outcome>;

interface Seeds {
  /** of what is played, in the line that says what it went through */
  name: string;
  play: Play;
  /** in `npm test`, of all files together */
  most: number;
  /** the file's share of all seeds: `first`, `first + step` … */
  first?: number;
  step?: number;
  /** of so many seeds, each thing that is counted must have come; default: it need not */
  allFrom?: number;
}

function* seedsOf({ most, first = 1, step = 1 }: Seeds): Generator<number> {
  if (ONE_SEED) {
    yield Number(ONE_SEED);
    return;
  }
  const end = performance.now() + SOAK_MS;
  const isWanted = (seed: number): boolean => (IS_SOAK ? performance.now() < end : seed <= most);
  for (let seed = first; isWanted(seed); seed += step) yield seed;
}

/** What this process has taken of the processors: it runs one file. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) / 1e6);
}

/** Each seed holds what `play` asks of it. */
export async function playSeeds(wanted: Seeds): Promise<void> {
  const { name, play, allFrom = Infinity } = wanted;
  const sum = new Map<string, number>();
  let seeds = 0;
  for (const seed of seedsOf(wanted)) {
    const { counts } = await play(seed);
    for (const [what, times] of Object.entries(counts as Record<string, number>)) {
      sum.set(what, (sum.get(what) ?? 0) + times);
    }
    seeds++;
  }
  count('simulated histories', seeds);
  const counts = [...sum].map(([what, times]) => `${what} ${times}`);
  const said = [`seeds ${seeds}`, `seconds of CPU ${cpuSeconds()}`, ...counts];
  process.stdout.write(`${name}: ${said.join(', ')}\n`);
  // a fault that never comes proves nothing
  if (seeds < allFrom) return;
  for (const [what, times] of sum) expect(times, what).toBeGreaterThan(0);
}

/** Equal seeds give equal traces, another seed another. */
export async function expectEqualTraces(play: Play, seeds: number): Promise<void> {
  const hashes = new Set<number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const first = await play(seed);
    expect(await play(seed)).toEqual(first);
    hashes.add(first.traceHash);
  }
  expect(hashes.size).toBe(seeds);
}

/** Half the seeds in each of two files: they run beside each other. */
export function describeSeeds(first: number, step: number): void {
  describe('simulation', () => {
    it(
      'holds every promise under every mix of faults',
      () =>
        playSeeds({ name: 'simulation', play: simulate, most: SEEDS, first, step, allFrom: 500 }),
      SEEDS_TIMEOUT_MS,
    );
  });
}
