/**
 * Reading by time: what is found is what a walk over all records finds, before sealing and after,
 * and also where the wall clock was set back or forth.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { cat } from '../../../engine/tools/cat.ts';
import type { CatOptions } from '../../../engine/tools/types.ts';
import { ManualClock } from '../../support/clocks.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import {
  PERIOD_NANOS,
  beginEvents,
  beginSamples,
  bytes,
  commitGap,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';
const SECOND = 1_000_000_000n;
const NOISE = Buffer.from(new SeededRandom(3).bytes(40_000)).toString('base64');
/** The wall clock against the monotonic one, from commit to commit: here and there it is set. */
const STEADY = () => 1_700_000_000n * SECOND;
const STEPPED = (commit: number): bigint => {
  const steps = [0n, 0n, -90n, 40n, -3600n, -3599n, 100_000n, 7n, 0n, -5n];
  return STEADY() + steps[Math.floor(commit / 4) % steps.length]! * SECOND;
};

interface Made {
  environment: StoreEnvironment;
  writer: StoreWriter;
}

/** Two streams over several segments, with gaps, and seconds between the commits. */
function made(offsetOf: (commit: number) => bigint): Made {
  const clock = new ManualClock(0n, 0n);
  const fs = new SimulatedFileSystem();
  const random = new SeededRandom(1);
  const environment = { ...systemEnvironment, fs, clock, random, pause: () => {} };
  const writer = openWriter(DIR, MIB, environment);
  const [samples, events] = [beginSamples(writer), beginEvents(writer)];
  for (let i = 0; segmentOf(writer.durableEnd) < 4; i++) {
    const tick = i * 2000;
    clock.monotonicNanos = BigInt(tick) * PERIOD_NANOS;
    clock.utcOffsetNanos = offsetOf(i);
    commitSamples(writer, samples, tick, 20, offsetOf(i));
    commitGap(writer, samples, tick + 20, 1980);
    writer.appendEvents(events, [bytes(`${i} ${NOISE}`), bytes(`${i} and more`)]);
    if (i % 3 === 2) writer.appendEvents(events, [bytes(`${i} again`)]);
  }
  return { environment, writer };
}

async function sealed(store: Made): Promise<StoreEnvironment> {
  const newest = segmentOf(store.writer.durableEnd);
  for (let segment = 2; segment <= newest; segment++) {
    await sealAll(store.environment.fs, store.writer, segment);
  }
  return unsealed(store);
}

function unsealed({ environment, writer }: Made): Promise<StoreEnvironment> {
  writer.close();
  return Promise.resolve(environment);
}

interface Line {
  offset: string;
  type: string;
  timestampNanos?: string;
}

const OPTIONS = { from: 'start' as const, follow: false };

async function printed(
  environment: StoreEnvironment,
  options: Pick<CatOptions, 'stream' | 'format' | 'fromTime' | 'toTime' | 'columns'>,
): Promise<string[]> {
  const store = Store.open(DIR, environment);
  let all = '';
  const withLedger = (options.format ?? 'json') === 'json';
  const onDamage = (): void => expect.fail('no damage');
  for await (const piece of cat(store, { ...OPTIONS, withLedger, onDamage, ...options })) {
    all += String(piece);
  }
  store.close();
  return all.split('\n').slice(0, -1);
}

async function recordsOf(environment: StoreEnvironment, stream: string): Promise<Line[]> {
  const lines = await printed(environment, { stream, format: 'ndjson-records' });
  return lines.map((line) => JSON.parse(line) as Line);
}

const isTimed = ({ timestampNanos }: Line): boolean => timestampNanos !== undefined;
const nanosOf = ({ timestampNanos }: Line): bigint => BigInt(timestampNanos!);

/** By the definition: behind the last timed record before the first one that is late enough. */
function expectedPlace(records: readonly Line[], time: bigint): number {
  const at = records.findIndex((record) => isTimed(record) && nanosOf(record) >= time);
  const before = records.slice(0, at < 0 ? records.length : at);
  return before.findLastIndex(isTimed) + 1;
}

