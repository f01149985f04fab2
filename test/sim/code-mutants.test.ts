/**
 * Negative controls in the code itself: modules of production code with one rule taken out, each
 * found by a simulation, or by a law of a contract. Rules that only two faults at once can need
 * (the fence, the intent) are taken out in the model (`model/mutants.ts`), which has them at once
 * in all ways. Where the seq check alone is missing, the model finds nothing either: fence and
 * chain stand before and behind it. That the rule is there is the contract's to say.
 */
import { afterAll, describe, expect, it, vi } from 'vitest';
import { count } from '../support/counts.ts';
import { storeCase } from '../support/store-case.ts';
import { refusesWhatDoesNotContinue } from '../contract/participant.contract.ts';
import type { Step } from '../../engine/txn/coordinator.ts';
import { simulateCopy } from './copy-simulation.ts';
import { playHistory } from './history.ts';
import { MUTANTS, SPILL_MUTANTS } from './mutants.ts';
import { simulate } from './simulation.ts';

/** The rule that is out now; the modules below look at it at each call. */
const mutation = vi.hoisted(() => ({ now: '' }));

vi.mock(import('../../engine/txn/coordinator.ts'), async (original) => {
  const real = await original();
  const early = ({ state, effects }: Step): Step => {
    const [effect] = effects;
    if (effect?.kind !== 'commit') return { state, effects };
    const { epoch, intent } = effect;
    const cursor = { epoch, acked: intent.range.hi, chain: intent.range.chain };
    return { state, effects: [{ kind: 'writeCursor', cursor }, effect] };
  };
  return {
    ...real,
    step: (state, event) => {
      const step = real.step(state, event);
      return mutation.now === 'early release' ? early(step) : step;
    },
  };
});

vi.mock(import('../../engine/txn/position.ts'), async (original) => {
  const real = await original();
  /** Any new range is where it should be; epoch and chain are checked as before. */
  const judgeCommit: typeof real.judgeCommit = (held, epoch, range) => {
    const isBlind = mutation.now === 'no seq check' && range.hi !== held.hi;
    return real.judgeCommit(isBlind ? { ...held, hi: range.lo - 1 } : held, epoch, range);
  };
  return { ...real, judgeCommit };
});

vi.mock(import('../../engine/store/write/transactions.ts'), async (original) => {
  const real = await original();
  class OffsetsAtBegin extends real.Transactions {
    readonly #state;
    readonly #offsets = new Map<string, number>();

    constructor(...[writer, random]: ConstructorParameters<typeof real.Transactions>) {
      super(writer, random);
      this.#state = writer.state;
    }

    override begin(...args: Parameters<InstanceType<typeof real.Transactions>['begin']>): string {
      const txn = super.begin(...args);
      this.#offsets.set(txn, this.#state.streamNamed(args[1].stream)!.nextOffset);
      return txn;
    }

    override commit(...args: Parameters<InstanceType<typeof real.Transactions>['commit']>) {
      const [, { stream: name }, , { txn }] = args;
      const stream = this.#state.streamNamed(name);
      const { nextOffset } = stream ?? {};
      const early = mutation.now === 'early offsets' ? this.#offsets.get(txn) : undefined;
      if (!stream || early === undefined) return super.commit(...args);
      stream.nextOffset = early;
      try {
        return super.commit(...args);
      } finally {
        stream.nextOffset = nextOffset!;
      }
    }
  }
  return { ...real, Transactions: OffsetsAtBegin };
});

vi.mock(import('../../engine/store/entries/format.ts'), async (original) => {
  const real = await original();
  const sameLink: typeof real.sameLink = (a, b) =>
    mutation.now !== 'no predecessor' && real.sameLink(a, b);
  return { ...real, sameLink };
});

vi.mock(import('../../engine/store/state/continuity.ts'), async (original) => {
  const real = await original();
  class Holes extends real.Continuity {
    override *follow(...[item]: Parameters<InstanceType<typeof real.Continuity>['follow']>) {
      for (const found of super.follow(item)) {
        if (mutation.now !== 'holes' || found === item) yield found;
      }
    }
  }
  return { ...real, Continuity: Holes };
});

vi.mock(import('../../engine/store/write/copied-records.ts'), async (original) => {
  const real = await original();
  const checkForeign: typeof real.checkForeign = (...args) =>
    mutation.now === 'foreign' ? undefined : real.checkForeign(...args);
  const checkOverlap: typeof real.checkOverlap = (...args) =>
    mutation.now === 'overlap' ? undefined : real.checkOverlap(...args);
  return { ...real, checkForeign, checkOverlap };
});

