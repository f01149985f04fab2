/** The two ways out of a ring: natively, and in TypeScript for floats. They write the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBatch, decodeTimes } from '../../../engine/batch/format.ts';
import type { Reason } from '../../../engine/batch/ledger.ts';
import { decodeSamples } from '../../../engine/batch/samples.ts';
import {
  CHANNEL_TYPES,
  channelBytes,
  type Channel,
  type ChannelType,
} from '../../../engine/batch/schema.ts';
import { FloatDrain } from '../../../engine/recorder/float-drain.ts';
import { GroupDrain } from '../../../engine/recorder/group-drain.ts';
import type { GroupSpec } from '../../../engine/recorder/group-spec.ts';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { KIND } from '../../../engine/store/log/format.ts';
import { GroupBuilder, type Entry } from '../../../engine/store/log/group.ts';
import type { OpenedRun } from '../../../engine/store/writer.ts';
import { ManualClock } from '../../support/clocks.ts';

const UTC_OFFSET = 1_700_000_000_000_000_000n;
const PERIOD = 1_000_000n;

type Step =
  | { kind: 'row'; lateNanos: bigint; valid: boolean[]; value: bigint }
  | { kind: 'gap'; reason: Reason; ticks: number };

interface Scene {
  sources: ChannelType[][];
  firstTick: number;
  resolutionNanos: bigint;
  steps: Step[];
}

const types = fc.array(fc.constantFrom(...CHANNEL_TYPES.slice(0, 8)), {
  minLength: 1,
  maxLength: 3,
});

const scenes: fc.Arbitrary<Scene> = fc
  .array(types, { minLength: 1, maxLength: 4 })
  .chain((sources) =>
    fc.record({
      sources: fc.constant(sources),
      firstTick: fc.nat(1_000_000),
      resolutionNanos: fc.constantFrom(1n, 1000n),
      steps: fc.array(
        fc.oneof({ weight: 6, arbitrary: row(sources.length) }, { weight: 1, arbitrary: gap }),
        { minLength: 1, maxLength: 80 },
      ),
    }),
  );

const gap = fc.record({
  kind: fc.constant('gap' as const),
  reason: fc.constantFrom<Reason>('late', 'overflow', 'suspended'),
  ticks: fc.integer({ min: 1, max: 1000 }),
});

function row(sources: number): fc.Arbitrary<Step> {
  const often = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);
  return fc.record({
    kind: fc.constant('row' as const),
    lateNanos: fc.bigInt({ min: -2000n, max: 100_000n }),
    valid: fc.array(often, { minLength: sources, maxLength: sources }),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  });
}

function channelsOf(kinds: readonly ChannelType[]): Channel[] {
  return kinds.map((type, i) => ({ name: `c${i}`, type, unit: '1', scale: 1, offset: 0 }));
}

/** A ring with the scene in it, and what its consumer has to know. */
function specOf(scene: Scene): GroupSpec {
  const shaped = scene.sources.map((kinds) => ({ channels: channelsOf(kinds) }));
  const { rowBytes, validityOffset, sources } = rowLayout(shaped);
  const ring = createRing(2 ** 16);
  const spec: GroupSpec = {
    ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD },
    resolutionNanos: scene.resolutionNanos,
    sources: sources.map(({ channels }, i) => ({
      ...{ name: `s${i}`, stream: `test/s${i}`, writer: 'w', attributes: [] },
      ...{ schema: { kind: 'samples' as const, ...shaped[i]! }, samplesPerEvent: 10, channels },
    })),
  };
  fill(spec, scene);
  return spec;
}

function fill(spec: GroupSpec, { firstTick, steps }: Scene): void {
  const producer = new RingProducer(spec.ring);
  let tick = firstTick;
  for (const step of steps) {
    if (step.kind === 'gap') {
      const suspended = step.reason === 'suspended';
      const ticks = suspended ? 0 : step.ticks;
      producer.miss(tick, ticks, step.reason, suspended ? 77n : 0n);
      tick += ticks;
      continue;
    }
    const at = producer.claimRow(tick, BigInt(tick) * PERIOD + step.lateNanos, spec.rowBytes);
    tick++;
    const bits = step.valid.reduce((sum, ok, i) => sum | (BigInt(ok) << BigInt(i)), 0n);
    producer.view.setBigUint64(at + spec.validityOffset, bits, true);
    for (const { type, rowOffset } of spec.sources.flatMap(({ channels }) => channels)) {
      const bytes = channelBytes(CHANNEL_TYPES[type]!);
      for (let i = 0; i < bytes; i++) {
        const byte = Number((step.value >> BigInt(8 * i)) & 0xffn);
        producer.view.setUint8(at + rowOffset + i, byte);
      }
    }
    producer.commit();
  }
  producer.close();
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
  return builder.entries().map(({ timeEnds: _, ...entry }) => {
    return { ...entry, payload: entry.payload.slice() };
  });
}

function cursorsOf(opened: readonly OpenedRun[]) {
  return opened.map(({ run, stream }) => {
    return { run: run.id, nextSeq: run.nextSeq, nextOffset: stream.nextOffset, ordinal: 0 };
  });
}

describe('the drains of a rate group', () => {
  it('write the same entries for whole numbers, whatever is in the ring', () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const opened = openedFor(scene.sources.length);
        const byNative = new GroupBuilder(64);
        const nativeDrain = new GroupDrain(specOf(scene), opened, new ManualClock());
        const drained = nativeDrain.drain(byNative, UTC_OFFSET);
        const byFloat = new GroupBuilder(64);
        const streams = opened.map(({ stream }) => stream.id);
        const floatDrain = new FloatDrain(specOf(scene), cursorsOf(opened), streams);
        expect(floatDrain.peekTick()).toBe(scene.firstTick);
        expect(floatDrain.drain(byFloat, UTC_OFFSET)).toEqual(drained);
        expect(entriesOf(byFloat)).toEqual(entriesOf(byNative));
        expect(floatDrain.drain(byFloat, UTC_OFFSET)).toBeUndefined();
        expect(nativeDrain.drain(byNative, UTC_OFFSET)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it('carry floats bit for bit, NaN and −0 among them', () => {
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
});
