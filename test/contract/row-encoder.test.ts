import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeBatch, decodeTimes } from '../../engine/batch/format.ts';
import { REASONS } from '../../engine/batch/ledger.ts';
import type { GroupGap } from '../../engine/batch/ledger.ts';
import { decodeSamples, encodeSamples } from '../../engine/batch/samples.ts';
import type { Column, Cursor } from '../../engine/batch/samples.ts';
import { CHANNEL_TYPES, channelBytes } from '../../engine/batch/schema.ts';
import type { Channel, ChannelType } from '../../engine/batch/schema.ts';
import { decodeIntegers } from '../../engine/codecs/codec.ts';
import { raw } from '../../engine/codecs/raw.ts';
import { scaled } from '../../engine/codecs/scaled.ts';
import { RESULT, native } from '../../native/index.ts';
import { crc32cByDefinition } from '../support/crc32c.ts';
import { RingMemory, rowShape } from '../support/ring-memory.ts';
import type { RowShape } from '../support/ring-memory.ts';
import { integerScenes, visit, type RowStep, type Scene } from '../support/ring-scenes.ts';

const T0 = 5_000_000_000n;
const PERIOD = 1_000_000n;
const UTC_OFFSET = 1_700_000_000_000_000_000n;

const scenes = integerScenes({
  sources: 70,
  channels: 4,
  steps: { minLength: 0, maxLength: 60 },
});

const ALL_VALID = [true];

/** Decimals, steps of a device, one value, or anything. */
const floatValues = fc.oneof(
  fc
    .tuple(fc.array(fc.integer({ min: -1e6, max: 1e6 }), { maxLength: 600 }), fc.nat({ max: 10 }))
    .map(([whole, digits]) => whole.map((n) => n / 10 ** digits)),
  fc
    .tuple(fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 600 }), fc.double())
    .map(([whole, scale]) => whole.map((n) => n * scale)),
  fc.tuple(fc.double(), fc.nat({ max: 200 })).map(([value, n]) => Array<number>(n).fill(value)),
  fc.array(fc.double(), { maxLength: 200 }),
);
const floatRows = fc.record({
  type: fc.constantFrom('f32' as const, 'f64' as const),
  values: floatValues.filter(({ length }) => length > 0),
});

function bitsOf(type: 'f32' | 'f64', value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'f64') view.setFloat64(0, value, true);
  else view.setFloat32(0, value, true);
  return view.getBigUint64(0, true);
}

