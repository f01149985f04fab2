import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  decodeColumn,
  decodeColumnInto,
  decodeIntegersInto,
  decodeIntegersReference,
  encodeColumn,
  encodeColumnDense,
  encodeIntegers,
  encodeIntegersDense,
} from '../../engine/codecs/codec.ts';
import type { Column, EncodedColumn, ValueType } from '../../engine/codecs/codec.ts';
import { CODEC } from '../../engine/codecs/column.ts';

/** Values of each type as a column holds them, from all 64 bits of a number. */
const TYPES: Readonly<Record<ValueType, (bits: bigint[]) => Column>> = {
  i8: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asIntN(8, b))),
  u8: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asUintN(8, b))),
  i16: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asIntN(16, b))),
  u16: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asUintN(16, b))),
  i32: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asIntN(32, b))),
  u32: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asUintN(32, b))),
  i64: (bits) => BigInt64Array.from(bits),
  u64: (bits) => BigUint64Array.from(bits),
  f32: (bits) => Float64Array.from(bits, (b) => Math.fround(Number(BigInt.asIntN(12, b)) / 100)),
  f64: (bits) => Float64Array.from(bits, (b) => Number(BigInt.asIntN(40, b)) / 1000),
};

const cases = fc.record({
  type: fc.constantFrom(...(Object.keys(TYPES) as ValueType[])),
  bits: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 600 }),
  width: fc.integer({ min: 0, max: 64 }),
});

function columnOf({ type, bits, width }: { type: ValueType; bits: bigint[]; width: number }) {
  return { type, values: TYPES[type](bits.map((b) => BigInt.asUintN(width, b))) };
}

describe('dense columns', () => {
  test('a column of any type comes back, and is never longer than the log would have it', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { type, values } = columnOf(given);
        const column = encodeColumnDense(type, values);
        expect(decodeColumn(type, column, values.length)).toEqual(values);
        expect(column.bytes.length).toBeLessThanOrEqual(encodeColumn(type, values).bytes.length);
      }),
      { numRuns: 200 },
    );
  });

  test('any doubles come back bit for bit', () => {
    fc.assert(
      fc.property(fc.float64Array({ maxLength: 200 }), (values) => {
        const back = decodeColumn('f64', encodeColumnDense('f64', values), values.length);
        values.forEach((value, i) => expect(Object.is(back[i], value)).toBe(true));
      }),
    );
  });

  test('columns are decoded into parts of a longer one, and touch nothing beside it', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { type, values } = columnOf(given);
        const long = TYPES[type](new Array<bigint>(values.length + 4).fill(5n));
        const expected = long.slice();
        expected.set(values as never, 2);
        for (const encode of [encodeColumn, encodeColumnDense]) {
          const into = long.subarray(2, 2 + values.length);
          decodeColumnInto(type, encode(type, values), into);
          expect(long).toEqual(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a column is decoded only into an array of its type', () => {
    const column = encodeColumnDense('i64', BigInt64Array.of(1n, 2n));
    expect(() => decodeColumnInto('i64', column, new Float64Array(2))).toThrow('BigInt64Array');
  });

  test('integers are decoded into a part as well', () => {
    const into = BigInt64Array.of(9n, 0n, 0n, 9n);
    decodeIntegersInto(encodeIntegersDense(BigInt64Array.of(-1n, 7n)), into.subarray(1, 3));
    expect(into).toEqual(BigInt64Array.of(9n, -1n, 7n, 9n));
  });

  test('floats that are integers in disguise are dense inside', () => {
    const normal = normals(152_983);
    const values = Float64Array.from(
      { length: 4000 },
      () => (Math.round(3 * normal()) + 0) * 0.152983,
    );
    const { codec, bytes } = encodeColumnDense('f64', values);
    expect(codec).toBe(CODEC.scaled);
    // divisor, scale, then the inner codec
    expect(bytes[16]).toBe(CODEC.rans);
    expect(bytes.length).toBeLessThan(0.95 * encodeColumn('f64', values).bytes.length);
  });
});

/** What a value of these columns may need, in bytes; the log's codecs need more for each. */
describe('bytes per value', () => {
  const normal = normals(20_260_729);
  const expectations: [string, number, (i: number) => number][] = [
    ['a counter that stands still for 300 ticks at a time', 0.008, (i) => Math.floor(i / 300)],
    ['an axis at rest', 0.23, () => Math.round(0.8 * normal())],
    [
      'lateness: log-normal, a few outliers',
      2.05,
      (i) => {
        const nanos = 44_000 * Math.exp(0.35 * normal());
        return Math.round(i % 300 === 7 ? 40 * nanos : nanos);
      },
    ],
    ['times that jitter by 3 µs', 1.8, (i) => 625_000 * i + Math.round(3000 * normal())],
    ['quiet and lively by turns', 0.9, (i) => Math.round(normal() * (i & 1024 ? 2 : 300))],
  ];

  test.each(expectations)('%s: at most %d', (_name, most, at) => {
    const values = BigInt64Array.from({ length: 16_000 }, (_, i) => BigInt(at(i)));
    const dense = encodeIntegersDense(values).bytes.length / values.length;
    expect(dense).toBeLessThan(most);
    expect(dense).toBeLessThan(encodeIntegers(values).bytes.length / values.length);
  });
});

/** Standard normal numbers: Box–Muller over a Lehmer generator (48271 mod 2^31 − 1). */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

interface GoldenColumn {
  codec: number;
  hex: string;
  /** decimal, one space between */
  values: string;
}

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/dense-v1.json', import.meta.url), 'utf8'),
) as Record<string, GoldenColumn>;

describe('the golden file', () => {
  test('has every dense codec', () => {
    const codecs = new Set(Object.values(golden).map(({ codec }) => codec));
    expect(codecs).toEqual(new Set([CODEC.rans, CODEC.deltaRans, CODEC.delta2Rans]));
  });

  test.each(Object.entries(golden))('%s is read as on the day it was written', (_name, column) => {
    const values = BigInt64Array.from(column.values.split(' '), BigInt);
    const bytes = new Uint8Array(Buffer.from(column.hex, 'hex'));
    const encoded: EncodedColumn = { codec: column.codec, bytes };
    expect(decodeColumn('i64', encoded, values.length)).toEqual(values);
    expect(decodeIntegersReference(encoded, values.length)).toEqual(values);
  });
});
