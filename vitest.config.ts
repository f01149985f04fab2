import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import InTurns from './test/support/sequencer.ts';

/** Files that share their processes, and so what these have loaded: they change nothing in them. */
const TOGETHER = ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    // two of them even on the two cores that a change is tested on: most of a test is waiting
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: InTurns },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/support/reporter.ts'],
    projects: [
      { extends: true, test: { name: 'together', include: TOGETHER, isolate: false } },
      { extends: true, test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: TOGETHER } },
    ],
  },
});
