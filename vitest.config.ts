import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import InTurns from './test/support/sequencer.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // three of them even on the two cores that a change is tested on: tests that start processes
    // wait for them
    maxWorkers: Math.max(3, availableParallelism() - 1),
    sequence: { sequencer: InTurns },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
