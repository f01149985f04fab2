/** Negative controls: each bug of mutants.ts is found. */
import { describe, expect, it } from 'vitest';
import { count } from '../support/counts.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { simulate } from './simulation.ts';

interface Finding {
  seed: number;
  says: string;
}

/** The first seed that finds it, and what it says. */
async function found({ name: _, seeds, from = 1, ...bug }: Mutant): Promise<Finding | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      await simulate(seed, bug);
    } catch (error) {
      return { seed, says: String(error).split('\n')[0]! };
    }
  }
  return undefined;
}

describe('the simulation finds a program that', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (name, mutant) => {
      const finding = await found(mutant);
      process.stdout.write(`mutant: ${name}: ${finding?.says}\n`);
      expect(finding, 'what the simulation says').toBeDefined();
      // it is the bug that is found: the same history without it holds every promise
      await simulate(finding!.seed);
      count('mutants found');
    },
    600_000,
  );
});
