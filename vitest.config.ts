import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import InTurns from './test/support/sequencer.ts';

/** Files that share their processes, and so what these have loaded: they change nothing in them. */
const TOGETHER = ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    // three of them even on the two cores that a change is tested on: half of a test is waiting
    maxWorkers: Math.max(3, availableParallelism() - 1),
    // V8's collector threads take from the other tests what they save this one; with more
    // room for what is young it collects less often (the simulation: 8 % less CPU)
    execArgv: ['--single-threaded-gc', '--max-semi-space-size=64'],
    sequence: { sequencer: InTurns },
    // of names of tests that are made from lists: 40 is too short for them
    chaiConfig: { truncateThreshold: 100 },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/support/reporter.ts'],
    projects: [
      { extends: true, test: { name: 'together', include: TOGETHER, isolate: false } },
      { extends: true, test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: TOGETHER } },
    ],
  },
});
