/**
 * One changed byte, anywhere: a reader either sees everything as it was, or verify says that it
 * does not; and nothing ever fails with anything but a sentence for people.
 */
import { describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { offsetOf } from '../../../engine/store/entries/format.ts';
import { readLog, segmentStart } from '../../../engine/store/log/log.ts';
import { listSegments, segmentPath } from '../../../engine/store/log/segment.ts';
import { namedStream } from '../../../engine/store/state/named.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { cat } from '../../../engine/tools/cat.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, FILLER } from '../../support/chunk-store.ts';
import { copyOnce, record } from '../../support/copies.ts';
import { count } from '../../support/counts.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner } from '../../support/local-owner.ts';
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
const STEP = process.env['HELICORDER_SOAK'] ? 1 : 37;

interface SmallStore {
  fs: SimulatedFileSystem;
  environment: StoreEnvironment;
  /** bytes of the segment that are in use */
  end: number;
}

/** One segment: samples, events, a second life after a crash, and a clean stop or none yet. */
function smallStore(closed: boolean): SmallStore {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, pause: () => {} };
  const first = openWriter(DIR, MIB, environment);
  first.appendEvents(beginEvents(first), [bytes('one'), bytes('two')]);
  commitSamples(first, beginSamples(first), 0, 30);
  first.abandon();
  const second = openWriter(DIR, MIB, environment);
  second.appendEvents(beginEvents(second), [bytes('three')]);
  if (closed) second.close();
  return { fs, environment, end: offsetOf(second.durableEnd) };
}

/** A chunk, and of the log the segment behind it alone, up to the end of its snapshot. */
async function sealedStore(): Promise<SmallStore> {
  const store = new ChunkStore();
  const { fs, environment, writer } = store;
  store.append(200);
  store.endSegment();
  const { reader } = Store.open(DIR, environment);
  const { id, nextOffset } = namedStream(reader.state, FILLER);
  trimStream(writer, await planTrim(reader, id, nextOffset));
  reader.close();
  await store.settle();
  store.append(200);
  writer.close();
  expect(listSegments(fs, `${DIR}/log`)).toEqual([2]);
  for (const item of readLog(
    fs,
    `${DIR}/log`,
    { lsn: segmentStart(2), last: undefined },
    undefined,
  )) {
    if (item.kind === 'group') return { fs, environment, end: item.offset + item.size.padded };
  }
  return expect.fail('there is no snapshot');
}

/** Of a transaction that is larger than what stays in memory. */
async function spilledStore(): Promise<SmallStore & { file: string }> {
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, pause: () => {} };
  const from = new LocalOwner(temporaryDirectory());
  const spilling = { ...environment, spillBytes: KIB };
  const to = new LocalOwner(DIR, MIB, spilling);
  record(from, new SeededRandom(1), 1, 20);
  const [source, target] = [from, to].map((owner) => ({ dir: owner.dir, owner: owner.connect() }));
  await copyOnce(source!, target!, { batchRecords: Infinity, batchBytes: Infinity });
  from.close();
  to.close();
  const [name] = fs.list(`${DIR}/txn`);
  const file = `${DIR}/txn/${name}`;
  return { fs, environment, file, end: fs.bytesOf(file).length };
}

/** Everything that can be read, as text; or the code of the error that said why not. */
async function readAll({ environment }: SmallStore): Promise<string> {
  const lines: string[] = [];
  let store: Store | undefined;
  try {
    store = Store.open(DIR, environment);
    for (const stream of store.streamNames()) {
      const options = { stream, from: 'start' as const, format: 'ndjson-records' as const };
      const rest = { follow: false, withLedger: false, onDamage: () => {} };
      for await (const piece of cat(store, { ...options, ...rest })) lines.push(String(piece));
    }
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    lines.push(`error ${error.code}`);
  } finally {
    store?.close();
  }
  return lines.join('');
}

async function isSound({ environment }: SmallStore): Promise<boolean> {
  try {
    return (await verify(DIR, environment)).ok;
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    return false;
  }
}

/** Every byte of a small file, else every STEP-th; of a block's zero padding only a few. */
function* places(bytes: Uint8Array): Generator<number> {
  const isPadding = (at: number): boolean =>
    bytes.subarray(at, Math.ceil((at + 1) / 4096) * 4096).every((byte) => byte === 0);
  const step = bytes.length <= 4096 ? 1 : STEP;
  for (let at = 0; at < bytes.length; at += isPadding(at) ? 16 * step : step) yield at;
}

