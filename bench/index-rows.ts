/**
 * Row 14: a commit, and finding a record, in a store that holds 4 million batches, against one that
 * holds next to nothing. What an index of one row per batch would make slower: a batch is what such
 * an index has its rows of.
 */
import { childProgram } from './files.ts';
import type { Arm, Experiment, RowSpec } from './harness.ts';
import { sharedStore } from './histories.ts';
import { runNode } from './process.ts';

const TIMEOUT_MS = 600_000;
const BATCHES = 4_000_000;

function arm(name: 'grown' | 'empty'): Arm {
  return {
    name: name === 'grown' ? '4 M batches' : 'an empty store',
    measure: ({ shared }) =>
      runNode(childProgram('child-index-rows'), ['measure', sharedStore(shared, name)], {
        timeoutMs: TIMEOUT_MS,
      }),
  };
}

const [grown, empty] = [arm('grown'), arm('empty')];

function row(id: string, name: string, metric: string, gate: number): RowSpec {
  return {
    id: `14-${id}`,
    name: `${name} p50 after 4 M batches, to an empty store`,
    ...{ unit: 'µs', better: 'lower', gate, stretch: 1, fullOnly: true },
    figure: { panel: `growth with batches: ${name}`, from: empty.name, at: grown.name },
    subject: grown.name,
    value: (metrics) => metrics[metric]!,
    reference: { arm: empty.name, value: (metrics) => metrics[metric]! },
  };
}

export const indexRows: Experiment = {
  name: 'index rows',
  arms: [grown, empty],
  prepare: async (shared) => {
    for (const [name, batches] of [['grown', BATCHES] as const, ['empty', 1] as const]) {
      const args = ['make', sharedStore(shared, name), String(batches)];
      await runNode(childProgram('child-index-rows'), args, { timeoutMs: TIMEOUT_MS });
    }
  },
  rows: [
    row('commit', 'a commit', 'commitMicros', 1.4),
    row('look-up', 'a look-up', 'lookUpMicros', 2),
  ],
};
