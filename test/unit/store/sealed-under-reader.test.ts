/**
 * The segment that somebody reads is sealed and goes: the reader goes on in the chunk, with what it
 * has not given yet.
 */
import { expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import { removeStream } from '../../../engine/store/write/changes.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { listSegments } from '../../../engine/store/log/segment.ts';
import type { StreamItem } from '../../../engine/store/read/stream-item.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter, text } from '../../support/stores.ts';

const DIR = '/store';
const STREAM = 'test/events';
const NOISE = Buffer.from(new SeededRandom(5).bytes(30_000)).toString('base64');
/** Does not become shorter. */
const RAW_NOISE = new SeededRandom(6).bytes(20_000);
const SEGMENT = 2;

/** Which offsets are of the writer that begins another run later. */
const isRestarted = (offset: number): boolean => offset % 4 === 1;

/** On a disk of its own, and its owner. */
function emptyStore(): {
  fs: SimulatedFileSystem;
  environment: StoreEnvironment;
  writer: StoreWriter;
} {
  const fs = new SimulatedFileSystem();
  const environment: StoreEnvironment = { ...systemEnvironment, fs, pause: () => {} };
  return { fs, environment, writer: openWriter(DIR, MIB, environment) };
}

/** Two writers over some segments; later ones do not name the first run of the second. */
function written(writer: StoreWriter): number {
  const steady = beginEvents(writer, STREAM, 'steady');
  let offset = 0;
  for (const segments of [4, 5]) {
    const restarted = beginEvents(writer, STREAM, 'restarted');
    for (; segmentOf(writer.durableEnd) < segments; offset++) {
      const run = isRestarted(offset) ? restarted : steady;
      writer.appendEvents(run, [bytes(`${offset} ${NOISE}`)]);
    }
  }
  return offset;
}

/** What a reader from an offset in segment 2 gives, which is sealed once it has given one item. */
async function readWhileSealed(
  fromOf: (firstOffset: number) => number,
): Promise<{ found: string[]; from: number; end: number }> {
  const { fs, environment, writer } = emptyStore();
  const end = written(writer);
  const store = Store.open(DIR, environment);
  const { id } = store.stream(STREAM);
  let first = 0;
  while (segmentOf((await store.reader.locate(id, first)).lsn) < SEGMENT) first++;
  const from = fromOf(first);
  expect(segmentOf((await store.reader.locate(id, from)).lsn)).toBe(SEGMENT);
  const found: string[] = [];
  for await (const item of store.read(STREAM, { from })) {
    if (found.length === 0) await sealAll(fs, writer);
    expect(listSegments(fs, writer.paths.log)).not.toContain(SEGMENT);
    found.push(...eventsOf(item));
  }
  store.close();
  writer.close();
  return { found, from, end };
}

/** What a reader gives whose store is sealed between its being opened and its first look. */
async function readOnceSealed(from: number): Promise<{ found: string[]; end: number }> {
  const { fs, environment, writer } = emptyStore();
  const end = written(writer);
  const store = Store.open(DIR, environment);
  await sealAll(fs, writer);
  const found: string[] = [];
  for await (const item of store.read(STREAM, { from })) found.push(...eventsOf(item));
  store.close();
  writer.close();
  return { found, end };
}

/** The number that each event begins with; of what is no event, what it is. */
function eventsOf(item: StreamItem): string[] {
  if (item.kind === 'fault') return [item.fault.what];
  if (item.kind !== 'events') return [`${item.kind} at ${item.firstOffset}`];
  return item.events.map((event) => text(event).split(' ')[0]!);
}

/**
 * What a reader gives that sleeps behind some records, while its segment is sealed and its file is
 * filled anew as a later one, with groups as long as those that were there.
 * @returns with how many records it had given whenever it read on in a segment
 */
async function readWhileWrittenAnew(
  sleepsBehind: number,
  blocks: number,
): Promise<{ found: string[]; readsBehind: Set<number> }> {
  const { fs, environment, writer } = emptyStore();
  const run = beginEvents(writer, STREAM, 'steady');
  // beside an event's own number and the group's header and table
  const noise = RAW_NOISE.subarray(0, blocks * BLOCK_BYTES - 1000);
  // numbers of one length from here on, in the text of events and wherever the log says them
  let end = 1000;
  writer.appendEvents(run, offsets(0, end).map(bytes));
  const fill = (segment: number): void => {
    for (; segmentOf(writer.durableEnd) < segment; end++) {
      const head = `${end} `.padEnd(8);
      writer.appendEvents(run, [Buffer.concat([bytes(head), noise])]);
    }
  };
  fill(3);
  const found: string[] = [];
  const readsBehind = new Set<number>();
  const step = (operation: string, path: string): void => {
    if (operation === 'read' && path.endsWith('.seg')) readsBehind.add(found.length);
  };
  const own = new SimulatedFileSystem(fs.disk, { ...calmHost, step });
  const store = Store.open(DIR, { ...environment, fs: own });
  for await (const item of store.read(STREAM)) {
    found.push(...eventsOf(item));
    if (found.length !== sleepsBehind) continue;
    for (let segment = 4; segment < 9; segment++) {
      await sealAll(fs, writer);
      fill(segment);
    }
  }
  store.close();
  writer.close();
  return { found, readsBehind };
}

const offsets = (from: number, end: number): string[] =>
  Array.from({ length: end - from }, (_, i) => String(from + i));

it('what lies before the first offset wanted makes nothing come twice', async () => {
  const { found, from, end } = await readWhileSealed((first) => first + 10);
  expect(found).toEqual(offsets(from, end));
});

it('a run that is met only then is known from the chunk', async () => {
  const { found, from, end } = await readWhileSealed((first) => {
    expect(isRestarted(first), 'the run is met later').toBe(false);
    return first;
  });
  expect(found).toEqual(offsets(from, end));
});

it.each([0, 3, 60])(
  'sealed before a reader has looked for offset %i, nothing is lost',
  async (from) => {
    const { found, end } = await readOnceSealed(from);
    expect(found).toEqual(offsets(from, end));
  },
);

it.each([1, 3, 5])(
  'nothing is taken from a file that is another segment by now, with groups of %i blocks',
  async (blocks) => {
    const { readsBehind } = await readWhileWrittenAnew(Infinity, blocks);
    expect(readsBehind.size).toBeGreaterThan(5);
    for (const sleepsBehind of readsBehind) {
      const { found } = await readWhileWrittenAnew(sleepsBehind, blocks);
      expect(found, `asleep behind ${sleepsBehind}`).toEqual(offsets(0, found.length));
    }
  },
);

it('a stream that is removed while it is read ends so, and is no damage', async () => {
  const { fs, environment, writer } = emptyStore();
  written(writer);
  for (const { id } of writer.state.writersOf(1)) {
    const builder = writer.group();
    writer.addRunEnd(builder, writer.state.runs.get(id)!, 'stopped');
    writer.commit(builder);
  }
  const store = Store.open(DIR, environment);
  const found: string[] = [];
  const read = async (): Promise<void> => {
    for await (const item of store.read(STREAM)) {
      if (found.length === 0) {
        removeStream(writer, STREAM);
        await sealAll(fs, writer);
      }
      found.push(...eventsOf(item));
    }
  };
  await expect(read()).rejects.toThrow(`stream ${STREAM} was removed`);
  expect(found).toEqual(offsets(0, found.length));
  store.close();
  writer.close();
});

it('once a reader has found it gone, no file stays open', async () => {
  const { fs, environment, writer } = emptyStore();
  const run = beginEvents(writer, STREAM, 'steady');
  const own = new SimulatedFileSystem(fs.disk);
  const store = Store.open(DIR, { ...environment, fs: own });
  for (let i = 0; segmentOf(writer.durableEnd) < 5; i++)
    writer.appendEvents(run, [bytes(`${i} ${NOISE}`)]);
  await sealAll(fs, writer);
  expect(store.reader.refresh()).toBe(true);
  store.close();
  writer.close();
  expect([...own.openFiles]).toEqual([]);
});
