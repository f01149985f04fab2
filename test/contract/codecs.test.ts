import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ColumnTable,
  decodeColumn,
  decodeIntegers,
  decodeIntegersReference,
  encodeColumn,
  encodeColumnDense,
  encodeDenseReference,
  encodeIntegers,
  encodeIntegersReference,
  joinColumns,
} from '../../engine/codecs/codec.ts';
import type { EncodedColumn, ValueType } from '../../engine/codecs/codec.ts';
import { encodeDense } from '../../engine/codecs/addon.ts';
import { DENSE_CODECS, FLOAT_CODECS, INTEGER_CODECS } from '../../engine/codecs/registry.ts';

const log = { reference: encodeIntegersReference, codecs: INTEGER_CODECS };
const dense = { reference: encodeDenseReference, codecs: DENSE_CODECS };
const IMPLEMENTATIONS = [
  { ...log, name: 'reference', encode: log.reference, decode: decodeIntegersReference },
  { ...log, name: 'addon', encode: encodeIntegers, decode: decodeIntegers },
  { ...dense, name: 'dense reference', encode: dense.reference, decode: decodeIntegersReference },
  { ...dense, name: 'dense addon', encode: encodeDense, decode: decodeIntegers },
] as const;

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/**
 * Columns as sensors make them: steps of some width, now and then an outlier, or mere noise; some
 * are quiet and lively by turns.
 */
const columns: fc.Arbitrary<BigInt64Array> = fc
  .record({
    count: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1500 })),
    first: fc.oneof(fc.constant(0n), int64),
    slope: fc.oneof(fc.constant(0n), fc.bigInt({ min: -1000n, max: 1000n }), int64),
    bits: fc.integer({ min: 0, max: 64 }),
    outliers: fc.integer({ min: 0, max: 20 }),
    quiet: fc.boolean(),
    order: fc.integer({ min: 0, max: 2 }),
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  })
  .map(({ count, first, slope, bits, outliers, quiet, order, seed }) => {
    const random = xorshift(seed);
    const values = BigInt64Array.from({ length: count }, (_, i) => {
      if (quiet && i & 64) return 0n;
      const wide = Number(random() % 1000n) < outliers ? 64 : bits;
      return BigInt.asIntN(64, BigInt.asUintN(wide, random()));
    });
    for (let i = 0; i < order; i++) {
      for (let k = 1; k < count; k++) values[k] = values[k]! + values[k - 1]!;
    }
    return values.map((value, i) => value + first + slope * BigInt(i));
  });

const aroundPower = (bits: number): bigint[] =>
  [-1n, 0n, 1n].map((by) => (1n << BigInt(bits)) + by);

function xorshift(seed: number): () => bigint {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n;
  return () => {
    state = BigInt.asUintN(64, state ^ (state << 13n));
    state ^= state >> 7n;
    state = BigInt.asUintN(64, state ^ (state << 17n));
    return state;
  };
}