/** The value of a channel: `value` cut to its type. */
function cut(type: ChannelType, value: bigint): bigint {
  const bits = 8 * channelBytes(type);
  return type.startsWith('i') ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

function fill(ring: RingMemory, shape: RowShape, scene: Scene): void {
  visit(scene, {
    gap: (tick, ticks, reason, nanos) => ring.gap(tick, ticks, REASONS[reason], nanos),
    row: (tick, { latenessNanos, valid, value }) => {
      const values = scene.sources.map((types) => types.map(() => value));
      ring.row(shape, tick, T0 + BigInt(tick) * PERIOD + latenessNanos, valid, values);
    },
  });
}

function encodeByReference(scene: Scene, cursors: Cursor[]): Uint8Array[] {
  const rows: RowStep[] = [];
  const gaps: GroupGap[] = [];
  const times: bigint[] = [];
  visit(scene, {
    gap: (_, ticks, reason, nanos) =>
      void gaps.push({ rowsBefore: times.length, reason, ticks, nanos }),
    row: (tick, step) => {
      times.push(T0 + BigInt(tick) * PERIOD + step.latenessNanos);
      rows.push(step);
    },
  });
  return encodeSamples({
    t0Nanos: T0,
    periodNanos: PERIOD,
    resolutionNanos: scene.resolutionNanos,
    utcOffsetNanos: UTC_OFFSET,
    firstTick: scene.firstTick,
    timesNanos: BigInt64Array.from(times),
    gaps,
    sources: scene.sources.map((types, index) => ({
      channels: types.map(channelOf),
      columns: types.map((type) => columnOf(type, rows)),
      valid: rows.map((row) => row.valid[index]!),
      cursor: cursors[index]!,
    })),
  });
}

function channelOf(type: ChannelType, index: number): Channel {
  return { name: `c${index}`, type, unit: '', scale: 1, offset: 0 };
}

function columnOf(type: ChannelType, rows: RowStep[]): Column {
  const values = rows.map((row) => cut(type, row.value));
  if (type === 'u64') return BigUint64Array.from(values);
  return type === 'i64' ? BigInt64Array.from(values) : Float64Array.from(values, Number);
}

function encoderOf(ring: RingMemory, shape: RowShape, resolutionNanos: bigint) {
  return new native.RowEncoder({
    ring: ring.bytes,
    rowBytes: shape.rowBytes,
    validityOffset: shape.validityOffset,
    t0Nanos: T0,
    periodNanos: PERIOD,
    resolutionNanos,
    sources: shape.sources.map((channels) => ({
      channels: channels.map(({ type, rowOffset }) => ({
        type: CHANNEL_TYPES.indexOf(type),
        rowOffset,
      })),
    })),
  });
}

/** One call; the payloads, the cursors moved on. */
function drain(
  encoder: ReturnType<typeof encoderOf>,
  maxRows: number,
  cursors: Float64Array,
): { payloads: Uint8Array[]; result: Float64Array } {
  const at = 16;
  const out = new Uint8Array(at + encoder.bound(maxRows));
  const entries = new Uint32Array(2 + cursors.length / 2);
  const result = new Float64Array(RESULT.length);
  const count = encoder.encode(out, at, maxRows, UTC_OFFSET, cursors, entries, result);
  const payloads: Uint8Array[] = [];
  let from = at;
  for (let i = 0; i < count; i++) {
    const payload = out.slice(from, from + entries[2 * i]!);
    expect(crc32cByDefinition(payload)).toBe(entries[2 * i + 1]);
    payloads.push(payload);
    from += payload.length;
  }
  expect(from - at).toBe(count === 0 ? 0 : result[RESULT.bytes]);
  if (result[RESULT.rows]! > 0) {
    const { time, rows } = decodeTimes(payloads[0]!);
    const column = decodeIntegers(time, rows);
    const ends = [result[RESULT.firstColumnValue], result[RESULT.lastColumnValue]];
    expect(ends).toEqual([Number(column[0]), Number(column[rows - 1])]);
  }
  return { payloads, result };
}

function cursorsFor(sources: number): { numbers: Float64Array; objects: Cursor[] } {
  const objects = Array.from({ length: sources }, (_, i) => ({
    run: i + 1,
    nextSeq: 1,
    nextOffset: 100 * i,
    ordinal: 3,
  }));
  const numbers = objects.flatMap(({ run, nextSeq, nextOffset, ordinal }) => [
    ...[run, nextSeq, nextOffset, ordinal],
  ]);
  return { numbers: Float64Array.from(numbers), objects };
}

describe('the row encoder', () => {
  test('writes the bytes of the TypeScript encoder and moves the same cursors', () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const shape = rowShape(scene.sources);
        const ring = new RingMemory(2 ** 18);
        fill(ring, shape, scene);
        const { numbers, objects } = cursorsFor(scene.sources.length);
        const { payloads } = drain(encoderOf(ring, shape, scene.resolutionNanos), 1000, numbers);
        expect(ring.tail).toBe(ring.head);
        const empty = scene.steps.length === 0;
        expect(payloads).toEqual(empty ? [] : encodeByReference(scene, objects));
        const moved = objects.flatMap((c) => [c.run, c.nextSeq, c.nextOffset, c.ordinal]);
        expect([...numbers]).toEqual(moved);
      }),
      { numRuns: 60 },
    );
  });

  test('cut anywhere into calls, its batches hold the same records', () => {
    fc.assert(
      fc.property(scenes, fc.integer({ min: 1, max: 9 }), (scene, maxRows) => {
        const whole = recordsOf(scene, 1000);
        expect(recordsOf(scene, maxRows)).toEqual(whole);
      }),
      { numRuns: 30 },
    );
  });

  /** Offset, tick and time, or reason and length, of each record of the first source. */
  function recordsOf(scene: Scene, maxRows: number): unknown[] {
    const shape = rowShape(scene.sources);
    const ring = new RingMemory(2 ** 18);
    fill(ring, shape, scene);
    const encoder = encoderOf(ring, shape, scene.resolutionNanos);
    const { numbers } = cursorsFor(scene.sources.length);
    const schema = { kind: 'samples' as const, channels: scene.sources[0]!.map(channelOf) };
    const seen: unknown[] = [];
    let failedTicks: number[] = [];
    for (;;) {
      const { payloads } = drain(encoder, maxRows, numbers);
      if (payloads.length === 0) return [...seen, failedTicks];
      const batch = decodeSamples(decodeTimes(payloads[0]!), decodeBatch(payloads[1]!), schema);
      for (let i = 0; i < batch.samples; i++) {
        seen.push([batch.ordinal + i, batch.ticks[i], batch.timeNanos[i], batch.columns[0]![i]]);
      }
      // a failed range may be cut in two between calls: its ticks stay the same
      for (const gap of batch.gaps) {
        if (gap.reason !== 'device') seen.push([gap.reason, gap.firstTick, gap.ticks, gap.nanos]);
        else failedTicks = failedTicks.concat(ticksOf(gap.firstTick, gap.ticks));
      }
      seen.sort(byTick);
    }
  }

  test('a ring with gaps only gives a times entry without rows', () => {
    const shape = rowShape([['i16']]);
    const ring = new RingMemory(4096);
    ring.gap(10, 5, REASONS.overflow, 0n);
    const encoder = encoderOf(ring, shape, 1n);
    expect(encoder.peekTick()).toBe(10);
    const { payloads, result } = drain(encoder, 100, cursorsFor(1).numbers);
    const times = decodeTimes(payloads[0]!);
    expect(times).toMatchObject({ rows: 0, ticks: 5, firstTick: 10 });
    expect([result[RESULT.rows], result[RESULT.ticks]]).toEqual([0, 5]);
    expect(decodeBatch(payloads[1]!).columns).toEqual([{ codec: 2, bytes: new Uint8Array() }]);
    expect(encoder.peekTick()).toBe(-1);
  });

  test('a tick that is neither row nor gap is refused, within a call and between two', () => {
    const shape = rowShape([['i16']]);
    const ring = new RingMemory(4096);
    const put = (tick: number) => ring.row(shape, tick, 0n, [true], [[1n]]);
    put(3);
    put(5);
    const encoder = encoderOf(ring, shape, 1n);
    expect(() => drain(encoder, 100, cursorsFor(1).numbers)).toThrow('neither rows nor gaps');
    expect(drain(encoder, 1, cursorsFor(1).numbers).payloads.length).toBe(2);
    expect(() => drain(encoder, 1, cursorsFor(1).numbers)).toThrow('neither rows nor gaps');
  });

  test('rows that wrap around the end of the ring are read on', () => {
    const shape = rowShape([['u64', 'i8']]);
    const ring = new RingMemory(1024);
    const encoder = encoderOf(ring, shape, 1n);
    const { numbers } = cursorsFor(1);
    for (let tick = 0; tick < 100; tick += 10) {
      for (let i = 0; i < 10; i++) {
        ring.row(shape, tick + i, T0, [true], [[BigInt(tick + i), 1n]]);
      }
      const { payloads } = drain(encoder, 100, numbers);
      expect(decodeTimes(payloads[0]!)).toMatchObject({ firstTick: tick, rows: 10 });
    }
    expect(numbers[3]).toBe(103);
  });

  test('a malformed record is refused', () => {
    const shape = rowShape([['i16']]);
    for (const [at, value] of [
      [512, 7],
      [512, 0],
      [512, 200],
      [516, 9],
    ] as const) {
      const ring = new RingMemory(4096);
      ring.row(shape, 0, 0n, [true], [[1n]]);
      ring.bytes[at] = value;
      expect(() => drain(encoderOf(ring, shape, 1n), 9, cursorsFor(1).numbers)).toThrow(
        'malformed',
      );
    }
  });

  test('wrong arguments are refused', () => {
    const shape = rowShape([['i16']]);
    const ring = new RingMemory(4096);
    const encoder = encoderOf(ring, shape, 1n);
    const call = (out: Uint8Array, rows: number) =>
      encoder.encode(
        out,
        0,
        rows,
        0n,
        new Float64Array(4),
        new Uint32Array(4),
        new Float64Array(6),
      );
    expect(() => call(new Uint8Array(10), 10)).toThrow(RangeError);
    expect(() => call(new Uint8Array(1e6), 0)).toThrow(RangeError);
    expect(() => encoderOf(ring, { ...shape, rowBytes: 8 }, 1n)).toThrow(RangeError);
    expect(() => encoderOf(ring, shape, 0n)).toThrow(RangeError);
    const notARing = { bytes: new Uint8Array(4096) } as RingMemory;
    expect(() => encoderOf(notARing, shape, 1n)).toThrow('not the memory of a ring');
  });

  test('floats come back bit for bit, in the shorter one of two columns', () => {
    fc.assert(
      fc.property(floatRows, ({ type, values }) => {
        const shape = rowShape([[type]]);
        const ring = new RingMemory(2 ** 18);
        const own = values.map((value) => (type === 'f32' ? Math.fround(value) : value));
        own.forEach((value, tick) => {
          ring.row(shape, tick, T0 + BigInt(tick) * PERIOD, ALL_VALID, [[bitsOf(type, value)]]);
        });
        const { numbers } = cursorsFor(1);
        const { payloads } = drain(encoderOf(ring, shape, 1n), 1000, numbers);
        const [times, batch] = [decodeTimes(payloads[0]!), decodeBatch(payloads[1]!)];
        const schema = { kind: 'samples' as const, channels: [channelOf(type, 0)] };
        const column = Float64Array.from(own);
        expect(decodeSamples(times, batch, schema).columns).toEqual([column]);
        const scaledBytes = scaled.encode(column, type)?.length ?? Infinity;
        const rawBytes = raw.encode(column, type)!.length;
        const expected =
          scaledBytes <= rawBytes
            ? { codec: scaled.id, bytes: scaled.encode(column, type) }
            : { codec: raw.id, bytes: raw.encode(column, type) };
        expect(batch.columns).toEqual([expected]);
      }),
      { numRuns: 300 },
    );
  });
});

function ticksOf(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

function byTick(a: unknown, b: unknown): number {
  const [left, right] = [a, b].map((record) => (record as [unknown, number])[1]) as [
    number,
    number,
  ];
  return left - right;
}
