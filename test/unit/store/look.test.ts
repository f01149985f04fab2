/** A store that stays open answers from what is durable by then, whoever owns it by then. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import type { FileSystem } from '../../../engine/files/file-system.ts';
import { setCursor } from '../../../engine/store/write/changes.ts';
import { storePaths } from '../../../engine/store/log/files.ts';
import {
  Store,
  systemEnvironment,
  type ReadOptions,
  type StoreEnvironment,
} from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { buckets } from '../../../engine/tools/buckets.ts';
import { describeCursors } from '../../../engine/tools/cursors.ts';
import { describeStreams } from '../../../engine/tools/describe.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  openWriter,
  text,
} from '../../support/stores.ts';

const STREAM = 'test/events';

function ownerOf(dir: string): StoreWriter {
  const writer = openWriter(dir, MIB);
  onTestFinished(() => writer.abandon());
  return writer;
}

function opened(dir: string, environment?: StoreEnvironment): Store {
  const store = Store.open(dir, environment);
  onTestFinished(() => store.close());
  return store;
}

async function eventsOf(store: Store, options: ReadOptions = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const item of store.read(STREAM, options)) {
    if (item.kind === 'events') found.push(...item.events.map(text));
  }
  return found;
}

describe('beside an owner, a store that was opened before', () => {
  test('reads, and says of streams and positions, what has come since', async () => {
    const dir = temporaryDirectory();
    const writer = ownerOf(dir);
    const events = beginEvents(writer, STREAM);
    writer.appendEvents(events, [bytes('one')]);
    const store = opened(dir);
    expect(await eventsOf(store)).toEqual(['one']);
    const position = { file: 'input', offset: 3, hash: '' };
    writer.appendEvents(events, [bytes('two')], position);
    expect(await eventsOf(store)).toEqual(['one', 'two']);
    writer.appendEvents(events, [bytes('three')]);
    expect(store.stream(STREAM).nextOffset).toBe(3);
    expect(store.positionOf(STREAM, 'w')).toEqual({ ...position, seq: 2 });
    beginEvents(writer, 'test/new');
    expect(store.streamNames()).toEqual([STREAM, 'test/new']);
    writer.appendEvents(events, [bytes('four')]);
    const kinds: string[] = [];
    for await (const item of store.readRaw(STREAM)) kinds.push(item.kind);
    expect(kinds).toEqual(['raw', 'raw', 'raw', 'raw']);
  });

  test('begins at the tail and at the cursor of that moment', async () => {
    const dir = temporaryDirectory();
    const writer = ownerOf(dir);
    const events = beginEvents(writer, STREAM);
    const store = opened(dir);
    for (const event of ['one', 'two', 'three']) writer.appendEvents(events, [bytes(event)]);
    expect(await eventsOf(store, { from: 'tail' })).toEqual([]);
    setCursor(writer, { name: 'mine', stream: STREAM, offset: 2 }, 1n);
    expect(describeCursors(store)).toMatchObject([{ name: 'mine', offset: '2', lagRecords: '1' }]);
    writer.appendEvents(events, [bytes('four')]);
    expect(await eventsOf(store, { cursor: 'mine' })).toEqual(['three', 'four']);
  });

  test('finds times, and sums up samples, that have come since', async () => {
    const dir = temporaryDirectory();
    const writer = ownerOf(dir);
    const samples = beginSamples(writer);
    const store = opened(dir);
    commitSamples(writer, samples, 0, 1000);
    const [info] = await describeStreams(store);
    expect(info).toMatchObject({ samples: '1000', lastTimestampNanos: '999040000' });
    const { channels } = await buckets(store, 'test/samples', { count: 2 });
    expect([...channels[0]!.count]).toEqual([500, 500]);
    commitSamples(writer, samples, 1000, 500);
    expect(await store.locateTime('test/samples', 1_100_000_000n)).toBe(1100);
  });

  test('counts buckets up to the end of one moment, whatever comes while they are made', async () => {
    const dir = temporaryDirectory();
    const writer = ownerOf(dir);
    const samples = beginSamples(writer);
    commitSamples(writer, samples, 0, 1000);
    const store = opened(dir);
    const readRaw = store.readRaw.bind(store);
    store.readRaw = (...call) => {
      commitSamples(writer, samples, 1000, 1000);
      return readRaw(...call);
    };
    const { channels } = await buckets(store, 'test/samples', { count: 4 });
    expect([...channels[0]!.count]).toEqual([250, 250, 250, 250]);
  });

  test('gives each record once to each of two who read at the same time', async () => {
    const dir = temporaryDirectory();
    const writer = ownerOf(dir);
    const events = beginEvents(writer, STREAM);
    const all: string[] = [];
    const append = (): void => {
      all.push(`event ${all.length}`);
      writer.appendEvents(events, [bytes(all.at(-1)!)]);
    };
    for (let i = 0; i < 10; i++) append();
    const store = opened(dir);
    const readers = [0, 1].map(() => store.read(STREAM, { follow: true, to: 40 }));
    const found: string[][] = [[], []];
    while (found.some(({ length }) => length < 40)) {
      for (const [i, reader] of readers.entries()) {
        if (all.length < 40) append();
        store.stream(STREAM);
        if (found[i]!.length === 40) continue;
        const next = await reader.next();
        if (next.done || next.value.kind !== 'events') continue;
        found[i]!.push(...next.value.events.map(text));
      }
    }
    expect(found).toEqual([all, all]);
  });
});

describe('over several owners, a store that was opened before all of them', () => {
  test('follows the one that is there', async () => {
    const dir = temporaryDirectory();
    ownerOf(dir).close();
    const store = opened(dir);
    for (let owner = 0; owner < 3; owner++) {
      const writer = ownerOf(dir);
      const events = beginEvents(writer, STREAM);
      const following = eventsOf(store, { from: 'tail', follow: true });
      const turn = new Promise((resolve) => setImmediate(resolve));
      await turn;
      writer.appendEvents(events, [bytes(`of ${owner}`)]);
      writer.close();
      expect(await following).toEqual([`of ${owner}`]);
    }
    expect(await eventsOf(store)).toEqual(['of 0', 'of 1', 'of 2']);
  });

  test('waits for one that is just beginning', () => {
    const dir = temporaryDirectory();
    const before = ownerOf(dir);
    beginEvents(before, STREAM);
    before.close();
    let pauses = 0;
    const pause = (): void => {
      if (++pauses < 3) return;
      if (pauses === 3) lock.release();
      const writer = pauses === 3 ? ownerOf(dir) : undefined;
      if (writer) writer.appendEvents(beginEvents(writer, STREAM), [bytes('one')]);
    };
    const store = opened(dir, { ...systemEnvironment, pause });
    // it has the lock, and its mark is not there yet
    const lock = nodeFileSystem.lock(storePaths(dir).lock, true)!;
    nodeFileSystem.remove(storePaths(dir).mark);
    expect(store.stream(STREAM).nextOffset).toBe(1);
    expect(pauses).toBe(3);
  });
});

test('one that is closed looks no more: it leaves nothing open', () => {
  const dir = temporaryDirectory();
  const writer = ownerOf(dir);
  const events = beginEvents(writer, STREAM);
  const store = opened(dir, { ...systemEnvironment, fs: counting('openMark') });
  expect(calls).toBe(1);
  store.close();
  writer.appendEvents(events, [bytes('one')]);
  expect(store.stream(STREAM).nextOffset).toBe(0);
  expect(calls).toBe(1);
});

test('it looks once for a call, and never for an item', async () => {
  const dir = temporaryDirectory();
  const writer = ownerOf(dir);
  const events = beginEvents(writer, STREAM);
  for (let i = 0; i < 100; i++) writer.appendEvents(events, [bytes(`event ${i}`)]);
  const store = opened(dir, { ...systemEnvironment, fs: counting('lock') });
  calls = 0;
  expect(await eventsOf(store)).toHaveLength(100);
  expect(calls).toBe(1);
});

let calls = 0;

/** The machine's file system, with calls of one kind counted. */
function counting(kind: 'lock' | 'openMark'): FileSystem {
  calls = 0;
  const fs = { ...nodeFileSystem };
  const original = fs[kind].bind(fs) as (...args: unknown[]) => unknown;
  const counted = (...args: unknown[]): unknown => {
    calls++;
    return original(...args);
  };
  return Object.assign(fs, { [kind]: counted });
}
