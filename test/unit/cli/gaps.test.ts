/** How `helicorder gaps` prints a few gaps, and how it prints more than anybody counts. */
import { expect, test } from 'vitest';
import type { GapsPiece } from '../../../engine/tools/gaps.ts';
import type { GapReport, GapsReport } from '../../../engine/tools/types.ts';
import { call } from '../../support/program.ts';

const Store = { open: () => ({ close: () => undefined }) };

const gapAt = (place: number): GapReport => ({
  reason: 'late',
  firstOffset: String(place),
  firstTick: String(2 * place),
  ticks: '1',
  ...{ seconds: 0.001, minSeconds: null, maxSeconds: null },
});

const REST: NonNullable<GapsPiece['rest']> = {
  stream: 'a/b',
  ...{ firstTimestampNanos: null, lastTimestampNanos: null },
  ...{ ticksScheduled: '3', samples: '1', gapTicks: '2', balanced: true, imbalances: [] },
  gapsByReason: [{ reason: 'late', gaps: 2, ticks: '2' }],
  ...{ nominalHz: 1000, measuredHz: null, deltaMicros: null, latenessMicros: null },
};

/** `count` gaps in pieces of `size`. */
function piecesOf(count: number, size: number): GapsPiece[] {
  const all = Array.from({ length: count }, (_, place) => gapAt(place));
  const pieces: GapsPiece[] = [];
  for (let from = 0; from < count; from += size)
    pieces.push({ gaps: all.slice(from, from + size) });
  const last = pieces.pop() ?? { gaps: [] };
  return [...pieces, { ...last, rest: REST }];
}

async function printed(words: string, pieces: GapsPiece[], rest = REST): Promise<string> {
  const given = pieces.map((piece) => (piece.rest ? { ...piece, rest } : piece));
  const gapPieces = () => given;
  const { code, out } = await call(`gaps a/b ${words}`, { Store, gapPieces });
  expect(code).toBe(rest.balanced ? 0 : 65);
  return out;
}

test.each([0, 1, 5, 30])(
  '--json prints one document of %i gaps, in however many pieces',
  async (n) => {
    for (const size of [1, 7, 100]) {
      const pieces = piecesOf(n, size);
      const report: GapsReport = { ...REST, gaps: pieces.flatMap(({ gaps }) => gaps) };
      expect(JSON.parse(await printed('--json', pieces))).toEqual(report);
    }
  },
);

test('a few gaps stand in a table, behind what is said of all', async () => {
  const lines = (await printed('', piecesOf(2, 1000))).split('\n');
  expect(lines[0]).toBe('a/b: 1 samples of 3 ticks scheduled');
  expect(lines[4]).toMatch(/^│ reason │ offset │ first tick │ ticks │ seconds │$/);
  expect(lines[8]).toMatch(/^│ late +│ 1 +│ 2 +│ 1 +│ 0.001 +│$/);
  expect(lines.at(-2)).toBe('1 samples + 2 ticks in gaps = 3 ticks scheduled: balanced');
});

test('many stand in lines of fixed columns, before it', async () => {
  const lines = (await printed('', piecesOf(2500, 1000))).split('\n');
  expect(lines[0]).toMatch(/^reason +offset +first tick +ticks +seconds$/);
  const gaps = lines.slice(1, 2501);
  expect(new Set([...gaps, lines[0]!].map(({ length }) => length)).size).toBe(1);
  expect(gaps[2499]).toMatch(/^late +2499 +4998 +1 +0.001$/);
  expect(lines[2501]).toBe('a/b: 1 samples of 3 ticks scheduled');
  expect(lines.at(-2)).toContain('balanced');
});

test('an account that does not balance is exit 65', async () => {
  const out = await printed('', piecesOf(1, 1), { ...REST, balanced: false });
  expect(out).toContain('NOT balanced');
});