/** What is read now and was not before, and says that it is anything but lost. */
function otherRecords(before: string, now: string): string[] {
  const known = new Set(before.split('\n'));
  return now.split('\n').filter((line) => !known.has(line) && !/"corrupt"|^error /.test(line));
}

/** Flips bytes of a file one at a time; every place is put back before the next. */
async function flipEach(store: SmallStore, file: string, end: number): Promise<void> {
  const before = await readAll(store);
  expect(await isSound(store)).toBe(true);
  for (const at of places(store.fs.bytesOf(file).slice(0, end))) {
    const memory = store.fs.bytesOf(file);
    const byte = memory[at]!;
    memory[at] = byte ^ 0xff;
    count('bytes flipped');
    const now = await readAll(store);
    const sound = await isSound(store);
    expect(now === before || !sound, `byte ${at} of ${file}`).toBe(true);
    expect(otherRecords(before, now), `byte ${at} of ${file}`).toEqual([]);
    store.fs.bytesOf(file)[at] = byte;
  }
  expect(await readAll(store)).toBe(before);
}

/** With any byte changed the store starts, records, and has every stream with what it had. */
async function recordOnAfterEach(store: SmallStore, file: string, end: number): Promise<void> {
  const all = [...places(store.fs.bytesOf(file).slice(0, end))];
  for (const at of all.filter((_, i) => i % Math.ceil(STEP / 2) === 0)) {
    const fs = store.fs.clone();
    fs.bytesOf(file)[at]! ^= 0xff;
    const environment = { ...store.environment, fs };
    const writer = openWriter(DIR, MIB, environment);
    writer.appendEvents(beginEvents(writer), [bytes('recorded after all')]);
    writer.close();
    const text = await readAll({ ...store, environment, fs });
    for (const event of ['one', 'two', 'three', 'recorded after all']) {
      expect(text, `byte ${at} of ${file}`).toContain(`"data":"${event}"`);
    }
    expect(text.match(/"type":"sample"/g), `byte ${at} of ${file}`).toHaveLength(30);
  }
}

/** What a next owner, who may not know of it any more, makes of a store with any byte changed. */
async function ownAfterEach(store: SmallStore, file: string, end: number): Promise<void> {
  const before = (await readAll(store)).trim().split('\n');
  const all = [...places(store.fs.bytesOf(file).slice(0, end))];
  for (const at of all.filter((_, i) => i % 2 === 0)) {
    const fs = store.fs.clone();
    fs.bytesOf(file)[at]! ^= 0xff;
    const next = { ...store, fs, environment: { ...store.environment, fs } };
    const writer = openWriter(DIR, MIB, next.environment);
    writer.appendEvents(beginEvents(writer, 'test/other'), [bytes('recorded after all')]);
    writer.close();
    const text = await readAll(next);
    const isThere = before.every((line) => text.includes(line));
    expect(isThere || !(await isSound(next)), `byte ${at} of ${file}`).toBe(true);
    expect(text, `byte ${at} of ${file}`).toContain('recorded after all');
  }
}

describe('a changed byte', () => {
  it.each(['store.json', 'mark', 'log/00000000000000000001.seg'])(
    'of %s outside of the groups stops no recording and takes no record',
    async (name) => {
      await recordOnAfterEach(smallStore(true), `${DIR}/${name}`, 4096);
    },
  );

  it('of a segment is seen, or changes nothing', async () => {
    const store = smallStore(true);
    await flipEach(store, segmentPath(`${DIR}/log`, 1), store.end);
  });

  it('of the only segment behind a chunk is seen, or changes nothing', async () => {
    const store = await sealedStore();
    await flipEach(store, segmentPath(`${DIR}/log`, 2), store.end);
  });

  it('of it is seen after a next owner as well, who may know of nothing any more', async () => {
    const store = await sealedStore();
    await ownAfterEach(store, segmentPath(`${DIR}/log`, 2), store.end);
  });

  it('of store.json is seen, or changes nothing', async () => {
    const store = smallStore(true);
    await flipEach(store, `${DIR}/store.json`, store.fs.bytesOf(`${DIR}/store.json`).length);
  });

  it('of a transaction that was spilled is seen, or changes nothing', async () => {
    const store = await spilledStore();
    await flipEach(store, store.file, store.end);
  });

  it('of the mark of a running owner is seen, or changes nothing', async () => {
    const store = smallStore(false);
    await flipEach(store, `${DIR}/mark`, 96);
  });
});
