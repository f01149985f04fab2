/** When upkeep is done: what sets it off, what ends it, and what a failure does. */
import { expect, test } from 'vitest';
import { Upkeep } from '../../../engine/recorder/upkeep.ts';
import type { UpkeepResult } from '../../../engine/store/upkeep/upkeep.ts';

const SEALED: UpkeepResult = { did: 'sealed', end: 1, isFull: false };
const NOTHING: UpkeepResult = { did: 'nothing', isFull: false };

/** Steps that give these results, one after the other, then nothing; what was carried out. */
function upkeepOf(results: (UpkeepResult | Error)[]) {
  const applied: string[] = [];
  const afters: (string | undefined)[] = [];
  const upkeep = new Upkeep('/store', {
    step: ({ after }) => {
      afters.push(after);
      const next = results.shift() ?? NOTHING;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    apply: (result) => Promise.resolve(void applied.push(result.did)),
  });
  return { upkeep, applied, afters };
}

test('steps follow each other until there is nothing to do', async () => {
  const { upkeep, applied, afters } = upkeepOf([SEALED, { did: 'tidied', isFull: false }]);
  await upkeep.run();
  expect(afters).toEqual([undefined, 'sealed', 'tidied']);
  expect(applied).toEqual(['sealed', 'tidied', 'nothing']);
});

test('what comes up during the last step is not left for the next occasion', async () => {
  const { upkeep, applied } = upkeepOf([NOTHING, SEALED]);
  const running = upkeep.run();
  upkeep.heard(1, false);
  upkeep.heard(2, false);
  await running;
  expect(applied).toEqual(['nothing', 'sealed', 'nothing']);
});

test('a step that fails is told, and forgotten with the next that does not', async () => {
  const { upkeep } = upkeepOf([new Error('the place is away')]);
  await upkeep.run();
  expect(upkeep.problem).toContain('the place is away');
  await upkeep.run();
  expect(upkeep.problem).toBeUndefined();
});

test('after the end nothing is carried out, and a step that was given up is no problem', async () => {
  const { upkeep, applied } = upkeepOf([SEALED, new Error('terminated')]);
  const running = upkeep.run();
  upkeep.stop();
  await running;
  await upkeep.run();
  expect([applied, upkeep.problem]).toEqual([[], undefined]);
});

test('a store that is full, with nothing to let go of, says so', async () => {
  const { upkeep } = upkeepOf([{ did: 'nothing', isFull: true }]);
  await upkeep.run();
  expect(upkeep.warnings).toEqual([expect.stringContaining('over its budget')]);
});

test('a place for chunks that is away is told until it is back', async () => {
  const away = 'the place for chunks /mnt cannot be reached';
  const { upkeep } = upkeepOf([{ did: 'nothing', isFull: true, away }]);
  await upkeep.run();
  expect(upkeep.warnings).toEqual([
    expect.stringContaining(away),
    expect.stringContaining('nothing can go before the place for chunks is back'),
  ]);
  const back = upkeepOf([
    { did: 'nothing', isFull: false, away },
    { did: 'nothing', isFull: false, away: undefined },
  ]).upkeep;
  await back.run();
  await back.run();
  expect(back.warnings).toEqual([]);
});

test('the first look is not at once, but where a segment is finished, or records wait', () => {
  const steps: number[] = [];
  const upkeepAt = (life: number): Upkeep =>
    new Upkeep('/store', {
      step: () => {
        steps.push(life);
        return Promise.resolve(NOTHING);
      },
      apply: () => Promise.resolve(),
    });
  upkeepAt(1).heard(1, false);
  upkeepAt(2).heard(1, true);
  const third = upkeepAt(3);
  third.heard(1, false);
  third.heard(2, false);
  expect(steps).toEqual([2, 3]);
});