describe.each(IMPLEMENTATIONS)('integers, $name', ({ reference, codecs, encode, decode }) => {
  test('a column comes back as it was', () => {
    fc.assert(
      fc.property(columns, (values) => {
        expect(decode(encode(values), values.length)).toEqual(values);
      }),
      { numRuns: 60 },
    );
  });

  test('the bytes are those of the reference', () => {
    fc.assert(
      fc.property(columns, (values) => {
        expect(encode(values)).toEqual(reference(values));
      }),
      { numRuns: 60 },
    );
  });

  test('so they are where values lie at both ends of the range', () => {
    for (const first of [
      2n ** 63n - 1n,
      -(2n ** 63n),
      2n ** 63n - 2n ** 28n,
      2n ** 28n - 2n ** 63n,
    ]) {
      const values = BigInt64Array.from(
        { length: 262 },
        (_, i) => first + BigInt(i & 64 ? 0 : 9 * i),
      );
      expect(encode(values)).toEqual(reference(values));
      expect(decode(encode(values), values.length)).toEqual(values);
    }
  });

  test('it reads what every codec writes, chosen or not', () => {
    fc.assert(
      fc.property(columns, (values) => {
        for (const codec of codecs) {
          const bytes = codec.encode(values);
          if (bytes === undefined) continue;
          expect(decode({ codec: codec.id, bytes }, values.length)).toEqual(values);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('a column cut short or made longer is refused', () => {
    const cases = fc.tuple(columns, fc.nat());
    fc.assert(
      fc.property(cases, ([values, cut]) => {
        fc.pre(values.length > 0);
        const { codec, bytes } = encode(values);
        const short = bytes.slice(0, cut % bytes.length);
        const long = Uint8Array.of(...bytes, 0);
        expect(() => decode({ codec, bytes: short }, values.length)).toThrow();
        expect(() => decode({ codec, bytes: long }, values.length)).toThrow();
      }),
      { numRuns: 40 },
    );
  });

  test('any bytes decode as in the reference, or are refused as there', () => {
    const cases = fc.record({
      codec: fc.integer({ min: 0, max: 11 }),
      bytes: fc.uint8Array({ maxLength: 60 }),
      count: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(cases, ({ codec, bytes, count }) => {
        const expected = outcome(() => decodeIntegersReference({ codec, bytes }, count));
        expect(outcome(() => decode({ codec, bytes }, count))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('one changed byte decodes as in the reference, or is refused as there', () => {
    const cases = fc.tuple(columns, fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(cases, ([values, at, change]) => {
        const column = encode(values);
        fc.pre(column.bytes.length > 0);
        column.bytes[at % column.bytes.length]! ^= change;
        const expected = outcome(() => decodeIntegersReference(column, values.length));
        expect(outcome(() => decode(column, values.length))).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  test('steps around what 32 bits are used for are those of the reference', () => {
    for (const step of [28, 29, 30, 31, 32, 33].flatMap(aroundPower)) {
      for (const count of [5, 128, 129, 600]) {
        const random = xorshift(count + Number(step));
        const values = BigInt64Array.from({ length: count }, () => {
          const draw = random();
          return ((draw % 3n) - 1n) * step + (draw >> 60n);
        });
        expect(encode(values)).toEqual(reference(values));
        expect(decode(encode(values), count)).toEqual(values);
      }
    }
  });

  test('the ends of the 64-bit range and a ramp over them', () => {
    const values = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 63n - 1n);
    expect(decode(encode(values), values.length)).toEqual(values);
    const ramp = BigInt64Array.from({ length: 600 }, (_, i) => 2n ** 63n - 300n + BigInt(i));
    expect(decode(encode(ramp), ramp.length)).toEqual(ramp);
    expect(encode(ramp).bytes.length).toBeLessThan(40);
  });
});

function outcome(decode: () => BigInt64Array): BigInt64Array | 'refused' {
  try {
    return decode();
  } catch {
    return 'refused';
  }
}

const FLOATS: { name: string; type: 'f32' | 'f64'; values: number[]; codec?: string }[] = [
  { name: 'nothing', type: 'f64', values: [] },
  { name: 'zero', type: 'f64', values: [0] },
  { name: 'decimals', type: 'f64', values: ramp(200, (i) => (i * 7) / 100), codec: 'scaled' },
  { name: 'steps', type: 'f64', values: ramp(200, (i) => (i % 17) * 0.152983), codec: 'scaled' },
  { name: 'negative zero', type: 'f64', values: ramp(64, (i) => (i % 2 ? -0 : 1)) },
  { name: 'NaN and infinities', type: 'f64', values: [NaN, Infinity, -Infinity, 1] },
  { name: 'the ends', type: 'f64', values: [5e-324, 1.7976931348623157e308, -5e-324] },
  { name: 'sine', type: 'f64', values: ramp(500, (i) => Math.sin(i / 20)) },
  { name: 'decimals', type: 'f32', values: ramp(300, (i) => Math.fround(i / 10)), codec: 'scaled' },
  { name: 'sine', type: 'f32', values: ramp(500, (i) => Math.fround(Math.sin(i / 20))) },
];

function ramp(count: number, at: (i: number) => number): number[] {
  return Array.from({ length: count }, (_, i) => at(i));
}

describe('floats', () => {
  test.each(FLOATS)('$name of $type comes back bit for bit', ({ type, values, codec }) => {
    const column = encodeColumn(type, Float64Array.from(values));
    const decoded = decodeColumn(type, column, values.length);
    expect(decoded.length).toBe(values.length);
    values.forEach((value, i) => expect(Object.is(decoded[i], value)).toBe(true));
    const name = FLOAT_CODECS.find(({ id }) => id === column.codec)!.name;
    if (codec !== undefined) expect(name).toBe(codec);
  });

  test('any doubles come back bit for bit, and are never longer than raw', () => {
    fc.assert(
      fc.property(fc.float64Array({ maxLength: 300 }), (values) => {
        const column = encodeColumn('f64', values);
        expect(column.bytes.length).toBeLessThanOrEqual(values.length * 8);
        expect(bits(decodeColumn('f64', column, values.length))).toEqual(bits(values));
      }),
    );
  });

  test('a forged size is refused before anything is allocated', () => {
    const column = encodeColumn('f64', Float64Array.from(ramp(500, (i) => Math.sin(i / 2000))));
    const shuffled = FLOAT_CODECS[1].encode(Float64Array.from(ramp(500, () => 0.1)), 'f64')!;
    shuffled.set([0xff, 0xff, 0xff, 0x7f]);
    expect(() => decodeColumn('f64', { codec: 6, bytes: shuffled }, 500)).toThrow('another length');
    expect(() => decodeColumn('f64', column, 501)).toThrow();
  });

  test('any bytes are decoded or refused as DAMAGED', () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 7 }), bytes, fc.nat(20), (codec, column, count) => {
        try {
          const decoded = decodeColumn('f64', { codec, bytes: column }, count);
          expect(decoded.length).toBe(count);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DAMAGED' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

function bits(values: ArrayLike<number | bigint>): BigUint64Array {
  return new BigUint64Array(Float64Array.from(values as ArrayLike<number>).buffer);
}

describe('columns of every type', () => {
  const cases: [ValueType, EncodedColumn['bytes'] | number[]][] = [
    ['i8', [-128, 127, 0]],
    ['u8', [0, 255, 7]],
    ['i16', [-32768, 32767, 5]],
    ['u16', [0, 65535, 5]],
    ['i32', [-(2 ** 31), 2 ** 31 - 1, 5]],
    ['u32', [0, 2 ** 32 - 1, 5]],
  ];

  test.each(cases)('%s holds its ends', (type, values) => {
    const column = encodeColumn(type, Float64Array.from(values));
    expect(decodeColumn(type, column, values.length)).toEqual(Float64Array.from(values));
  });

  test('u64 keeps its highest bit', () => {
    const values = BigUint64Array.of(2n ** 64n - 1n, 0n, 2n ** 63n);
    expect(decodeColumn('u64', encodeColumn('u64', values), 3)).toEqual(values);
  });

  test('raw integers are read in their own width', () => {
    const bytes = Uint8Array.of(0xff, 0xff, 0x01, 0x00);
    expect(decodeColumn('i16', { codec: 7, bytes }, 2)).toEqual(Float64Array.of(-1, 1));
    expect(() => decodeColumn('i16', { codec: 7, bytes }, 3)).toThrow('raw column');
  });
});

describe('columns that are joined', () => {
  /** Two streams' columns, of one and of two channels, flush by flush. */
  const flushes = fc.array(columns, { minLength: 1, maxLength: 8 });

  test('are one column of all their values', () => {
    fc.assert(
      fc.property(flushes, (parts) => {
        const table = new ColumnTable([1, 2]);
        for (const values of parts) {
          table.add([encodeIntegers(values)], values.length);
          table.add(
            [encodeDense(values), encodeIntegers(values.map((one) => -one))],
            values.length,
          );
        }
        const all = BigInt64Array.from(parts.flatMap((values) => [...values]));
        const same = encodeColumnDense('i64', all);
        expect(joinColumns('i64', table.of(0, 0), all.length)).toEqual(same);
        expect(joinColumns('i64', table.of(1, 0), all.length)).toEqual(same);
        const negative = encodeColumnDense(
          'i64',
          all.map((one) => -one),
        );
        expect(joinColumns('i64', table.of(1, 1), all.length)).toEqual(negative);
      }),
      { numRuns: 40 },
    );
  });

  test('are refused unless they are exactly the values there should be', () => {
    const table = new ColumnTable([1]);
    table.add([encodeIntegers(BigInt64Array.of(1n, 5n, 7n))], 3);
    table.add([{ codec: 2, bytes: Uint8Array.of(9, 9) }], 3);
    for (const count of [3, 6, 7]) {
      expect(() => joinColumns('i64', table.of(0, 0), count)).toThrow('joined columns');
    }
  });
});
