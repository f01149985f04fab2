import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import InTurns from './test/support/sequencer.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // two of them even on the two cores that a change is tested on: most of a test is waiting
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: InTurns },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
