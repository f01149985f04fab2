import { describe, expect, it } from 'vitest';
import { setCursor, trimStream } from '../../../engine/store/write/changes.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { describeCursor } from '../../../engine/tools/cursors.ts';
import { describeStream, describeStreams } from '../../../engine/tools/describe.ts';
import { Top } from '../../../engine/tools/top.ts';
import type { StreamInfo } from '../../../engine/tools/types.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitGap,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';
const STREAM = 'test/samples';
/** 300 samples, a gap, and 200 samples: offsets 0 to 500 */
const TICKS = [
  [0, 300],
  [310, 200],
] as const;

interface Made {
  fs: SimulatedFileSystem;
  environment: StoreEnvironment;
  writer: StoreWriter;
}

function made(): Made {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, random: new SeededRandom(1), pause: () => {} };
  const writer = openWriter(DIR, undefined, environment);
  const opened = beginSamples(writer);
  commitSamples(writer, opened, ...TICKS[0]);
  commitGap(writer, opened, 300, 10);
  commitSamples(writer, opened, ...TICKS[1]);
  return { fs, environment, writer };
}

async function trim({ environment, writer }: Made, stream: string, to: number): Promise<void> {
  const store = Store.open(DIR, environment);
  trimStream(writer, await planTrim(store.reader, store.stream(stream).id, to));
  store.close();
}

async function described({ environment }: Made, stream = STREAM): Promise<StreamInfo> {
  const store = Store.open(DIR, environment);
  const info = await describeStream(store, stream);
  expect(await describeStreams(store)).toContainEqual(info);
  store.close();
  return info;
}

const nanosAt = (tick: number): string => String(tick * 1_000_000 + 40_000);

describe('what is said of a stream', () => {
  it('is of all of it while nothing is retired', async () => {
    const store = made();
    const info = await described(store);
    expect(info).toMatchObject({
      ...{ records: '501', samples: '500', firstOffset: '0', lastOffset: '500' },
      retired: { records: '0', samples: '0' },
      ...{ firstTimestampNanos: nanosAt(0), lastTimestampNanos: nanosAt(509) },
    });
    expect(info.bytesPerRecord).toBe(Number(info.bytes) / 501);
  });

  it.each([false, true])('is of what a trim has left; sealed: %s', async (isSealed) => {
    const store = made();
    const before = await described(store);
    if (isSealed) await sealAll(store.fs, store.writer);
    await trim(store, STREAM, 120);
    const info = await described(store);
    expect(info).toMatchObject({
      ...{ records: '381', samples: '380', firstOffset: '120', lastOffset: '500' },
      retired: { records: '120', samples: '120' },
      ...{ firstTimestampNanos: nanosAt(120), lastTimestampNanos: nanosAt(509) },
    });
    // bytes, and what a record takes, are of all that was written
    expect(info.bytes).toBe(before.bytes);
    expect(info.bytesPerRecord).toBe(before.bytesPerRecord);
  });

  it('begins with the first sample behind the mark, where a gap lies between', async () => {
    const store = made();
    await trim(store, STREAM, 300);
    const info = await described(store);
    expect(info).toMatchObject({ records: '201', samples: '200', firstOffset: '300' });
    expect(info.firstTimestampNanos).toBe(nanosAt(310));
  });

  it('is of nothing where all is retired, and its offsets go on', async () => {
    const store = made();
    await trim(store, STREAM, 501);
    expect(await described(store)).toMatchObject({
      ...{ records: '0', samples: '0', firstOffset: '501', lastOffset: '500' },
      retired: { records: '501', samples: '500' },
      ...{ firstTimestampNanos: null, lastTimestampNanos: null },
    });
  });

  it('is what top and the cursors say', async () => {
    const store = made();
    setCursor(store.writer, { name: 'reader', stream: STREAM, offset: 20 }, 1n);
    await trim(store, STREAM, 120);
    const opened = Store.open(DIR, store.environment);
    const { streams, cursors } = new Top(opened).look();
    expect(streams).toMatchObject([{ name: STREAM, records: '381', firstOffset: '120' }]);
    expect(cursors).toMatchObject([{ name: 'reader', offset: '20', lag: '481', retired: '100' }]);
    expect(describeCursor(opened, 'reader')).toMatchObject({ lagRecords: '481', retired: '100' });
    opened.close();
  });

  it('knows the time of the first event that is left', async () => {
    const store = made();
    const events = beginEvents(store.writer);
    store.writer.appendEvents(events, [bytes('a'), bytes('b')]);
    store.writer.appendEvents(events, [bytes('c')]);
    const { firstTimestampNanos: first } = await described(store, 'test/events');
    await trim(store, 'test/events', 2);
    const info = await described(store, 'test/events');
    expect(info).toMatchObject({ records: '1', samples: '0', firstOffset: '2', lastOffset: '2' });
    expect(info.firstTimestampNanos).toBe(info.lastTimestampNanos);
    expect(BigInt(info.firstTimestampNanos!)).toBeGreaterThan(BigInt(first!));
  });
});