/** Moments at, around and far from those of the records. */
function moments(records: readonly Line[], random: SeededRandom): bigint[] {
  const timed = records.filter(isTimed);
  const times = Array.from({ length: 15 }, () => nanosOf(timed[random.below(timed.length)]!));
  const ends = [nanosOf(timed[0]!), nanosOf(timed.at(-1)!), 0n, 2n ** 62n];
  return [...times, ...ends].map((nanos) => nanos + BigInt(random.below(5) - 2) * 500_000n);
}

describe.each([
  ['a steady clock, segments', STEADY, unsealed],
  ['a steady clock, chunks', STEADY, sealed],
  ['a clock that was set, segments', STEPPED, unsealed],
  ['a clock that was set, chunks', STEPPED, sealed],
])('by time, with %s', (_, offsetOf, finish) => {
  const random = new SeededRandom(SEED);
  let environment: StoreEnvironment;
  beforeAll(async () => {
    environment = await finish(made(offsetOf));
  });

  it.each(['test/samples', 'test/events'])('%s: a time lies where it should', async (stream) => {
    const records = await recordsOf(environment, stream);
    const store = Store.open(DIR, environment);
    for (const time of moments(records, random)) {
      const found = await store.locateTime(stream, time);
      expect(found, `${time}, seed ${SEED}`).toBe(expectedPlace(records, time));
    }
    store.close();
  });

  it.each(['test/samples', 'test/events'])(
    '%s: exactly the records of a range are read, all of them',
    async (stream) => {
      const records = await recordsOf(environment, stream);
      const times = moments(records, random);
      for (const [i, fromTime] of times.slice(1).entries()) {
        const toTime =
          i % 2 === 0 ? times[i]! : fromTime + BigInt(random.below(5_000)) * 1_000_000n;
        const range = { stream, format: 'ndjson-records' as const, fromTime, toTime };
        const found = (await printed(environment, range)).map((line) => JSON.parse(line) as Line);
        const wanted = records.filter(
          (record) => isTimed(record) && nanosOf(record) >= fromTime && nanosOf(record) < toTime,
        );
        expect(found.filter(isTimed), `${fromTime} to ${toTime}, seed ${SEED}`).toEqual(wanted);
        const [first, last] = [wanted[0], wanted.at(-1)].map((record) => Number(record?.offset));
        const between = records.filter(
          ({ offset, type }) => type === 'gap' && Number(offset) > first! && Number(offset) < last!,
        );
        if (offsetOf === STEADY) expect(found).toEqual(expect.arrayContaining(between));
      }
    },
  );

  it('whole events are printed, those that hold a record of the range', async () => {
    const stream = 'test/samples';
    const all = await printed(environment, { stream, format: 'json' });
    const times = all.map((line) => /"TimestampNanos":\[([\d,]+)\]/.exec(line)![1]!.split(','));
    const records = await recordsOf(environment, stream);
    for (const fromTime of moments(records, random)) {
      const toTime = fromTime + BigInt(random.below(5_000)) * 1_000_000n;
      const wanted = all.filter((_line, i) =>
        times[i]!.some((nanos) => BigInt(nanos) >= fromTime && BigInt(nanos) < toTime),
      );
      const found = await printed(environment, { stream, format: 'json', fromTime, toTime });
      expect(found, `${fromTime} to ${toTime}, seed ${SEED}`).toEqual(wanted);
    }
  });
});

describe('a gap at the edge of a range', () => {
  it('is read with the records behind it and before it, since it may reach into the range', async () => {
    const environment = await unsealed(made(STEADY));
    const stream = 'test/samples';
    const second = STEADY() + 2n * SECOND;
    const range = { stream, fromTime: second, toTime: second + SECOND };
    const lines = await printed(environment, { ...range, format: 'ndjson-records' });
    const types = lines.map((line) => (JSON.parse(line) as Line).type);
    expect([types[0], types.at(-1), types.length]).toEqual(['gap', 'gap', 22]);
  });
});
