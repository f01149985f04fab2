/**
 * The copier's protocol, explored exhaustively with the production's own transition functions:
 * small bounds with `npm test`, those that `docs/durability.md` lists with `npm run test:soak`.
 */
import { describe, expect, test } from 'vitest';
import { count } from '../../support/counts.ts';
import { copyWorld, type CopyOptions } from './copy-world.ts';
import { explore, type Exploration } from './explore.ts';
import { RULES } from './rules.ts';
import { storeTarget } from './store-target.ts';
import { twoPhaseTarget } from './two-phase-target.ts';

interface Bounds extends Omit<CopyOptions, 'maxFaults'> {
  name: string;
  /** in npm test, in soak */
  maxFaults: [number, number];
  /** two live owners of one identity shut each other out for ever: only safety is claimed */
  liveness?: false;
}

const STORE: Bounds[] = [
  { name: 'network, crash, damage', faults: ['network', 'crash', 'damage'], maxFaults: [2, 4] },
  {
    name: 'network, crash, damage while records come in',
    faults: ['network', 'crash', 'damage'],
    maxFaults: [1, 3],
  },
  {
    name: 'target restored from an older copy',
    faults: ['network', 'crash', 'damage', 'targetBack'],
    maxFaults: [1, 3],
  },
  {
    name: 'source restored from an older copy',
    faults: ['network', 'crash', 'damage', 'sourceBack'],
    maxFaults: [1, 2],
  },
  {
    name: 'both restored from older copies',
    faults: ['sourceBack', 'targetBack'],
    maxFaults: [1, 2],
  },
  { name: 'source cloned', faults: ['clone'], maxFaults: [0, 1], liveness: false },
  {
    name: 'source cloned, target restored from an older copy',
    faults: ['clone', 'targetBack'],
    maxFaults: [0, 2],
    liveness: false,
  },
];

const TWO_PHASE: Bounds[] = [
  {
    name: 'network, crash, lease, forgotten outcome',
    faults: ['network', 'crash', 'target'],
    maxFaults: [1, 3],
  },
];

const isSoak = process.env['HELICORDER_SOAK'] !== undefined;

function faultsOf({ maxFaults }: Bounds): number {
  return maxFaults[isSoak ? 1 : 0];
}

function report(kind: string, bounds: Bounds, { states, violation }: Exploration): void {
  process.stderr.write(
    `model, ${kind}: ${bounds.name}, ≤ ${faultsOf(bounds)} faults: ${states} states\n`,
  );
  expect(violation).toBeUndefined();
  expect(states).toBeGreaterThan(30);
  count('states of the model', states);
}

const isComplete = ({ name }: Bounds): boolean => !/restored|cloned|come in/.test(name);

describe('no state breaks a law, and each comes to rest:', () => {
  test.each(STORE)('position with data: $name', (bounds) => {
    const options = { ...bounds, maxFaults: faultsOf(bounds), isComplete: isComplete(bounds) };
    const world = copyWorld(RULES, storeTarget(RULES), options);
    report('store', bounds, explore(world, { liveness: bounds.liveness ?? true }));
  });

  test.each(TWO_PHASE)('two-phase: $name', (bounds) => {
    const options = { ...bounds, maxFaults: faultsOf(bounds), isComplete: isComplete(bounds) };
    report('two-phase', bounds, explore(copyWorld(RULES, twoPhaseTarget(RULES), options)));
  });
});
