/** Any sequence of appends, crashes, torn commits and rot, held against a list of events. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { LogModel } from '../../support/log-model.ts';
import { repeats } from '../../support/random.ts';

type Step =
  | { kind: 'append'; count: number; size: number }
  | { kind: 'crash' }
  | { kind: 'close' }
  | { kind: 'crashInCommit'; size: number; part: number; garble: boolean }
  | { kind: 'flip'; place: number; byte: number; bit: number };

const part = fc.integer({ min: 0, max: 999 }).map((n) => n / 1000);
const size = fc.oneof(
  { weight: 4, arbitrary: fc.nat(5000) },
  { weight: 2, arbitrary: fc.nat(100_000) },
  { weight: 1, arbitrary: fc.nat(390_000) },
);
const append = fc.record({
  kind: fc.constant('append' as const),
  count: fc.integer({ min: 1, max: 4 }),
  size: fc.oneof({ weight: 5, arbitrary: fc.nat(5000) }, fc.nat(120_000)),
});
const crash = fc.constantFrom({ kind: 'crash' as const }, { kind: 'close' as const });
const crashInCommit = fc.record({
  ...{ kind: fc.constant('crashInCommit' as const), size, part, garble: fc.boolean() },
});
const flip = fc.record({
  ...{ kind: fc.constant('flip' as const), place: part, byte: part, bit: fc.nat(7) },
});

const harmless: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 1, arbitrary: crash },
  { weight: 2, arbitrary: crashInCommit },
);
const harmful: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: harmless },
  { weight: 2, arbitrary: flip },
);

function take(model: LogModel, step: Step): void {
  if (step.kind === 'flip') {
    if (model.isOpen) model.crash();
    return model.flip(step.place, step.byte, step.bit);
  }
  if (!model.isOpen) model.open();
  if (!model.isOpen) return;
  if (step.kind === 'append') model.append(step.count, step.size);
  else if (step.kind === 'crash') model.crash();
  else if (step.kind === 'close') model.close();
  else model.crashInCommit(step.size, step.part, step.garble);
}

async function play(steps: readonly Step[]): Promise<void> {
  const model = new LogModel();
  model.open();
  for (const step of steps) take(model, step);
  if (model.isOpen) model.crash();
  await model.check();
  model.open();
  if (!model.isOpen) return;
  model.append(1, 10);
  model.close();
  await model.check();
}

describe('the log', () => {
  it('after any crashes holds every acknowledged event once, at its offset', async () => {
    const steps = fc.array(harmless, { minLength: 5, maxLength: 60 });
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: repeats(400) });
  });

  it('with rot beside them loses only what was hit, and says so', async () => {
    const steps = fc.array(harmful, { minLength: 5, maxLength: 60 });
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: repeats(400) });
  });
});
