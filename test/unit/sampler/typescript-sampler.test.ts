import fc from 'fast-check';
import { expect, test } from 'vitest';
import { REASONS } from '../../../engine/batch/ledger.ts';
import { plainChannel, type OpenDriver, type RowWriter } from '../../../engine/drivers/driver.ts';
import { createRing, setFullReason } from '../../../engine/ring/layout.ts';
import { RingConsumer, type RingRecord } from '../../../engine/ring/ring.ts';
import { StopWord } from '../../../engine/ring/wait.ts';
import { makeRateGroups, type RateGroup } from '../../../engine/sampler/rate-group.ts';
import { runTypescriptSamplers, TypescriptSampler } from '../../../engine/sampler/sampler.ts';
import { readStatus, type SamplerStatus } from '../../../engine/sampler/status.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { isClosed } from '../../support/ring-memory.ts';

const PERIOD = 1_000_000n;
const T0 = 500n;

/** Writes its tick's number; what `isHere` says of a tick decides whether it can be read. */
function tickDriver(isHere: (tick: number) => boolean = () => true): OpenDriver {
  return {
    channels: [plainChannel('Tick', 'i32', '1')],
    attributes: [],
    read(row: RowWriter, tick: number) {
      if (isHere(tick)) row.setNumber(0, tick);
      return isHere(tick);
    },
    close: () => undefined,
  };
}

class Bench {
  /** tick 1 is the first that the sampler can reach */
  readonly clock = new FakeClock(T0);
  readonly group: RateGroup;
  readonly sampler: TypescriptSampler;
  readonly #consumer: RingConsumer;

  constructor(drivers: OpenDriver[] = [tickDriver()], ring?: SharedArrayBuffer) {
    const sources = drivers.map((driver, i) => ({
      ...{ name: `s${i}`, rateHz: 1000, timestampResolutionNanos: 1n, driver },
    }));
    const [group] = makeRateGroups(sources, 100);
    this.group = ring === undefined ? group! : { ...group!, ring };
    this.sampler = new TypescriptSampler(this.group, T0, this.clock);
    this.#consumer = new RingConsumer(this.group.ring);
  }

  tickAfter(nanos: bigint): void {
    this.clock.advance(nanos);
    this.sampler.tickIfDue();
  }

