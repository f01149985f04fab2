import { describe, expect, it } from 'vitest';
import type { Row } from '../../../bench/harness.ts';
import { failedRows, short, summaryOf, tableOf, verdictOf } from '../../../bench/report.ts';
import type { Report } from '../../../bench/report.ts';

const MACHINE = {
  ...{ cpu: 'a processor', cores: 2, memoryMib: 1024, kernel: '6.1', node: 'v20.19.0' },
  ...{ fileSystem: 'ext4', helicorder: '0.1.0', measured: '2026-01-31T10:20:30.456Z' },
  mode: 'full' as const,
};

function row(changes: Partial<Row> = {}): Row {
  return {
    ...{
      id: '1-p99',
      name: 'lateness',
      value: 60,
      reference: 50,
      ratio: 1.2,
      gate: 2,
      stretch: 1.3,
    },
    ...{ pass: true, skipped: null, unit: 'µs', better: 'lower', against: 'cyclictest' },
    ...{ stretchReached: true, valueRange: [50, 70], referenceRange: [40, 60], rounds: 5 },
    ...{
      ratioRange: [1.1, 1.3],
      interval: [1.1, 1.3],
      confidence: 0.9375,
      steady: false,
      maximum: false,
      figure: null,
      curve: null,
    },
    load: { seconds: 9, stealPercent: 1.5, otherPercent: 30 },
    ...changes,
  };
}

const report = (...rows: Row[]): Report => ({ machine: MACHINE, rows });

describe('a run', () => {
  it('fails for a missed ratio; not for a slow machine, nor for what was skipped', () => {
    const missed = row({ id: '3', pass: false });
    const slow = row({ id: '3-absolute', pass: false, ratio: null });
    const skipped = row({ id: '4', pass: null, ratio: null, skipped: 'no fio' });
    expect(failedRows(report(row(), missed, slow, skipped))).toEqual([missed]);
  });
});

describe('what is printed', () => {
  it('has a line for each row, with its verdict', () => {
    const rows = [row(), row({ id: '2-missed', pass: false, stretchReached: false })];
    const lines = tableOf(report(...rows)).split('\n');
    expect(lines.find((line) => line.includes('1-p99'))).toMatch(/1\.2×.*≤ 2.*stretch/);
    expect(lines.find((line) => line.includes('2-missed'))).toContain('MISSED');
  });

  it('counts loudly what was left out, and says which gate was missed by how much', () => {
    const skipped = row({ id: '4', skipped: 'no fio', value: null, ratio: null, pass: null });
    const text = summaryOf(report(row(), row({ ratio: 3, pass: false }), skipped)).join('\n');
    expect(text).toContain('3 rows: 2 measured, 1 missed their gate');
    expect(text).toContain(
      'MISSED 1-p99 lateness: 3 times cyclictest, gate ≤ 2 (1.1–1.3 with 93.8 %)',
    );
    expect(text).toContain('SKIPPED 4 lateness: no fio');
    expect(text).toContain('1.5 % stolen, 30 % used by others');
  });

  it('claims nothing of the load where it was not measured', () => {
    const text = summaryOf(report(row({ load: null }))).join('\n');
    expect(text).toContain('time stolen, and used by others: not measured');
    expect(text).not.toContain('0 %');
  });

  it('never shows a skipped row as one that passed', () => {
    expect(verdictOf(row({ skipped: 'no fio' }))).toBe('SKIPPED');
    expect(verdictOf(row({ pass: null }))).toBe('');
    expect(verdictOf(row({ stretchReached: false }))).toBe('ok');
    expect(verdictOf(row({ pass: false, ratio: null }))).toBe('WARN');
  });

  it.each([
    [0.0655, '0.0655'],
    [1234, '1230'],
    [12_345, '12.3k'],
    [32_000_000, '32M'],
    [Infinity, 'Infinity'],
  ])('%s is written %s', (number, text) => {
    expect(short(number)).toBe(text);
  });
});
