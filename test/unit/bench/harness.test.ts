import { describe, expect, it } from 'vitest';
import { ROUNDS, isBinding, isWanted, makeRow, runPlan } from '../../../bench/harness.ts';
import type { Arm, Experiment, Metrics, Plan, RowSpec } from '../../../bench/harness.ts';

const LOAD = { seconds: 1, stealPercent: 0, otherPercent: 0 };

function rowSpec(changes: Partial<RowSpec> = {}): RowSpec {
  return {
    ...{ id: '3-rows', name: 'durable samples', unit: '/s', better: 'higher' },
    ...{ gate: 2, stretch: 4, subject: 'ours' },
    value: (metrics: Metrics) => metrics.rate!,
    reference: { arm: 'theirs', value: (metrics: Metrics) => metrics.rate! },
    ...changes,
  };
}

function withoutReference(changes: Partial<RowSpec> = {}): RowSpec {
  const { reference: _, ...spec } = rowSpec(changes);
  return spec;
}

function rounds(...pairs: [ours: number, theirs: number][]): Map<string, Metrics>[] {
  return pairs.map(
    ([ours, theirs]) =>
      new Map([
        ['ours', { rate: ours }],
        ['theirs', { rate: theirs }],
      ]),
  );
}

describe('a row', () => {
  it('takes medians of values and the median of the ratios within rounds', () => {
    const row = makeRow(rowSpec(), rounds([10, 5], [20, 4], [90, 30]), LOAD);
    expect(row).toMatchObject({ value: 20, reference: 5, ratio: 3, rounds: 3, against: 'theirs' });
    expect(row.valueRange).toEqual([10, 90]);
    expect(row.referenceRange).toEqual([4, 30]);
    expect(row.ratioRange).toEqual([2, 5]);
  });

  it('is not moved by a machine that slows both sides of a round alike', () => {
    const even = makeRow(rowSpec(), rounds([30, 10], [30, 10], [30, 10]), LOAD);
    const slowed = makeRow(rowSpec(), rounds([30, 10], [3, 1], [15, 5]), LOAD);
    expect(slowed.ratio).toBe(even.ratio);
  });

  it('passes a gate at the gate itself, and reaches a stretch goal at it', () => {
    const higher = (ratio: number): boolean | null =>
      makeRow(rowSpec(), rounds([ratio, 1]), LOAD).pass;
    expect([higher(1.99), higher(2), higher(2.01)]).toEqual([false, true, true]);
    const lower = makeRow(rowSpec({ better: 'lower' }), rounds([2.01, 1]), LOAD);
    expect(lower).toMatchObject({ pass: false, stretchReached: true });
    expect(makeRow(rowSpec(), rounds([4, 1]), LOAD).stretchReached).toBe(true);
  });

  it('without a reference is judged by its value', () => {
    const row = makeRow(withoutReference(), rounds([3, 0]), LOAD);
    expect(row).toMatchObject({ value: 3, reference: null, ratio: null, pass: true });
  });

  it('without a gate passes nothing and fails nothing', () => {
    const row = makeRow(rowSpec({ gate: null, stretch: null }), rounds([1, 9]), LOAD);
    expect(row).toMatchObject({ pass: null, stretchReached: null });
  });

  it('says how sure it is: of five values, the least to the greatest', () => {
    const pairs = rounds([5, 1], [1, 1], [4, 1], [2, 1], [3, 1]);
    const row = makeRow(rowSpec(), pairs, LOAD);
    expect(row).toMatchObject({ interval: [1, 5], confidence: 0.9375 });
  });

  it('fails a run where its gate is about a ratio, or about bytes; else it warns', () => {
    const bind = (row: RowSpec): boolean => isBinding(makeRow(row, rounds([1, 1]), LOAD));
    expect(bind(rowSpec())).toBe(true);
    expect(bind(withoutReference({ steady: true }))).toBe(true);
    expect(bind(withoutReference())).toBe(false);
    expect(bind(rowSpec({ gate: null }))).toBe(false);
  });

  it('of two zeros is a tie', () => {
    expect(makeRow(rowSpec(), rounds([0, 0]), LOAD).ratio).toBe(1);
  });
});

interface Bench {
  plan: Plan;
  /** arms in the order in which they were measured */
  calls: string[];
  said: string[];
  /** work directories that have been made and not removed */
  open: Set<string>;
}

function bench(
  rows: RowSpec[],
  changes: Partial<Plan> = {},
  arms: Partial<Arm>[] = [{}, {}],
): Bench {
  const calls: string[] = [];
  const said: string[] = [];
  const open = new Set<string>();
  const names = ['ours', 'theirs', 'unasked'];
  const experiment: Experiment = {
    name: 'fake',
    arms: arms.map((arm, i) => ({
      name: names[i]!,
      measure: ({ dir }) => {
        expect(open.has(dir)).toBe(true);
        calls.push(names[i]!);
        return Promise.resolve({ rate: 3 - i });
      },
      ...arm,
    })),
    rows,
  };
  const plan: Plan = {
    experiments: [experiment],
    ...{ quick: false, filter: undefined },
    makeDirectory: (name) => {
      open.add(name);
      return { dir: name, remove: () => void open.delete(name) };
    },
    say: (line) => void said.push(line),
    ...changes,
  };
  return { plan, calls, said, open };
}

