import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkInCommon, compare, readBaseline } from '../../../bench/baseline.ts';
import type { Baseline } from '../../../bench/baseline.ts';
import { EXPERIMENTS } from '../../../bench/experiments.ts';
import { BASELINE_PATH } from '../../../bench/files.ts';
import { makeRow, wantedRows } from '../../../bench/harness.ts';
import type { Row, RowSpec } from '../../../bench/harness.ts';
import type { Report } from '../../../bench/report.ts';

const MACHINE = {
  ...{ cpu: 'a processor', cores: 2, memoryMib: 1024, kernel: '6.1', node: 'v20.19.0' },
  ...{ fileSystem: 'ext4', helicorder: '0.1.0', measured: '2026-01-31T10:20:30.456Z' },
  mode: 'full' as const,
};

/** A row with this ratio; of `null` one without a reference, and the value 60. */
function row(ratio: number | null, changes: Partial<RowSpec> = {}): Row {
  const spec: RowSpec = {
    ...{ id: '1-p99', name: 'lateness', unit: 'µs', better: 'lower', gate: 2 },
    ...{ stretch: null, subject: 'ours', value: () => ratio ?? 60 },
    ...(ratio !== null && { reference: { arm: 'theirs', value: () => 1 } }),
    ...changes,
  };
  const round = new Map([
    ['ours', {}],
    ['theirs', {}],
  ]);
  return makeRow(spec, [round], null);
}

const skipped = (id: string): Row => ({
  ...row(null, { id }),
  ...{ value: null, skipped: 'no cyclictest' },
});
const report = (...rows: Row[]): Report => ({ machine: MACHINE, rows });
const compared = (now: Row[], then: Row[]): ReturnType<typeof compare> =>
  compare(report(...now), report(...then), 'old.json');
const worse = (now: Row, then: Row): string[] => compared([now], [then]).worse;

describe('a comparison with the baseline', () => {
  it('allows 15 % and no more', () => {
    expect(worse(row(1.14), row(1))).toEqual([]);
    expect(worse(row(1.16), row(1))).toEqual(['1-p99 lateness: 1.16, was 1 (lower is better)']);
  });

  it('knows which way is worse', () => {
    const higher = { better: 'higher' } as const;
    expect(worse(row(0.5), row(1))).toEqual([]);
    expect(worse(row(2, higher), row(1, higher))).toEqual([]);
    expect(worse(row(0.5, higher), row(1, higher))).toEqual([
      '1-p99 lateness: 0.5, was 1 (higher is better)',
    ]);
  });

  it('is about each ratio, with or without a gate', () => {
    expect(worse(row(9, { gate: null }), row(1, { gate: null }))).toHaveLength(1);
  });

  it('is about values only where there is no ratio, and other load does not move them', () => {
    const now = (value: number, steady: boolean): Row =>
      row(null, { id: '7', value: () => value, steady });
    const both = (steady: boolean): string[] =>
      compared([row(1), now(900, steady)], [row(1), now(60, steady)]).worse;
    expect(both(false)).toEqual([]);
    expect(both(true)).toEqual(['7 lateness: 900, was 60 (lower is better)']);
  });

  it('shows a maximum that has grown, and does not fail for it', () => {
    const { lines, worse: fails } = compared([row(9, { maximum: true })], [row(1)]);
    expect(fails).toEqual([]);
    expect(lines.join('\n')).toContain('9, was 1 (lower is better); a maximum fails nothing');
  });

  it('says how many rows it is about, and names those it is not about', () => {
    const now = [row(1), row(1, { id: '2' }), skipped('3'), row(1, { id: '4' }), skipped('5')];
    const then = [row(1), row(1, { id: '3' }), row(1, { id: '4', name: 'something else' })];
    const { compared: count, lines } = compared(now, then);
    expect(count).toBe(1);
    expect(lines).toContain(
      'compared 1 rows with old.json; 1 not in it: 2; 1 of another name in it: 4; ' +
        '1 in it, skipped now: 3',
    );
  });

  it('says how old the baseline is, and on what it was measured', () => {
    const old = { ...MACHINE, measured: '2026-01-11T08:00:00.000Z' };
    const { lines } = compare(report(row(1)), { machine: old, rows: [row(1)] }, 'old.json');
    expect(lines[0]).toBe(
      'old.json is of 2026-01-11, 20 days before this run: ' +
        'a processor, 2 cores, Node v20.19.0, full run',
    );
  });

  it('of no row at all is an error, and not a run without a worse one', () => {
    const nothing = { ...row(null), ratio: null };
    for (const [now, then] of [
      [row(1), row(1, { id: '2' })],
      [row(1), nothing],
      [skipped('1-p99'), row(1)],
    ] as const) {
      expect(() => compared([now], [then])).toThrow(/old\.json: it has no row/);
    }
  });

  it('is known to be about nothing before anything is measured', () => {
    const check = (filter: string): void =>
      checkInCommon(wantedRows(EXPERIMENTS, filter), readBaseline(BASELINE_PATH), 'old.json');
    expect(() => check('1,14')).not.toThrow();
    expect(() => check('14')).toThrow(/old\.json: it has no row/);
  });
});

describe('the file of a baseline', () => {
  const dir = mkdtempSync(join(tmpdir(), 'helicorder-baseline-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  function read(content: string): Baseline {
    const path = join(dir, 'kept.json');
    writeFileSync(path, content);
    return readBaseline(path);
  }

  it('is what --json has printed', () => {
    expect(read(JSON.stringify(report(row(1), skipped('3')))).rows).toHaveLength(2);
  });

  it.each([
    ['', 'it is not JSON'],
    ['{"machine":', 'it is not JSON'],
    ['{}', 'machine: '],
    ['null', 'the whole: '],
    [JSON.stringify({ ...report(), rows: {} }), 'rows: '],
    [JSON.stringify(report()), 'rows: there is none'],
    [JSON.stringify({ machine: MACHINE, rows: [{ id: '1' }] }), 'rows.0.name: '],
    [
      JSON.stringify({ ...report(row(1)), machine: { ...MACHINE, measured: 'then' } }),
      'machine.measured: no time',
    ],
  ])('that holds %s is refused, with its name and what was expected', (content, what) => {
    const message = new RegExp(`--compare .*kept\\.json: ${what}.*expected.*{machine, rows}`);
    expect(() => read(content)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }),
    );
  });

  it('that is not there, or cannot be read, is refused in the same way', () => {
    expect(() => readBaseline(join(dir, 'none'))).toThrow(/none: there is no such file; expected/);
    expect(() => readBaseline(dir)).toThrow(/cannot be read \(EISDIR\); expected/);
  });

  it('that is committed can be read', () => {
    expect(readBaseline(BASELINE_PATH).rows.length).toBeGreaterThan(20);
  });
});
