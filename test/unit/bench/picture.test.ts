import { describe, expect, it } from 'vitest';
import { EXPERIMENTS } from '../../../bench/experiments.ts';
import { GROWTH } from '../../../bench/growth.ts';
import type { Row, RowSpec } from '../../../bench/harness.ts';
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

  it('shows an amount that grows by itself, not beside the least of it', () => {
    const at = (name: string, value: number): Row => ({
      ...row(name, { panel: 'CPU', at: name }, value, 7),
      against: 'theirs 1',
    });
    const svg = pictureOf({ machine: MACHINE, rows: [at('theirs 1', 7), at('ours 2', 31)] })!;
    expect(numbers(svg)).toEqual(expect.arrayContaining(['7', '31']));
    expect(svg).not.toContain('blue');
  });
});

describe('rows', () => {
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
