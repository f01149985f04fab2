/** One stream over several segments, read from any offset. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import type { SampleBatch } from '../../../engine/batch/samples.ts';
import { offsetOf, segmentOf } from '../../../engine/store/entries/format.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { Store, systemEnvironment } from '../../../engine/store/store.ts';
import type { ReadOptions, StoreEnvironment } from '../../../engine/store/store.ts';
import { StreamReader } from '../../../engine/store/read/stream-reader.ts';
import type { StreamItem } from '../../../engine/store/read/stream-item.ts';
import type { View } from '../../../engine/store/read/view.ts';
import { cat } from '../../../engine/tools/cat.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitGap,
  commitSamples,
  openWriter,
  text,
} from '../../support/stores.ts';

const DIR = '/store';
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const PER_EVENT = 10;
/** of one stored piece */
const MOST_RECORDS = 16_384;
const NOISE = Buffer.from(new SeededRandom(3).bytes(90_000)).toString('base64');

/** Two streams in turns, over three segments, with a gap that stands alone here and there. */
function threeSegments(): StoreEnvironment {
  const environment = {
    ...systemEnvironment,
    fs: new SimulatedFileSystem(),
    random: new SeededRandom(1),
    pause: () => {},
  };
  const writer = openWriter(DIR, MIB, environment);
  const [samples, events] = [beginSamples(writer), beginEvents(writer)];
  let tick = 0;
  for (let i = 0; segmentOf(writer.durableEnd) < 3; i++) {
    commitSamples(writer, samples, tick, 7 + (i % 9));
    tick += 7 + (i % 9);
    if (i % 5 === 4) tick += commitGap(writer, samples, tick, 2);
    writer.appendEvents(events, [bytes(`${i} ${NOISE}`), bytes(`${i} and more`)]);
  }
  writer.close();
  return environment;
}

const unsealed = threeSegments();

/** The same store, its segments sealed one by one but for the newest. */
async function sealed(): Promise<StoreEnvironment> {
  const environment = threeSegments();
  const writer = openWriter(DIR, MIB, environment);
  const newest = segmentOf(writer.durableEnd);
  for (let segment = 2; segment <= newest; segment++) {
    await sealAll(environment.fs, writer, segment);
  }
  writer.close();
  return environment;
}

/** `offset: record` of everything from the item on that holds `from`. */
async function readFrom(
  environment: StoreEnvironment,
  stream: string,
  from: number,
  view: View = {},
): Promise<string[]> {
  const store = Store.open(DIR, environment);
  const reader = new StreamReader(store.reader, store.stream(stream).id, from, view);
  const lines: string[] = [];
  for await (const item of reader.items()) lines.push(...linesOf(item));
  store.close();
  return lines;
}

function linesOf(item: StreamItem): string[] {
  if (item.kind === 'fault') return [`fault ${item.fault.what}`];
  if (item.kind === 'gap') return [`${item.firstOffset}: ${item.reason} ${item.ticks?.first}`];
  if (item.kind === 'events') {
    return item.events.map((event, i) => `${item.firstOffset + i}: ${text(event).slice(0, 20)}`);
  }
  const { batch, firstOffset } = item;
  return Array.from(
    batch.ticks,
    (tick, i) => `${firstOffset + i}: ${tick} ${batch.columns[0]![i]}`,
  );
}

const offsetIn = (line: string): number => parseInt(line, 10);

/** What an item that begins before `from` brings along is not what was asked for. */
function wanted(lines: readonly string[], from: number): string[] {
  return lines.filter((line) => offsetIn(line) >= from);
}

async function eventsFrom(
  environment: StoreEnvironment,
  from: number,
  to?: number,
): Promise<string[]> {
  const store = Store.open(DIR, environment);
  const lines: string[] = [];
  const options = { stream: 'test/samples', from, ...(to !== undefined && { to }), follow: false };
  const rest = { format: 'json' as const, withLedger: true, onDamage: () => {} };
  for await (const piece of cat(store, { ...options, ...rest })) lines.push(String(piece));
  store.close();
  return lines;
}

/** Every value of a batch, in arrays of their own. */
function valuesOf({ ticks, timeNanos, latenessNanos, columns }: SampleBatch): unknown {
  return [ticks, timeNanos, latenessNanos, ...columns].map((array) => array.slice());
}

/** Values as each item had them when it came, and the batches as they are at the end. */
async function batchesOf(environment: StoreEnvironment, options: ReadOptions) {
  const store = Store.open(DIR, environment);
  const values: unknown[] = [];
  const batches: SampleBatch[] = [];
  for await (const item of store.read('test/samples', options)) {
    if (item.kind !== 'samples') continue;
    values.push(valuesOf(item.batch));
    batches.push(item.batch);
  }
  store.close();
  return { values, batches };
}

interface PrintedEvent {
  firstOffset: string;
  lastOffset: string;
  TimestampNanos: unknown[];
}

