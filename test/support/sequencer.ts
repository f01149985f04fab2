/**
 * Which file of tests begins when. Most of them compute, the others wait for processes and disks:
 * files of both kinds begin in turns, so that neither has the processors to itself. Within a kind
 * the long ones come first, lest one is left alone at the end: those listed below, then the others
 * by how long they took the last time, or, in a fresh checkout, by their size.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that took longest when they were last looked at, the longest first. */
const LONGEST = [
  'sim/simulation.test.ts',
  'sim/simulation-even.test.ts',
  'crash/io-faults.test.ts',
  'sim/copy-simulation.test.ts',
  'crash/power-cut.test.ts',
  'crash/failpoints.test.ts',
  'crash/full-disk.test.ts',
  'crash/kill-copy.test.ts',
  'crash/catalog-and-mark.test.ts',
  'sim/copier.test.ts',
  'sim/code-mutants.test.ts',
  'sim/two-days.test.ts',
  'sim/histories.test.ts',
  'integration/control.test.ts',
];

export default class InTurns extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const longestFirst = (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b));
    const waiting = longestFirst.filter(isWaiting);
    const computing = longestFirst.filter((file) => !isWaiting(file));
    const turns = Array.from({ length: Math.max(waiting.length, computing.length) }, (_, i) =>
      [computing[i], waiting[i]].filter((file) => file !== undefined),
    );
    return turns.flat();
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = LONGEST.findIndex((path) => moduleId.endsWith(path));
  return place < 0 ? LONGEST.length : place;
}

function isWaiting({ moduleId }: TestSpecification): boolean {
  return /\/(crash|integration)\//.test(moduleId);
}