  drain(): RingRecord[] {
    const records = [...this.#consumer.records()];
    this.#consumer.release();
    return records;
  }

  get view(): DataView {
    return this.#consumer.view;
  }

  status(): SamplerStatus {
    return readStatus([this.group.status]);
  }
}

const rowAt = (tick: number, timeNanos: bigint): unknown =>
  expect.objectContaining({ kind: 'row', tick, timeNanos });

test('a tick is taken when it is due and not a nanosecond before', () => {
  const bench = new Bench();
  bench.tickAfter(PERIOD - 1n);
  expect(bench.drain()).toEqual([]);
  expect(bench.sampler.untilNextMs()).toBeCloseTo(1e-6);
  bench.tickAfter(1n);
  expect(bench.drain()).toEqual([rowAt(1, T0 + PERIOD)]);
  bench.sampler.tickIfDue();
  expect(bench.drain()).toEqual([]);
});

test('a sampler that is started before tick 0 begins with tick 0', () => {
  const { group } = new Bench();
  const clock = new FakeClock(T0 - 1n);
  const sampler = new TypescriptSampler(group, T0, clock);
  clock.advance(1n);
  sampler.tickIfDue();
  expect([...new RingConsumer(group.ring).records()]).toEqual([rowAt(0, T0)]);
});

test('a tick that is exactly one period late is taken', () => {
  const bench = new Bench();
  bench.tickAfter(2n * PERIOD);
  expect(bench.drain()).toEqual([rowAt(1, T0 + 2n * PERIOD)]);
  expect(bench.status().lateTicks).toBe(0n);
});

test('a tick that is later than one period is a gap, and the next is taken', () => {
  const bench = new Bench();
  bench.tickAfter(2n * PERIOD + 1n);
  expect(bench.drain()).toEqual([
    { kind: 'gap', firstTick: 1, ticks: 1, reason: 'late', nanos: 0n },
    rowAt(2, T0 + 2n * PERIOD + 1n),
  ]);
});

test('a long delay is one gap of exactly the ticks that were passed over', () => {
  const bench = new Bench();
  bench.tickAfter(PERIOD);
  bench.tickAfter(1000n * PERIOD + 400n);
  expect(bench.drain()).toEqual([
    rowAt(1, T0 + PERIOD),
    { kind: 'gap', firstTick: 2, ticks: 999, reason: 'late', nanos: 0n },
    rowAt(1001, T0 + 1001n * PERIOD + 400n),
  ]);
  const { ticksScheduled, rows, lateTicks, lastTick, latenessNanos } = bench.status();
  expect([ticksScheduled, rows, lateTicks, lastTick]).toEqual([1001n, 2n, 999n, 1001n]);
  expect(latenessNanos.max).toBe(400);
});

test('a suspended machine is a gap of no ticks with the duration, and no tick is lost', () => {
  const bench = new Bench();
  bench.tickAfter(PERIOD);
  bench.clock.suspend(7_200_000_000_000n);
  bench.tickAfter(PERIOD);
  expect(bench.drain()).toEqual([
    rowAt(1, T0 + PERIOD),
    { kind: 'gap', firstTick: 2, ticks: 0, reason: 'suspended', nanos: 7_200_000_000_000n },
    rowAt(2, T0 + 2n * PERIOD),
  ]);
  expect(bench.status().suspendedNanos).toBe(7_200_000_000_000n);
});

test('boottime that strays by a millisecond is no suspend', () => {
  const bench = new Bench();
  bench.clock.suspend(1_000_000n);
  bench.tickAfter(PERIOD);
  expect(bench.drain()).toEqual([rowAt(1, T0 + PERIOD)]);
});

test('a failed read clears the bit of its source and of no other', () => {
  const broken = new Set([3, 64]);
  const drivers = Array.from({ length: 70 }, (_, i) =>
    tickDriver((tick) => !(broken.has(i) && tick === 2)),
  );
  const bench = new Bench(drivers);
  for (let tick = 0; tick < 3; tick++) bench.tickAfter(PERIOD);
  const words = bench.drain().map((record) => {
    const at = (record as { at: number }).at + bench.group.layout.validityOffset;
    return [bench.view.getBigUint64(at, true), bench.view.getBigUint64(at + 8, true)];
  });
  const all = [2n ** 64n - 1n, 2n ** 6n - 1n];
  expect(words).toEqual([all, [all[0]! - 8n, all[1]! - 1n], all]);
  expect(bench.status().deviceFailures).toBe(2n);
});

test.each(['overflow', 'full'] as const)(
  'rows that do not fit are a gap with the reason that the writer gave: %s',
  (reason) => {
    const bench = new Bench([tickDriver()], createRing(256));
    setFullReason(bench.group.ring, REASONS[reason]);
    for (let tick = 0; tick < 20; tick++) bench.tickAfter(PERIOD);
    const rows = bench.drain();
    bench.tickAfter(PERIOD);
    expect(bench.drain()).toEqual([
      { kind: 'gap', firstTick: rows.length + 1, ticks: 20 - rows.length, reason, nanos: 0n },
      rowAt(21, T0 + 21n * PERIOD),
    ]);
    const { fullTicks, overflowTicks } = bench.status();
    const refused = BigInt(20 - rows.length);
    expect([overflowTicks, fullTicks]).toEqual(reason === 'full' ? [0n, refused] : [refused, 0n]);
  },
);

test('whatever the delays and the drains, every tick is a row or in one gap, in order', () => {
  const delays = fc.array(
    fc.tuple(fc.constantFrom(1n, 400n, 1000n, 1001n, 2500n, 9000n), fc.boolean()),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(delays, (script) => {
      const bench = new Bench([tickDriver()], createRing(256));
      let expected = 1;
      const drain = (): void => {
        for (const record of bench.drain()) {
          expect(record.kind === 'row' ? record.tick : record.firstTick).toBe(expected);
          expected += record.kind === 'row' ? 1 : record.ticks;
        }
      };
      for (const [permille, drains] of script) {
        bench.tickAfter((permille * PERIOD) / 1000n);
        if (drains) drain();
      }
      bench.sampler.close();
      drain();
      const { ticksScheduled, rows, lateTicks, overflowTicks } = bench.status();
      expect(ticksScheduled).toBe(BigInt(expected - 1));
      expect(ticksScheduled).toBe(rows + lateTicks + overflowTicks);
    }),
  );
});

test('values keep their bits in every width, negative ones and those above 2^53 too', () => {
  const types = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'i64'] as const;
  const driver: OpenDriver = {
    ...tickDriver(),
    channels: types.map((type, i) => plainChannel(`C${i}`, type, '1')),
    read(row) {
      [-128, 255, -32768, 65535, -(2 ** 31), 2 ** 32 - 1, -5].forEach((value, i) =>
        row.setNumber(i, value),
      );
      row.setBigInt(7, 2n ** 64n - 1n);
      row.setBigInt(8, -(2n ** 63n));
      return true;
    },
  };
  const bench = new Bench([driver]);
  bench.tickAfter(PERIOD);
  const [row] = bench.drain() as { at: number }[];
  const at = bench.group.layout.sources[0]!.channels.map(({ rowOffset }) => row!.at + rowOffset);
  const { view } = bench;
  expect(view.getInt8(at[0]!)).toBe(-128);
  expect(view.getUint8(at[1]!)).toBe(255);
  expect(view.getInt16(at[2]!, true)).toBe(-32768);
  expect(view.getUint16(at[3]!, true)).toBe(65535);
  expect(view.getInt32(at[4]!, true)).toBe(-(2 ** 31));
  expect(view.getUint32(at[5]!, true)).toBe(2 ** 32 - 1);
  expect(view.getBigInt64(at[6]!, true)).toBe(-5n);
  expect(view.getBigUint64(at[7]!, true)).toBe(2n ** 64n - 1n);
  expect(view.getBigInt64(at[8]!, true)).toBe(-(2n ** 63n));
});

