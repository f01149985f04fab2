/** Production code of store, recorder and readers under simulated faults: see simulation.ts. */
import { it } from 'vitest';
import { describeSeeds, expectEqualTraces } from './seeds.ts';
import { simulate } from './simulation.ts';

describeSeeds(1, 2);

it('the same seed gives the same trace, another seed another', () =>
  expectEqualTraces(simulate, 5));
