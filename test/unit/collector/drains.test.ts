/** The way out of a ring, into a group: see `test/contract/row-encoder.test.ts` for the bytes. */
import { describe, expect, it } from 'vitest';
import { decodeBatch, decodeTimes } from '../../../engine/batch/format.ts';
import { decodeSamples } from '../../../engine/batch/samples.ts';
import type { Channel, ChannelType } from '../../../engine/batch/schema.ts';
import { GroupDrain } from '../../../engine/collector/group-drain.ts';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import type { Entry } from '../../../engine/store/entries/entries.ts';
import { GroupBuilder } from '../../../engine/store/log/group.ts';
import type { OpenedRun } from '../../../engine/store/write/writer.ts';
import { ManualClock } from '../../support/clocks.ts';

const PERIOD = 1_000_000n;

function channelsOf(kinds: readonly ChannelType[]): Channel[] {
  return kinds.map((type, i) => ({ name: `c${i}`, type, unit: '1', scale: 1, offset: 0 }));
}

function openedFor(sources: number): OpenedRun[] {
  return Array.from({ length: sources }, (_, i) => ({
    run: { id: 10 + i, nextSeq: 1 + 5 * i, lastTick: null } as OpenedRun['run'],
    stream: { id: 1 + i, nextOffset: 100 * i } as OpenedRun['stream'],
    before: undefined,
  }));
}

/** Entries with their own copy of the payload, without the hint that only the native path gives. */
function entriesOf(builder: GroupBuilder): Omit<Entry, 'timeEnds'>[] {
  return builder
    .entries()
    .all()
    .map(({ timeEnds: _, ...entry }) => {
      return { ...entry, payload: entry.payload.slice() };
    });
}

describe('the drain of a rate group', () => {
  it('carries floats bit for bit, NaN and −0 among them', () => {
    const values = [1.5, -0, NaN, Infinity, 0.1, 2 ** -1074];
    const channels = channelsOf(['f64', 'f32']);
    const { rowBytes, validityOffset, sources } = rowLayout([{ channels }]);
    const ring = createRing(2 ** 12);
    const producer = new RingProducer(ring);
    values.forEach((value, tick) => {
      const at = producer.claimRow(tick, BigInt(tick) * PERIOD, rowBytes);
      producer.view.setBigUint64(at + validityOffset, 1n, true);
      producer.view.setFloat64(at + sources[0]!.channels[0]!.rowOffset, value, true);
      producer.view.setFloat32(at + sources[0]!.channels[1]!.rowOffset, value, true);
      producer.commit();
    });
    const schema = { kind: 'samples' as const, channels };
    const source = { name: 's', stream: 'test/s', writer: 'w', attributes: [], schema };
    const spec = {
      ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n },
      sources: [{ ...source, samplesPerEvent: 10, channels: sources[0]!.channels }],
    };
    const builder = new GroupBuilder(64);
    const drain = new GroupDrain(spec, openedFor(1), new ManualClock());
    expect(drain.drain(builder, 0n)).toMatchObject({ rows: values.length, more: false });
    const [times, batch] = entriesOf(builder);
    expect([times!.kind, batch!.kind]).toEqual([KIND.times, KIND.batch]);
    const decoded = decodeSamples(decodeTimes(times!.payload), decodeBatch(batch!.payload), schema);
    expect([...decoded.columns[0]!]).toEqual(values);
    expect([...decoded.columns[1]!]).toEqual(values.map(Math.fround));
  });

  it('a ring with more gaps than one drain takes is not taken for empty', () => {
    const channels = channelsOf(['i16']);
    const { rowBytes, validityOffset, sources } = rowLayout([{ channels }]);
    const ring = createRing(2 ** 18);
    const producer = new RingProducer(ring);
    const count = 2500;
    for (let tick = 0; tick < 2 * count; tick += 2) {
      const at = producer.claimRow(tick, BigInt(tick) * PERIOD, rowBytes);
      producer.view.setBigUint64(at + validityOffset, 1n, true);
      producer.commit();
      producer.miss(tick + 1, 1, 'late');
    }
    const schema = { kind: 'samples' as const, channels };
    const source = { name: 's', stream: 'test/s', writer: 'w', attributes: [], schema };
    const spec = {
      ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n },
      sources: [{ ...source, samplesPerEvent: 10, channels: sources[0]!.channels }],
    };
    const drain = new GroupDrain(spec, openedFor(1), new ManualClock());
    const builder = new GroupBuilder(64);
    let rows = 0;
    for (let more = true; more;) {
      const drained = drain.drain(builder, 0n)!;
      rows += drained.rows;
      more = drained.more;
    }
    expect(rows).toBe(count);
  });

  it('a backlog comes in pieces that are no larger than was asked for', () => {
    const channels = [{ name: 'D', type: 'f64' as const, unit: '1', scale: 1, offset: 0 }];
    const { rowBytes, validityOffset, sources } = rowLayout([{ channels }]);
    const ring = createRing(2 ** 20);
    const producer = new RingProducer(ring);
    const count = 10_000;
    for (let tick = 0; tick < count; tick++) {
      const at = producer.claimRow(tick, BigInt(tick) * PERIOD, rowBytes);
      producer.view.setBigUint64(at + validityOffset, 1n, true);
      producer.view.setFloat64(at + sources[0]!.channels[0]!.rowOffset, Math.sin(tick), true);
      producer.commit();
    }
    const schema = { kind: 'samples' as const, channels };
    const source = { name: 's', stream: 'test/s', writer: 'w', attributes: [], schema };
    const spec = {
      ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n },
      sources: [{ ...source, samplesPerEvent: 10, channels: sources[0]!.channels }],
    };
    const most = 2 ** 16;
    const drain = new GroupDrain(spec, openedFor(1), new ManualClock(), most);
    let rows = 0;
    while (rows < count) {
      const builder = new GroupBuilder(64);
      rows += drain.drain(builder, 0n)!.rows;
      expect(builder.bytes).toBeLessThanOrEqual(most);
    }
    expect(rows).toBe(count);
  });
});
