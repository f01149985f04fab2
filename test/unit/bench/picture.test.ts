import { describe, expect, it } from 'vitest';
import { tailsOf } from '../../../bench/curve.ts';
import { EXPERIMENTS } from '../../../bench/experiments.ts';
import { GROWTH } from '../../../bench/growth.ts';
import type { Metrics, Row, RowSpec } from '../../../bench/harness.ts';
import { makeRow } from '../../../bench/harness.ts';
import { pictureOf } from '../../../bench/picture.ts';

const MACHINE = {
  ...{ cpu: 'a <fast> processor', cores: 2, memoryMib: 1024, kernel: '6.1', node: 'v20.19.0' },
  ...{ fileSystem: 'ext4', helicorder: '0.1.0', measured: '2026-01-31T10:20:30.456Z' },
  mode: 'full' as const,
};

function row(id: string, figure: Row['figure'], value: number, reference: number | null): Row {
  const spec: RowSpec = {
    ...{ id, name: id, unit: 'µs', better: 'lower', gate: null },
    ...{ stretch: null, subject: 'ours' },
    ...(figure && { figure }),
    value: () => value,
    ...(reference !== null && { reference: { arm: 'theirs', value: () => reference } }),
  };
  const metrics = [
    ['ours', {}],
    ['theirs', {}],
  ] as const;
  return makeRow(spec, [new Map(metrics)], null);
}

const numbers = (svg: string): string[] =>
  [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text!.trim());

describe('the picture of a run', () => {
  it('has a panel for rows that belong together, with their numbers and references', () => {
    const figure = (at: string): Row['figure'] => ({ panel: 'lateness', at });
    const rows = [row('1-p50', figure('p50'), 45, 44), row('1-p99', figure('p99'), 116, 117)];
    const svg = pictureOf({ machine: MACHINE, rows })!;
    expect(svg).toMatch(/^<svg [^]*<\/svg>$/);
    expect(numbers(svg)).toEqual(expect.arrayContaining(['p50', 'p99', '45', '44', '116', '117']));
    expect(svg).toContain('lateness, µs');
    expect(svg).toContain('a &lt;fast&gt; processor');
  });

  it('draws nothing that was not measured, and no picture of nothing', () => {
    const skipped = { ...row('1-p50', { panel: 'lateness', at: 'p50' }, 1, 2), value: null };
    expect(pictureOf({ machine: MACHINE, rows: [skipped, row('7', null, 1, 2)] })).toBeUndefined();
  });

  it('draws growth from the least amount on, where one row knows both', () => {
    const figure = { panel: 'CPU', from: '32 sensors', at: '1024 sensors' };
    const svg = pictureOf({ machine: MACHINE, rows: [row('11-cpu', figure, 41, 8)] })!;
    expect(numbers(svg)).toEqual(expect.arrayContaining(['32 sensors', '1024 sensors', '8', '41']));
    expect(svg).not.toContain('blue');
  });

  it('shows an amount that grows by itself, not beside the least of it', () => {
    const at = (name: string, value: number): Row =>
      row(name, { panel: 'CPU', from: 'theirs 1', at: name }, value, 7);
    const svg = pictureOf({ machine: MACHINE, rows: [at('theirs 1', 7), at('ours 2', 31)] })!;
    expect(numbers(svg)).toEqual(expect.arrayContaining(['7', '31']));
    expect(svg).not.toContain('blue');
  });
});

describe('curves', () => {
  const tails = (late: number): Metrics =>
    tailsOf(10_000, (quantile) => late / Math.max(1e-4, 1 - quantile));
  const spec: RowSpec = {
    ...{ id: '1-p50', name: '1-p50', unit: 'µs', better: 'lower', gate: null, stretch: null },
    figure: { panel: 'lateness', at: 'p50' },
    ...{ curve: true, subject: 'ours', value: () => 1 },
    reference: { arm: 'theirs', value: () => 1 },
  };

  it('are drawn in place of bars, with numbers at p50, p90, p99, p99.9', () => {
    const rounds = [1, 3, 2].map((late) => {
      return new Map([
        ['ours', tails(late)],
        ['theirs', tails(10 * late)],
      ]);
    });
    const svg = pictureOf({ machine: MACHINE, rows: [makeRow(spec, rounds, null)] })!;
    const written = ['4', '20', '200', '2000', '40', 'p90', 'p99', 'p99.9'];
    expect(numbers(svg)).toEqual(expect.arrayContaining(written));
    expect(svg).toContain('orange: theirs');
  });

  it('end where a round has no value beyond', () => {
    const rounds = [100, 10_000].map((count) => {
      return new Map([
        ['ours', tailsOf(count, () => 1)],
        ['theirs', tailsOf(10_000, () => 1)],
      ]);
    });
    expect(makeRow(spec, rounds, null).curve!.tails.at(-1)).toBe(0.01);
  });
});

describe('rows', () => {
  it('are all drawn, those of a panel in one unit and each in its place', () => {
    for (const experiments of [EXPERIMENTS, GROWTH]) {
      const places = new Set<string>();
      const units = new Map<string, string>();
      for (const { id, figure, unit } of experiments.flatMap(({ rows }) => rows)) {
        const { panel, at } = figure ?? { panel: `${id} is not drawn`, at: '' };
        expect(panel).not.toContain('is not drawn');
        expect(units.get(panel) ?? unit, panel).toBe(unit);
        units.set(panel, unit);
        expect(places, `${panel}, ${at}`).not.toContain(`${panel}, ${at}`);
        places.add(`${panel}, ${at}`);
      }
    }
  });

  const all = [...EXPERIMENTS, ...GROWTH];

  it('have ids of their own', () => {
    const ids = all.flatMap(({ rows }) => rows.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('ask only for arms that their experiment has', () => {
    for (const { arms, rows } of all) {
      const names = arms.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const { subject, reference } of rows) {
        expect(names).toEqual(expect.arrayContaining([subject, reference?.arm ?? subject]));
      }
    }
  });

  it('cover every number of the table of gates', () => {
    const numbers = new Set(
      EXPERIMENTS.flatMap(({ rows }) => rows.map(({ id }) => id.split('-')[0])),
    );
    for (let i = 1; i <= 14; i++) expect(numbers).toContain(String(i));
  });
});
