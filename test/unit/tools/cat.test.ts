import { beforeAll, describe, expect, it } from 'vitest';
import { encodeSamples } from '../../../engine/batch/samples.ts';
import type { Channel } from '../../../engine/batch/schema.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { buckets } from '../../../engine/tools/buckets.ts';
import { cat } from '../../../engine/tools/cat.ts';
import type { CatOptions } from '../../../engine/tools/types.ts';
import { ChunkStore } from '../../support/chunk-store.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';
const STREAM = 'test/axes';
const SAMPLES = 25;
const channelOf = (name: string): Channel => ({
  name,
  type: 'i16',
  unit: '1',
  scale: 1,
  offset: 0,
});
const CHANNELS = ['A', 'B', 'C'].map(channelOf);
const SCHEDULE = { t0Nanos: 0n, periodNanos: 1_000_000n, resolutionNanos: 1n };

/** Channels A, B and C of the values k, 100 + k and 200 + k. */
function commitAxes(writer: StoreWriter): void {
  const schema = { kind: 'samples' as const, channels: CHANNELS };
  const what = { stream: STREAM, writer: 'source', schema, samplesPerEvent: 10, ...SCHEDULE };
  const [opened] = writer.beginRuns([{ ...what, attributes: [] }]);
  const { run, stream } = opened!;
  const { nextSeq, ordinal } = run;
  const cursor = { run: run.id, nextSeq, nextOffset: stream.nextOffset, ordinal };
  const ordinals = Array.from({ length: SAMPLES }, (_, k) => k);
  const columns = [0, 100, 200].map((from) => Float64Array.from(ordinals, (k) => from + k));
  const [times, batch] = encodeSamples({
    ...SCHEDULE,
    ...{ utcOffsetNanos: 0n, firstTick: 0, gaps: [] },
    timesNanos: BigInt64Array.from(ordinals, (k) => BigInt(k) * SCHEDULE.periodNanos),
    sources: [{ channels: CHANNELS, columns, cursor }],
  });
  const builder = writer.group();
  builder.add(KIND.times, 0, times!);
  builder.add(KIND.batch, stream.id, batch!);
  writer.commit(builder);
}

describe('cat', () => {
  let environment: StoreEnvironment;
  beforeAll(() => {
    const fs = new SimulatedFileSystem();
    environment = { ...systemEnvironment, fs, random: new SeededRandom(1), pause: () => {} };
    const writer = openWriter(DIR, undefined, environment);
    commitAxes(writer);
    writer.appendEvents(beginEvents(writer), [bytes('one'), bytes('two')]);
    writer.close();
  });

  async function printed(options: Partial<CatOptions>, of = environment): Promise<string> {
    const store = Store.open(DIR, of);
    const onDamage = (): void => expect.fail('no damage');
    const all = { stream: STREAM, from: 0, follow: false, withLedger: false, onDamage, ...options };
    let text = '';
    for await (const piece of cat(store, all)) text += piece.toString();
    store.close();
    return text;
  }

  it.each(['json', 'csv', 'ndjson-records'] as const)(
    'prints no record of an empty range as %s',
    async (format) => {
      const linesOf = async (range: Partial<CatOptions>): Promise<string[]> => {
        const lines = (await printed({ format, ...range })).split('\n').slice(0, -1);
        return lines.filter((line) => line !== 'TimestampNanos,A,B,C');
      };
      expect(await linesOf({ from: 15, to: 15 })).toEqual([]);
      expect(await linesOf({ from: 15, to: 5 })).toEqual([]);
      expect(await linesOf({ fromTime: 15_000_000n, toTime: 15_000_000n })).toEqual([]);
      expect(await linesOf({ from: 15, to: 16 })).toHaveLength(1);
    },
  );

  it.each([0, 1, 50, 59])('shows what stands for several records from %i on', async (from) => {
    const { environment: beside, writer } = new ChunkStore();
    const samples = beginSamples(writer, STREAM);
    commitSamples(writer, samples, 0, 100);
    const owned = Store.open(DIR, beside);
    trimStream(writer, await planTrim(owned.reader, samples.stream.id, 60));
    owned.close();
    const format = 'ndjson-records' as const;
    const offsetsOf = async (to: number): Promise<string[]> => {
      const lines = (await printed({ format, from, to }, beside)).split('\n').slice(0, -1);
      return lines.map((line) => {
        const { offset, type } = JSON.parse(line) as { offset: string; type: string };
        return `${type} ${offset}`;
      });
    };
    expect(await offsetsOf(62)).toEqual(['gap 0', 'sample 60', 'sample 61']);
    expect(await offsetsOf(from)).toEqual([]);
  });

  it('gives columns in the order in which they are asked for, and so do stats', async () => {
    const columns = ['C', 'A'];
    expect(await printed({ format: 'csv', columns, from: 24 })).toBe(
      'TimestampNanos,C,A\n24000000,224,24\n',
    );
    const json = await printed({ columns, to: 1 });
    expect(json).toMatch(/^\{"TimestampNanos":\[.*\],"C":\[200,.*\],"A":\[0,/);
    const records = await printed({ format: 'ndjson-records', columns, to: 1 });
    expect(records).toContain('"values":{"C":200,"A":0}');
    const store = Store.open(DIR, environment);
    const { channels } = await buckets(store, STREAM, { columns });
    expect(channels.map(({ name, min }) => [name, min[0]])).toEqual([
      ['C', 200],
      ['A', 0],
    ]);
    store.close();
  });

  it.each([
    [
      { delimiter: ', ' },
      '--delimiter is for format raw: each piece of json ends with a line feed',
    ],
    [{ delimiter: '\n', format: 'csv' }, '--delimiter is for format raw'],
    [{ delimiter: ';', format: 'ndjson-records', stream: 'test/events' }, '--delimiter'],
    [{ withLedger: true, format: 'csv' }, '--with-ledger: format csv has no place for it'],
    [{ withLedger: true, stream: 'test/events' }, '--with-ledger: format raw has no place for it'],
  ] as [Partial<CatOptions>, string][])('refuses what has no effect: %j', async (options, text) => {
    const refused = printed(options);
    await expect(refused).rejects.toMatchObject({ code: 'USAGE' });
    await expect(refused).rejects.toThrow(text);
  });

  it('puts a line feed behind each raw event, or what is asked for', async () => {
    expect(await printed({ stream: 'test/events' })).toBe('one\ntwo\n');
    expect(await printed({ stream: 'test/events', delimiter: ', ' })).toBe('one, two, ');
  });
});
