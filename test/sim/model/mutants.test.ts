/** Negative controls: a model that lets a mutant pass proves nothing about the protocol. */
import { afterAll, describe, expect, test } from 'vitest';
import { AssertionError } from '../../../engine/base/assert.ts';
import { count } from '../../support/counts.ts';
import { copyWorld, type CopyOptions } from './copy-world.ts';
import { explore, type Exploration } from './explore.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { patchedRules, RULES } from './rules.ts';
import { storeTarget } from './store-target.ts';
import { twoPhaseTarget } from './two-phase-target.ts';

function explored(mutant: Mutant): Exploration {
  const rules = mutant.patch ? patchedRules(mutant.patch) : RULES;
  const options: CopyOptions = { faults: mutant.faults, maxFaults: mutant.maxFaults };
  if (mutant.target === 'two-phase') {
    return explore(copyWorld(rules, twoPhaseTarget(rules), options));
  }
  const answersBeforeSync = mutant.target === 'store that answers before its sync';
  return explore(copyWorld(rules, storeTarget(rules, { answersBeforeSync }), options));
}

/** An assertion of the rules themselves finds it too. */
function found(mutant: Mutant): string {
  try {
    const { violation } = explored(mutant);
    return violation ? `${violation.what}\n  ${violation.trace.join('\n  ')}` : 'nothing';
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
}

describe('the model finds', () => {
  let killed = 0;

  test.each(MUTANTS)('$name', (mutant) => {
    const what = found(mutant);
    if (process.env['HELICORDER_TRACES']) process.stderr.write(`${mutant.name}: ${what}\n`);
    expect(what).toMatch(mutant.breaks);
    count('mutants found');
    killed++;
  });

  afterAll(() => {
    process.stderr.write(`model: ${killed} of ${MUTANTS.length} mutants found\n`);
  });
});
