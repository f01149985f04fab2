import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeEvents, encodeGap } from '../../../engine/batch/format.ts';
import { packEvents } from '../../../engine/batch/opaque.ts';
import { encodeSamples } from '../../../engine/batch/samples.ts';
import { dataItems } from '../../../engine/store/entries/data.ts';
import {
  ENTRY_ROW_BYTES,
  GROUP_CRC_BYTES,
  GROUP_HEADER_BYTES,
  KIND,
  alignUp,
} from '../../../engine/store/entries/format.ts';
import { GroupBuilder } from '../../../engine/store/log/group.ts';

type Piece =
  | { kind: 'events'; count: number }
  | { kind: 'gap' }
  | { kind: 'samples'; rows: number; sources: number };

const pieces: fc.Arbitrary<Piece[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('events' as const), count: fc.integer({ min: 1, max: 50 }) }),
    fc.constant({ kind: 'gap' as const }),
    fc.record({
      kind: fc.constant('samples' as const),
      rows: fc.integer({ min: 1, max: 200 }),
      sources: fc.integer({ min: 1, max: 5 }),
    }),
  ),
  { minLength: 1, maxLength: 8 },
);

const identity = { run: 1, firstSeq: 1, firstOffset: 0 };

function add(builder: GroupBuilder, piece: Piece): void {
  if (piece.kind === 'gap') {
    const gap = { ...identity, reason: 'crash' as const, records: 1 };
    const payload = encodeGap({ ...gap, ticks: { first: 3, count: 4 }, bounds: undefined });
    return builder.add(KIND.gap, 1, payload);
  }
  if (piece.kind === 'events') {
    const events = Array.from({ length: piece.count }, (_, i) => new Uint8Array(i));
    const packed = packEvents(events, { ...identity, utcNanos: 1n });
    return builder.add(KIND.events, 1, encodeEvents(packed));
  }
  const rows = Array.from({ length: piece.rows }, (_, i) => i);
  const channels = [{ name: 'x', type: 'i32' as const, unit: '1', scale: 1, offset: 0 }];
  const [times, ...batches] = encodeSamples({
    ...{ t0Nanos: 0n, periodNanos: 1000n, resolutionNanos: 1n, utcOffsetNanos: 0n, firstTick: 0 },
    timesNanos: BigInt64Array.from(rows, (row) => BigInt(row * 1000 + (row % 7))),
    gaps: [],
    sources: Array.from({ length: piece.sources }, (_, i) => ({
      channels,
      columns: [Float64Array.from(rows, (row) => row * row * (i + 1))],
      cursor: { run: i + 1, nextSeq: 1, nextOffset: 0, ordinal: 0 },
    })),
  });
  builder.add(KIND.times, 0, times!);
  batches.forEach((batch, i) => builder.add(KIND.batch, i + 1, batch));
}

const never = (): void => expect.fail('every entry decodes');

describe('the shares of a group', () => {
  it('sum up to what its data takes, and padding to its padding', () => {
    fc.assert(
      fc.property(pieces, fc.boolean(), (all, withControl) => {
        const builder = new GroupBuilder(64);
        const control = new Uint8Array(100);
        if (withControl) builder.add(KIND.shutdown, 0, control);
        for (const piece of all) add(builder, piece);
        const size = { length: builder.bytes, padded: alignUp(builder.bytes) };
        const items = dataItems(builder.entries(), size, never);
        const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
        const padding = items.reduce((sum, item) => sum + item.paddingBytes, 0);
        expect(bytes).toBe(size.length - (withControl ? control.length + ENTRY_ROW_BYTES : 0));
        expect(padding).toBe(size.padded - size.length);
        expect(items.every((item) => item.bytes > 0 && item.paddingBytes >= 0)).toBe(true);
      }),
    );
  });

  it('of control entries alone are nobody’s', () => {
    const builder = new GroupBuilder(64);
    builder.add(KIND.shutdown, 0, new Uint8Array(10));
    const size = { length: builder.bytes, padded: alignUp(builder.bytes) };
    expect(size.length).toBe(GROUP_HEADER_BYTES + GROUP_CRC_BYTES + ENTRY_ROW_BYTES + 10);
    expect(dataItems(builder.entries(), size, never)).toEqual([]);
  });

  it('leave out an entry that does not decode, and tell of it', () => {
    const builder = new GroupBuilder(64);
    add(builder, { kind: 'events', count: 2 });
    builder.add(KIND.events, 1, new Uint8Array([1, 2, 3]));
    builder.add(KIND.batch, 1, new Uint8Array([0x42, 1, 1]));
    const size = { length: builder.bytes, padded: alignUp(builder.bytes) };
    const told: unknown[] = [];
    const items = dataItems(builder.entries(), size, (_, error) => told.push(error));
    expect(items).toHaveLength(1);
    expect(told).toHaveLength(2);
    for (const error of told) expect(error).toMatchObject({ code: 'DAMAGED' });
  });
});