describe.each([
  ['segments', () => Promise.resolve(unsealed)],
  ['chunks and a segment', sealed],
])('a stream over several %s', (_, made) => {
  let environment: StoreEnvironment;
  beforeAll(async () => {
    environment = await made();
  });

  it('arrays are the receiver’s, unless it has them reused', async () => {
    const own = await batchesOf(environment, {});
    const reused = await batchesOf(environment, { reuseArrays: true });
    expect(own.batches.map(valuesOf)).toEqual(own.values);
    expect(reused.values).toEqual(own.values);
    expect(reused.batches.map(valuesOf)).not.toEqual(own.values);
  });

  it.each(['test/samples', 'test/events'])(
    '%s is whole, in order, without holes',
    async (stream) => {
      const all = await readFrom(environment, stream, 0);
      expect(all).toEqual(await readFrom(unsealed, stream, 0));
      expect(all.map(offsetIn)).toEqual(all.map((_, offset) => offset));
    },
  );

  it.each(['test/samples', 'test/events'])('%s read exactly begins at the offset', async (name) => {
    const all = await readFrom(environment, name, 0);
    for (const from of [1, 5, 33, all.length - 1]) {
      expect(await readFrom(environment, name, from, { isExact: true })).toEqual(all.slice(from));
    }
  });

  it.each(['test/samples', 'test/events'])(
    '%s read from any offset is the rest',
    async (stream) => {
      const all = await readFrom(environment, stream, 0);
      expect(all).toEqual(await readFrom(unsealed, stream, 0));
      await fc.assert(
        fc.asyncProperty(fc.nat(all.length + 3), async (from) => {
          const lines = await readFrom(environment, stream, from);
          expect(wanted(lines, from)).toEqual(all.slice(from));
          // at most one item reaches back beyond what was asked for
          expect(lines.length - wanted(lines, from).length).toBeLessThan(MOST_RECORDS);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('prints, from any offset, whole events that are those of the whole stream', async () => {
    const all = await eventsFrom(environment, 0);
    expect(all).toEqual(await eventsFrom(unsealed, 0));
    const parsed = all.map((line) => JSON.parse(line) as PrintedEvent);
    expect(parsed.slice(0, -1).every((event) => event.TimestampNanos.length === PER_EVENT)).toBe(
      true,
    );
    const last = Number(parsed.at(-1)!.lastOffset);
    const range = fc.tuple(fc.nat(last), fc.nat(60));
    await fc.assert(
      fc.asyncProperty(range, async ([from, length]) => {
        const expected = all.filter((_, i) => {
          const { firstOffset, lastOffset } = parsed[i]!;
          const isWithin = Number(lastOffset) >= from && Number(firstOffset) < from + length;
          return length > 0 && isWithin;
        });
        expect(await eventsFrom(environment, from, from + length)).toEqual(expected);
        const rest = all.filter((_, i) => Number(parsed[i]!.lastOffset) >= from);
        expect(await eventsFrom(environment, from)).toEqual(rest);
      }),
      { numRuns: 30 },
    );
  });
});

describe('damage to the entry of a schema', () => {
  const OTHER = 'test/other';

  /** Two streams of one schema, whose entry stands in the group that began the first. */
  function damaged(): StoreEnvironment {
    const fs = new SimulatedFileSystem();
    const environment = { ...systemEnvironment, fs, pause: () => {} };
    const writer = openWriter(DIR, MIB, environment);
    const at = writer.durableEnd;
    beginEvents(writer);
    const other = beginEvents(writer, OTHER);
    writer.appendEvents(other, [bytes('one'), bytes('two')]);
    writer.abandon();
    const segment = fs.bytesOf(segmentPath(`${DIR}/log`, segmentOf(at)));
    const place = Buffer.from(segment.buffer, segment.byteOffset, segment.length);
    segment[place.indexOf('"schema"', offsetOf(at))]! ^= 1;
    return environment;
  }

  it('costs a stream beside it nothing but the time until somebody writes its kind again', async () => {
    const environment = damaged();
    expect(await readFrom(environment, OTHER, 0)).not.toContain('0: one');
    const writer = openWriter(DIR, MIB, environment);
    const other = beginEvents(writer, OTHER);
    writer.appendEvents(other, [bytes('three')]);
    writer.close();
    const lines = await readFrom(environment, OTHER, 0);
    expect(lines.filter((line) => !line.startsWith('fault'))).toEqual([
      ...['0: one', '1: two', '2: three'],
    ]);
  });
});

it('hears between two items that it is to end, though it waits for nothing', async () => {
  const store = Store.open(DIR, { ...unsealed, turn: nextTurn });
  const stop = new AbortController();
  let given = 0;
  for await (const item of store.read('test/samples', { signal: stop.signal })) {
    expect(item.kind).toBe('samples');
    if (++given === 2) setImmediate(() => stop.abort());
  }
  store.close();
  expect(given).toBe(2);
});

describe('an end of what is to be read that is none', () => {
  it.each([
    ['from', NaN, "from is NaN: expected an offset, 'start' or 'tail'"],
    ['from', 'x', "from is 'x': expected an offset, 'start' or 'tail'"],
    ['from', 10n, "from is 10n: expected an offset, 'start' or 'tail'"],
    ['from', 1.5, "from is 1.5: expected an offset, 'start' or 'tail'"],
    ['to', NaN, 'to is NaN: expected an offset'],
    ['to', 'tail', "to is 'tail': expected an offset"],
    ['fromTime', 5, 'fromTime is 5: expected UTC ns, as a BigInt'],
    ['toTime', 'x', "toTime is 'x': expected UTC ns, as a BigInt"],
  ])('%s: %s is refused, by its name', async (option, value, message) => {
    const store = Store.open(DIR, unsealed);
    const options = { [option]: value } as ReadOptions;
    for (const found of [store.read('test/events', options), store.readRaw('test/events', options)])
      await expect(found.next()).rejects.toMatchObject({ code: 'USAGE', message });
    store.close();
  });

  it('before the first offset and behind all is one', async () => {
    const store = Store.open(DIR, unsealed);
    const all: StreamItem[] = [];
    for await (const item of store.read('test/events', { from: -5, to: Infinity })) all.push(item);
    expect(all[0]).toMatchObject({ firstOffset: 0 });
    store.close();
  });
});
