/** Production code of store, recorder and readers under simulated faults: see simulation.ts. */
import { expect, it } from 'vitest';
import { describeSeeds } from './seeds.ts';
import { simulate } from './simulation.ts';

describeSeeds(1, 2);

it('the same seed gives the same trace, another seed another', async () => {
  const hashes = new Set<number>();
  for (let seed = 1; seed <= 5; seed++) {
    const first = await simulate(seed);
    expect(await simulate(seed)).toEqual(first);
    hashes.add(first.traceHash);
  }
  expect(hashes.size).toBe(5);
});
