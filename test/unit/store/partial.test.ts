/**
 * A store of which damage has taken what the log said of its streams: their numbers stand in chunks
 * that are still there. No new stream ever gets one of them, and one that had got it, from an older
 * version, reads what is its own and nothing else; and what is not known is not removed.
 */
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../engine/base/constants.ts';
import { ChunkReader } from '../../../engine/store/chunks/chunk-reader.ts';
import { joinChunks } from '../../../engine/store/chunks/sealer.ts';
import { readLog, segmentStart } from '../../../engine/store/log/log.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { Store } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { upkeepStep } from '../../../engine/store/upkeep/upkeep.ts';
import { ChunkStore, DIR, SAMPLES, environmentOf, recordsOf } from '../../support/chunk-store.ts';
import { sealContext } from '../../support/sealing.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const NEW = 'test/new';

/** Two chunks, in the second of which only the filler has records, and a snapshot that is gone. */
async function spoilt(): Promise<ChunkStore> {
  const store = new ChunkStore();
  for (let i = 0; i < 3; i++) store.append(200);
  for (let chunk = 0; chunk < 2; chunk++) {
    store.endSegment();
    await store.settle();
  }
  store.writer.close();
  expect(store.chunks()).toHaveLength(2);
  store.fs.bytesOf(segmentPath(`${DIR}/log`, 3)).fill(0xff, BLOCK_BYTES, BLOCK_BYTES + 64);
  return store;
}

/** The greatest number of a stream, and of a run, that chunks name. */
async function numbersInChunks(store: ChunkStore): Promise<{ stream: number; run: number }> {
  const { place } = sealContext(store.fs, store.writer);
  const most = { stream: 0, run: 0 };
  for (const file of store.chunks()) {
    const chunk = await ChunkReader.open(place, file.slice(file.lastIndexOf('/') + 1), undefined);
    for (const { stream } of chunk!.table) {
      most.stream = Math.max(most.stream, stream);
      const runs = (await chunk!.directory(stream))?.runs ?? [];
      most.run = Math.max(most.run, ...runs.map(({ id }) => id));
    }
    chunk!.close();
  }
  return most;
}

describe('a store of which no snapshot can be read', () => {
  it('issues no number that a chunk names, the first time and the second', async () => {
    const store = await spoilt();
    const { stream, run } = await numbersInChunks(store);
    expect([stream, run]).toEqual([3, 3]);
    let known = { stream, run };
    for (let time = 0; time < 2; time++) {
      const writer = openWriter(DIR, undefined, store.environment);
      expect(writer.state.isPartial).toBe(true);
      const opened = beginEvents(writer, `${NEW}-${time}`);
      expect(opened.stream.id).toBeGreaterThan(known.stream);
      expect(opened.run.id).toBeGreaterThan(known.run);
      expect(Number.isSafeInteger(opened.run.epoch)).toBe(true);
      known = { stream: opened.stream.id, run: opened.run.id };
      // damage takes the next snapshot as well, and the segment with what the log said of these
      while (writer.durableEnd < 2 ** 32 * (4 + time)) {
        writer.appendEvents(opened, [new Uint8Array(90_000)]);
      }
      writer.close();
      const { fs } = store;
      fs.remove(segmentPath(`${DIR}/log`, 3 + time));
      fs.bytesOf(segmentPath(`${DIR}/log`, 4 + time)).fill(0xff, BLOCK_BYTES, BLOCK_BYTES + 64);
    }
  });

  it('serves a stream that has got the number of another its own records alone', async () => {
    const { environment } = await spoilt();
    const writer = openWriter(DIR, undefined, environment);
    // as an older version counted
    writer.state.nextStream = writer.state.nextRun = 1;
    const opened = beginEvents(writer, NEW);
    expect(opened.stream.id).toBe(1);
    for (const event of ['a', 'b', 'c']) writer.appendEvents(opened, [bytes(`event ${event}`)]);
    writer.close();
    expect(await recordsOf(environment, NEW)).toEqual([
      'fault lost group',
      ...['0 a', '1 b', '2 c'],
    ]);
    const store = Store.open(DIR, environment);
    const offsets: number[] = [];
    for await (const item of store.read(NEW, { from: 2 })) {
      if (item.kind !== 'fault') offsets.push(item.firstOffset);
    }
    expect(offsets).toEqual([2]);
    const { totals } = store.stream(NEW);
    expect(await store.locateTime(NEW, totals.firstNanos!)).toBe(0);
    expect(await store.locateTime(NEW, totals.lastNanos! + 1n)).toBe(3);
    const { writers } = await planTrim(store.reader, 1, 2);
    expect(writers).toMatchObject([{ writer: 'w', records: 2 }]);
    store.close();
  });
});

describe('a store of which one piece of the only snapshot cannot be read', () => {
  it('removes nothing: what the piece said may be there', async () => {
    const store = new ChunkStore();
    for (let i = 0; i < 3; i++) store.append(200);
    store.endSegment();
    await store.settle();
    store.writer.close();
    const at = placeOfStreams(store.fs);
    const fs = new SimulatedFileSystem(store.fs.disk.clone());
    fs.bytesOf(segmentPath(`${DIR}/log`, 2))[at]! ^= 0xff;
    const environment = environmentOf(fs);
    const writer = openWriter(DIR, undefined, environment);
    expect(writer.state.isPartial).toBe(true);
    expect(writer.state.streamNamed(SAMPLES)).toBeUndefined();
    expect(writer.state.nextStream).toBeGreaterThan(3);
    const rules = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    const result = await upkeepStep(rules, environment, () => Promise.resolve());
    expect(result.did).toBe('nothing');
    expect(fs.list(`${DIR}/chunks`)).toHaveLength(1);
    writer.close();
  });
});

/** A byte of the piece of the snapshot that names the streams. */
function placeOfStreams(fs: SimulatedFileSystem): number {
  const from = { lsn: segmentStart(2), last: undefined };
  for (const item of readLog(fs, `${DIR}/log`, from, undefined)) {
    if (item.kind !== 'group') continue;
    const file = Buffer.from(fs.readFile(segmentPath(`${DIR}/log`, 2)));
    return file.indexOf(`"name":"${SAMPLES}"`, item.offset);
  }
  return expect.fail('there is no snapshot');
}

describe('chunks that are joined', () => {
  it('hold nothing of another stream that had the number', async () => {
    const store = new ChunkStore();
    const { fs, writer } = store;
    store.append(200);
    store.endSegment();
    await store.settle();
    const { id } = writer.state.streamNamed(SAMPLES)!;
    const context = sealContext(fs, writer);
    const [name] = store.chunks().map((file) => file.slice(file.lastIndexOf('/') + 1));
    const chunk = (await ChunkReader.open(context.place, name!, undefined))!;
    expect(await chunk.directory(id, writer.state)).toBeDefined();
    writer.state.streams.get(id)!.incarnation = 'another';
    await joinChunks(context, [chunk]);
    chunk.close();
    const joined = (await ChunkReader.open(context.place, name!, undefined))!;
    expect(await joined.directory(id)).toBeUndefined();
    expect(await joined.directory(id + 1)).toBeDefined();
    joined.close();
    writer.abandon();
  });
});