test('floats keep their bits', () => {
  const driver: OpenDriver = {
    ...tickDriver(),
    channels: [plainChannel('A', 'f32', '1'), plainChannel('B', 'f64', '1')],
    read(row) {
      row.setNumber(0, 0.5);
      row.setNumber(1, Math.PI);
      return true;
    },
  };
  const bench = new Bench([driver]);
  bench.tickAfter(PERIOD);
  const [row] = bench.drain() as { at: number }[];
  const at = bench.group.layout.sources[0]!.channels.map(({ rowOffset }) => row!.at + rowOffset);
  expect(bench.view.getFloat32(at[0]!, true)).toBe(0.5);
  expect(bench.view.getFloat64(at[1]!, true)).toBe(Math.PI);
});

test('samplers that are stopped close their rings and drivers, also if a driver throws', () => {
  const closed: string[] = [];
  const noted = (name: string, driver: OpenDriver): OpenDriver => ({
    ...driver,
    close: () => closed.push(name),
  });
  const stop = new StopWord();
  const good = new Bench([noted('good', tickDriver())]);
  stop.stop();
  runTypescriptSamplers([good.group], T0, good.clock, stop);
  expect(isClosed(good.group.ring)).toBe(true);
  const thrower = tickDriver();
  thrower.read = () => {
    throw new Error('a bug of the driver');
  };
  const bad = new Bench([noted('bad', thrower)]);
  const racing = new FakeClock(T0);
  racing.read = () => {
    racing.advance(PERIOD);
    return FakeClock.prototype.read.call(racing);
  };
  const run = (): void => runTypescriptSamplers([bad.group], T0, racing, new StopWord());
  expect(run).toThrow('a bug of the driver');
  expect(isClosed(bad.group.ring)).toBe(true);
  expect(closed).toEqual(['good', 'bad']);
});
