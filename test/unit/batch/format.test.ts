import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeBatch,
  decodeEvents,
  decodeGap,
  decodeTimes,
  encodeBatch,
  encodeEvents,
  encodeGap,
  encodeTimes,
  recordsOf,
} from '../../../engine/batch/format.ts';
import { latenessBucket } from '../../../engine/batch/ledger.ts';
import { packEvents, unpackEvents } from '../../../engine/batch/opaque.ts';
import { canonicalSchema, parseSchema, schemaId } from '../../../engine/batch/schema.ts';
import type { Schema } from '../../../engine/batch/schema.ts';

const COLUMN = { codec: 1, bytes: Uint8Array.of(2) };
const TIMES = {
  t0Nanos: 123_456_789_012n,
  periodNanos: 1_000_000n,
  resolutionNanos: 1n,
  utcOffsetNanos: -5n,
  firstTick: 7,
  ticks: 14,
  rows: 10,
  gaps: [
    { rowsBefore: 0, reason: 'late', ticks: 1, nanos: 0n },
    { rowsBefore: 4, reason: 'suspended', ticks: 0, nanos: 99n },
    { rowsBefore: 4, reason: 'overflow', ticks: 3, nanos: 0n },
  ],
  histogram: [
    [0, 4],
    [17, 6],
  ],
  time: COLUMN,
} satisfies Parameters<typeof encodeTimes>[0];
const BATCH = {
  timesDistance: 3,
  run: 12,
  firstSeq: 1000,
  firstOffset: 2 ** 40,
  ordinal: 990,
  samples: 7,
  failed: [
    { firstRow: 1, rows: 2 },
    { firstRow: 9, rows: 1 },
  ],
  columns: [COLUMN, { codec: 2, bytes: Uint8Array.of(1, 2, 3) }],
};
const EVENTS = {
  run: 1,
  firstSeq: 2,
  firstOffset: 3,
  events: 1,
  utcNanos: -1n,
  lengths: COLUMN,
  rawBytes: 3,
  compressed: false,
  bytes: Uint8Array.of(7, 8, 9),
};
const GAP = {
  reason: 'crash',
  run: 4,
  firstSeq: 5,
  firstOffset: 6,
  records: 1,
  ticks: { first: 7, count: 8 },
  bounds: { minNanos: 9n, maxNanos: 2n ** 63n },
} satisfies Parameters<typeof encodeGap>[0];

const ENTRIES = [
  { name: 'times', decode: decodeTimes, encoded: encodeTimes(TIMES), entry: TIMES },
  { name: 'batch', decode: decodeBatch, encoded: encodeBatch(BATCH), entry: BATCH },
  { name: 'events', decode: decodeEvents, encoded: encodeEvents(EVENTS), entry: EVENTS },
  { name: 'gap', decode: decodeGap, encoded: encodeGap(GAP), entry: GAP },
] as const;

describe.each(ENTRIES)('$name entry', ({ name, decode, encoded, entry }) => {
  test('comes back as it was', () => {
    expect(decode(encoded)).toEqual(entry);
  });

  test('cut anywhere it is DAMAGED', () => {
    for (let length = 0; length < encoded.length; length++) {
      expect(() => decode(encoded.slice(0, length))).toThrow(
        expect.objectContaining({ code: 'DAMAGED' }),
      );
    }
  });

  test('with a byte more it is DAMAGED', () => {
    expect(() => decode(Uint8Array.of(...encoded, 0))).toThrow(name);
  });

  test('any bytes behind its first two decode or are DAMAGED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decode(Uint8Array.of(...encoded.subarray(0, 2), ...bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'DAMAGED' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test('records are samples, the gaps of the group and failed ranges', () => {
  expect(recordsOf(TIMES, BATCH)).toBe(7 + 3 + 2);
  expect(() => recordsOf(TIMES, { ...BATCH, samples: 8 })).toThrow('rows');
});

test('a times entry whose ticks do not add up is DAMAGED', () => {
  const encoded = encodeTimes({ ...TIMES, gaps: [], ticks: 10 });
  const at = encoded.indexOf(10, 10);
  encoded[at] = 11;
  expect(() => decodeTimes(encoded)).toThrow('ticks are not rows and gaps together');
});

test('lateness falls into the bucket of its highest bit', () => {
  const cases = [0, 1, 2, 3, 4, 1000, 2 ** 31, 2 ** 32, 2 ** 40 - 1, 2 ** 40];
  const buckets = cases.map(latenessBucket);
  expect(buckets).toEqual([0, 1, 2, 2, 3, 10, 32, 33, 40, 41]);
  expect(latenessBucket(-5)).toBe(0);
});

describe('opaque events', () => {
  const identity = { run: 1, firstSeq: 1, firstOffset: 0, utcNanos: 5n };

  test('come back byte by byte, empty ones too', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 }), (events) => {
        const payload = encodeEvents(packEvents(events, identity));
        const back = unpackEvents(decodeEvents(payload)).map((event) => Uint8Array.from(event));
        expect(back).toEqual(events.map((event) => Uint8Array.from(event)));
      }),
    );
  });

  test('a forged raw length is refused', () => {
    const entry = packEvents([new Uint8Array(1000)], identity);
    expect(entry.compressed).toBe(true);
    expect(() => unpackEvents({ ...entry, rawBytes: 999 })).toThrow('lengths are not the bytes');
    const bytes = Uint8Array.from(entry.bytes);
    bytes[3] = 0x7f;
    expect(() => unpackEvents({ ...entry, bytes })).toThrow('another length');
  });
});

describe('schema', () => {
  const CHANNEL = { name: 'RxBytes', type: 'u64' as const, unit: 'B', scale: 1, offset: 0 };
  const schema: Schema = { kind: 'samples', channels: [CHANNEL] };
  const canonical =
    '{"kind":"samples","channels":[' +
    '{"name":"RxBytes","type":"u64","unit":"B","scale":1,"offset":0}]}';

  test('has one canonical form, and its id is the hash of that', () => {
    expect(canonicalSchema(schema)).toBe(canonical);
    expect(parseSchema(canonical)).toEqual(schema);
    expect(schemaId(schema)).toMatch(/^[0-9a-f]{32}$/);
    expect(schemaId(schema)).not.toBe(schemaId({ kind: 'opaque' }));
  });

  test('what is stored is read whatever the names of its channels', () => {
    const twice: Schema = { kind: 'samples', channels: [CHANNEL, CHANNEL] };
    expect(parseSchema(canonicalSchema(twice))).toEqual(twice);
    const long = canonical.replace('RxBytes', 'x'.repeat(256));
    expect(canonicalSchema(parseSchema(long))).toBe(long);
  });

  test.each([
    'null',
    '{}',
    '{"kind":"samples","channels":[]}',
    canonical.replace('u64', 'u128'),
    canonical.replace('"RxBytes"', '""'),
    canonical.replace('"scale":1', '"scale":"1"'),
    canonical.replace(',', ', '),
    canonical.slice(0, -1),
  ])('%s is DAMAGED', (text) => {
    expect(() => parseSchema(text)).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
  });
});