describe('a plan', () => {
  it('measures subject and reference in turn, five times', async () => {
    const { plan, calls, open } = bench([rowSpec()]);
    const [row] = await runPlan(plan);
    expect(calls).toEqual(Array.from({ length: ROUNDS }, () => ['ours', 'theirs']).flat());
    expect(row).toMatchObject({ rounds: ROUNDS, ratio: 1.5 });
    expect(row!.load!.seconds).toBeGreaterThanOrEqual(0);
    expect(open.size).toBe(0);
  });

  it('in a hurry leaves out the rows that say so, and makes as many rounds', async () => {
    const { plan, calls } = bench([rowSpec(), rowSpec({ id: '3-more', fullOnly: true })], {
      quick: true,
    });
    const [row, more] = await runPlan(plan);
    expect(calls.length).toBe(2 * ROUNDS);
    expect(row!.skipped).toBeNull();
    expect(more!.skipped).toBe('not part of --quick');
  });

  it('measures once what is exact', async () => {
    const { plan, calls } = bench([rowSpec()]);
    await runPlan({ ...plan, experiments: [{ ...plan.experiments[0]!, rounds: 1 }] });
    expect(calls).toEqual(['ours', 'theirs']);
  });

  it('does not measure an arm that no row asks for', async () => {
    const { plan, calls } = bench([rowSpec()], {}, [{}, {}, {}]);
    await runPlan(plan);
    expect(calls).not.toContain('unasked');
  });

  it('skips a row whose reference is missing, with the reason, and says so', async () => {
    const missing = { missing: () => 'no such tool' };
    const rows = [rowSpec(), withoutReference({ id: '3-absolute' })];
    const { plan, calls, said } = bench(rows, {}, [{}, missing]);
    const [skipped, measured] = await runPlan(plan);
    expect(skipped).toMatchObject({ skipped: 'no such tool', pass: null, value: null });
    expect(measured).toMatchObject({ skipped: null, value: 3 });
    expect(calls).not.toContain('theirs');
    expect(said).toContain('SKIPPED 3-rows durable samples: no such tool');
  });

  it('fails as a whole where an arm fails, and leaves no directory behind', async () => {
    const wrong = { measure: () => Promise.reject(new Error('a sample is missing')) };
    const { plan, open } = bench([rowSpec()], {}, [{}, wrong]);
    await expect(runPlan(plan)).rejects.toThrow('a sample is missing');
    expect(open.size).toBe(0);
  });

  it('hands the numbers of a round on to the arms that follow in it', async () => {
    const seen: (Metrics | undefined)[] = [];
    const follower: Partial<Arm> = {
      measure: ({ round }) => {
        seen.push(round.get('ours'));
        return Promise.resolve({ rate: 1 });
      },
    };
    await runPlan(bench([rowSpec()], {}, [{}, follower]).plan);
    expect(seen).toEqual(Array.from({ length: ROUNDS }, () => ({ rate: 3 })));
  });

  it('makes once what all arms look at, and removes it at the end', async () => {
    const prepared: string[] = [];
    const seen = new Set<string>();
    const look: Partial<Arm> = {
      measure: ({ shared }) => {
        expect(open.has(shared)).toBe(true);
        seen.add(shared);
        return Promise.resolve({ rate: 1 });
      },
    };
    const { plan, open } = bench([rowSpec()], {}, [look, look]);
    const prepare = async (shared: string): Promise<void> => void prepared.push(shared);
    await runPlan({ ...plan, experiments: [{ ...plan.experiments[0]!, prepare }] });
    expect(prepared).toEqual([...seen]);
    expect(open.size).toBe(0);
  });

  it('refuses a filter that names nothing', async () => {
    const { plan } = bench([rowSpec()], { filter: 'nothing' });
    await expect(runPlan(plan)).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('a filter', () => {
  it('names rows by what their ids begin with, up to a dash', () => {
    const fast = rowSpec({ id: '1-10khz-p99', name: 'lateness at 10 kHz, p99' });
    const takes = (filter: string): boolean => isWanted(fast, filter);
    expect(['1', '1-10khz', '1-10KHZ-p99'].map(takes)).toEqual([true, true, true]);
    expect(['1-10', '1-10k', '10khz-p99', '1-', '-'].map(takes)).not.toContain(true);
  });

  const row = rowSpec({ id: '1-p99', name: 'lateness at 1 kHz, p99' });

  it.each([undefined, '1', '1-p99', 'LATENESS', '7, 1-p99'])('%s takes row 1-p99', (filter) => {
    expect(isWanted(row, filter)).toBe(true);
  });

  it.each(['', '9', '99', '10', '1-p9', 'durable', ','])('"%s" does not', (filter) => {
    expect(isWanted(row, filter)).toBe(false);
  });
});