vi.mock(import('../../engine/store/state/catalog.ts'), async (original) => {
  const real = await original();
  const catalogFacts: typeof real.catalogFacts = (...args) =>
    mutation.now === 'no witness' ? [] : real.catalogFacts(...args);
  return { ...real, catalogFacts };
});

interface CodeMutant {
  name: string;
  rule: string;
  /** it must be found within so many seeds */
  seeds: number;
  /** the first of them; one that finds it soon saves time, any other does as well */
  from?: number;
  play: (seed: number) => Promise<unknown>;
  /** the same without the bug */
  sound: (seed: number) => Promise<unknown>;
}

/** A store, by the contract of participants. */
const obeysContract = (): Promise<void> => refusesWhatDoesNotContinue(storeCase());

const unsynced = MUTANTS.find(({ name }) => name.startsWith('acknowledges a group before'))!;

const CODE_MUTANTS: readonly CodeMutant[] = [
  {
    name: 'releases before the target has confirmed',
    rule: 'early release',
    seeds: 100,
    play: simulateCopy,
    sound: simulateCopy,
  },
  {
    name: 'gives offsets at begin instead of commit',
    rule: 'early offsets',
    ...{ seeds: 100, from: 10 },
    play: simulateCopy,
    sound: simulateCopy,
  },
  {
    name: 'answers COMMITTED before the sync',
    rule: '',
    seeds: 100,
    play: (seed) => simulateCopy(seed, { mutate: unsynced.mutate! }),
    sound: simulateCopy,
  },
  {
    name: 'takes a torn group for one although the next does not name it',
    rule: 'no predecessor',
    ...{ seeds: 300, from: 108 },
    play: simulate,
    sound: simulate,
  },
  {
    name: 'leaves a hole for a damaged range',
    rule: 'holes',
    ...{ seeds: 100, from: 13 },
    play: simulate,
    sound: simulate,
  },
  {
    name: 'does not ask the catalog how far the log had come',
    rule: 'no witness',
    ...{ seeds: 500, from: 218 },
    // every fifth seed has a catalog
    play: (seed) => simulate(5 * seed),
    sound: (seed) => simulate(5 * seed),
  },
  {
    name: 'lets a copy bring records of a writer that the target has itself',
    rule: 'foreign',
    seeds: 50,
    play: playHistory,
    sound: playHistory,
  },
  {
    name: 'lets two copies bring the same records',
    rule: 'overlap',
    ...{ seeds: 100 },
    play: playHistory,
    sound: playHistory,
  },
  {
    name: 'checks no seq',
    ...{ rule: 'no seq check', seeds: 1 },
    play: obeysContract,
    sound: obeysContract,
  },
  // every fourth seed spills
  ...SPILL_MUTANTS.map(({ name, seeds, mutate }) => ({
    ...{ name, rule: '', seeds },
    play: (seed: number) => simulateCopy(4 * seed, { mutate: mutate! }),
    sound: (seed: number) => simulateCopy(4 * seed),
  })),
];

interface Finding {
  seed: number;
  says: string;
}

/** The first seed that finds it, and what it says. */
async function found({ rule, seeds, from = 1, play }: CodeMutant): Promise<Finding | undefined> {
  mutation.now = rule;
  try {
    for (let seed = from; seed < from + seeds; seed++) {
      const says = await play(seed).then(
        () => undefined,
        (error: unknown) => String(error),
      );
      if (says !== undefined) return { seed, says: says.split('\n')[0]! };
    }
    return undefined;
  } finally {
    mutation.now = '';
  }
}

describe('simulations and contracts find a program that', () => {
  let killed = 0;

  it.each(CODE_MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (name, mutant) => {
      const finding = await found(mutant);
      process.stdout.write(`mutant: ${name}: ${finding?.says}\n`);
      expect(finding, 'what a simulation says').toBeDefined();
      // it is the bug that is found: the same history without it holds every promise
      await mutant.sound(finding!.seed);
      count('mutants found');
      killed++;
    },
    600_000,
  );

  afterAll(() => {
    process.stdout.write(
      `simulations: ${killed} of ${CODE_MUTANTS.length} mutants of code found\n`,
    );
  });
});
