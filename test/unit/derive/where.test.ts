/** Expressions over channels: what they mean, and what is said about those that mean nothing. */
import { describe, expect, test } from 'vitest';
import type { Channel, Schema } from '../../../engine/batch/schema.ts';
import type { Column } from '../../../engine/batch/samples.ts';
import { Where } from '../../../engine/derive/where.ts';

const channel = (name: string, type: Channel['type'], scale = 1, offset = 0): Channel => {
  return { name, type, unit: '', scale, offset };
};
const SCHEMA: Schema = {
  kind: 'samples',
  channels: [
    channel('X', 'i16', 0.5, 1),
    channel('Level', 'f64'),
    channel('Wide', 'u64'),
    channel('Signed', 'i64', -2),
    channel('x-axis (g)', 'f32'),
  ],
};
const COLUMNS: Column[] = [
  Float64Array.of(0, 2, -4, 6),
  Float64Array.of(1.5, NaN, -0, Infinity),
  BigUint64Array.of(0n, 1n, 2n ** 63n, 2n ** 64n - 1n),
  BigInt64Array.of(-1n, 0n, 1n, -(2n ** 62n)),
  Float64Array.of(0.25, 0.5, 0.75, 1),
];

/** Which of four rows are kept. */
function kept(text: string): string {
  const where = new Where(text).bind(SCHEMA, 'USAGE');
  const columns = where.channels.map((place) => COLUMNS[place]!);
  return [...where.mask(columns, 4)].join('');
}

describe('an expression', () => {
  test.each([
    // X is 1, 2, −1, 4
    ['X > 1', '0101'],
    ['X >= 1 && X != 2', '1001'],
    ['X == 1 || X == -1', '1010'],
    ['!(X > 1)', '1010'],
    ['X + 1 * 2 == 4', '0100'],
    ['(X + 1) * 2 == 4', '1000'],
    ['X % 2 == 0', '0101'],
    ['X ** 2 >= 4', '0101'],
    ['-X < 0 ? X : X == -1', '1111'],
    ['X > 1 ? Level > 0 : 1', '1011'],
    ['abs(X) == 1', '1010'],
    ['min(X, 1, 0) < 0', '0010'],
    ['max(X, 3) == 3', '1110'],
    ['sqrt(X) == 2', '0001'],
    ['floor(X / 3) == 0', '1100'],
    ['hypot(X, 3) == 5', '0001'],
    ['sign(X) + round(0.4) + trunc(-0.5) + ceil(0.1) == 2', '1101'],
    ['log2(X) + exp(0) + log10(1) + log(1) == 2', '0100'],
    ['X', '1111'],
    ['true', '1111'],
    ['0', '0000'],
    // what cannot be compared is not kept
    ['Level < 100', '1010'],
    ['Level != 1.5', '0011'],
    ['Level == Level', '1011'],
    ['!(Level == Level)', '0100'],
    ['Level', '1001'],
    ['Level - Level == 0', '1010'],
    // 64 bits as doubles; Signed × −2
    ['Wide >= 9e18', '0011'],
    ['Signed == 2', '1000'],
    ['Signed > 1e18', '0001'],
    ['"x-axis (g)" > 0.5', '0011'],
    ["'x-axis (g)' > 0.5 && X > 0", '0001'],
  ])('%s', (text, rows) => {
    expect(kept(text)).toBe(rows);
  });

  test('asks only for the channels that it names, each once', () => {
    const where = new Where('Wide > X && X > 0');
    expect(where.names).toEqual(['Wide', 'X']);
    expect(where.bind(SCHEMA, 'USAGE').channels).toEqual([2, 0]);
  });

  test.each([
    ['', 'expected an expression, such as Temp > 20'],
    ['X >', 'Expected expression after >'],
    ['X = 1', 'equal is =='],
    ['X === 1', 'no operator ===; did you mean ==?'],
    ['X & 1', 'no operator &'],
    ['X 1', 'an operator is missing'],
    ['X; 1', 'an operator is missing'],
    ['0 < X < 1', '(a < b) && (b < c)'],
    ['flor(X)', 'no function flor; did you mean floor?'],
    ['sqrt(X, 1)', 'takes one argument, not 2'],
    ['min()', 'needs an argument'],
    ['constructor(X)', 'no function constructor'],
    ['X.constructor', 'is quoted: "x.y" > 3'],
    ['this', 'expected numbers, channels, operators and functions'],
    ['[X]', 'expected numbers'],
    ['null', 'null is no number'],
    ['~X', 'no operator ~'],
    ['X @ 1', 'Unexpected "@"'],
    ['X + '.repeat(2000), 'at most 4096 characters'],
  ])('%s is none', (text, sentence) => {
    expect(() => new Where(text)).toThrow(RangeError);
    expect(() => new Where(text)).toThrow(sentence);
  });

  test.each(['USAGE', 'CONFIG'] as const)('names no other channels: %s', (code) => {
    const misspelled = (): unknown => new Where('Levle > 1').bind(SCHEMA, code);
    expect(misspelled).toThrow('there is no channel Levle; did you mean Level?');
    expect(misspelled).toThrow(expect.objectContaining({ code }));
    expect(() => new Where('__proto__ > 1').bind(SCHEMA, code)).toThrow('there are X, Level, Wide');
  });

  test('has no meaning for opaque events', () => {
    const bind = (): unknown => new Where('X > 1').bind({ kind: 'opaque' }, 'USAGE');
    expect(bind).toThrow('opaque events have no channels');
  });
});
