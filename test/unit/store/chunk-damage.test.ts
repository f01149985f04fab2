/**
 * Damage in a store with chunks. One changed byte anywhere is seen or harmless; what a damaged,
 * shortened or missing chunk held reads as gap(corrupt) at the offsets it had, and everything else
 * is served. Damage stops neither recording nor upkeep.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { ChunkReader } from '../../../engine/store/chunks/chunk-reader.ts';
import { joinChunks } from '../../../engine/store/chunks/sealer.ts';
import { namedStream } from '../../../engine/store/state/named.ts';
import { Store, type StoreEnvironment } from '../../../engine/store/store.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { doctor } from '../../../engine/tools/doctor.ts';
import { verify } from '../../../engine/tools/verify.ts';
import {
  ChunkStore,
  DIR,
  EVENTS,
  FILLER,
  SAMPLES,
  copyOf,
  environmentOf,
  linesOf,
  recordsOf,
} from '../../support/chunk-store.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { sealAll, sealContext } from '../../support/sealing.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** places that a short run tries in a chunk, in the log */
const PLACES = 120;
const STREAMS = [SAMPLES, EVENTS];
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
/** a byte in the header of the group that begins the run of the samples */
const HEADER_OF_RUNS = 12_348;

/** Everything that can be read, or the code of the error that says why not. */
async function readAll(environment: StoreEnvironment): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let store: Store | undefined;
  try {
    store = Store.open(DIR, environment);
    for (const stream of STREAMS) {
      const lines: string[] = [];
      found.set(stream, lines);
      for await (const item of store.read(stream)) lines.push(...linesOf(item));
    }
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    found.set('error', [error.code]);
  } finally {
    store?.close();
  }
  return found;
}

/** What is there is as it was; what is not is a gap of exactly that many records, and named. */
function checkAgainst(whole: readonly string[], found: readonly string[]): boolean {
  const records = found.filter((line) => !line.startsWith('fault'));
  const expected = records.flatMap((line) => {
    const [, offset, count] = /^(\d+) corrupt ×(\d+)$/.exec(line) ?? [];
    const first = Number(offset);
    return offset === undefined ? [line] : whole.slice(first, first + Number(count));
  });
  expect(expected).toEqual(whole);
  return records.length === whole.length;
}

/** A store whose newest segment holds little: two chunks, or one that stands before a log. */
async function smallStore(): Promise<ChunkStore> {
  const store = new ChunkStore();
  // few bytes that are not zero make few places
  for (let i = 0; i < 3; i++) store.append(200);
  await endSegment(store);
  for (let i = 0; i < 3; i++) store.append(200);
  await endSegment(store);
  store.append(200);
  store.writer.close();
  return store;
}

/** Fills the segment with what a trim lets go of before it is sealed: the chunk stays small. */
async function endSegment(store: ChunkStore): Promise<void> {
  store.endSegment();
  const { reader } = Store.open(DIR, store.environment);
  const { id, nextOffset } = namedStream(reader.state, FILLER);
  trimStream(store.writer, await planTrim(reader, id, nextOffset));
  reader.close();
  await store.settle();
}

describe('a store with chunks', () => {
  let store: ChunkStore;
  let whole: Map<string, string[]>;

  beforeAll(async () => {
    store = await smallStore();
    whole = await readAll(store.environment);
    expect(store.chunks()).toHaveLength(2);
    for (const file of store.chunks()) expect(store.fs.bytesOf(file).length).toBeLessThan(8000);
    expect(whole.get(SAMPLES)).toEqual(store.written.samples);
  });

  const copy = (): StoreEnvironment & { fs: SimulatedFileSystem } => {
    const fs = new SimulatedFileSystem(copyOf(store.fs.disk));
    return { ...environmentOf(fs), fs };
  };

  it('shows a changed byte of a chunk, or nothing has changed', async () => {
    const environment = copy();
    for (const file of store.chunks()) {
      const { length } = environment.fs.bytesOf(file);
      const stride = IS_SOAK ? 1 : Math.ceil(length / PLACES);
      for (let at = 0; at < length; at += stride) {
        environment.fs.bytesOf(file)[at]! ^= 0xff;
        const found = await readAll(environment);
        const isSame = STREAMS.map((name) => checkAgainst(whole.get(name)!, found.get(name)!));
        const { ok } = await verify(DIR, environment);
        expect(isSame.every((same) => same) || !ok, `byte ${at} of ${file}`).toBe(true);
        environment.fs.bytesOf(file)[at]! ^= 0xff;
      }
    }
    expect((await verify(DIR, environment)).ok).toBe(true);
  });

  it.each([
    ['missing', (fs: SimulatedFileSystem, file: string) => fs.remove(file)],
    ['empty', (fs: SimulatedFileSystem, file: string) => fs.open(file, 'write').truncate(0)],
    ['shortened', (fs: SimulatedFileSystem, file: string) => fs.open(file, 'write').truncate(500)],
  ])('a chunk that is %s is a gap with its offsets, and verify names it', async (_, harm) => {
    for (const [i, file] of store.chunks().entries()) {
      const environment = copy();
      harm(environment.fs, file);
      for (const stream of STREAMS) {
        const found = await recordsOf(environment, stream);
        expect(checkAgainst(whole.get(stream)!, found)).toBe(false);
        expect(found.filter((line) => line.startsWith('fault'))).toHaveLength(1);
        const gap = found.find((line) => line.includes('corrupt'))!;
        expect(gap).toMatch(i === 0 ? /^0 corrupt/ : /^\d+ corrupt/);
      }
      const report = await verify(DIR, environment);
      expect(report.ok).toBe(false);
      expect(report.damage.map((damage) => damage.file)).toContain(file);
    }
  });

  it('with a damaged chunk records on, retains and tidies', async () => {
    const environment = copy();
    const [file] = store.chunks();
    environment.fs.bytesOf(file!)[100]! ^= 0xff;
    const next = new ChunkStore(environment.fs.disk, store.written.copy());
    next.fillUpTo(5);
    await next.settle();
    const done = await next.settle({ retention: [{ ...KEEP_ALL, pattern: EVENTS, bytes: 3e5 }] });
    expect(done).toContain('planned');
    const found = await recordsOf(next.environment, EVENTS);
    expect(found[0]).toMatch(/^0 retired ×\d+$/);
    expect(found.at(-1)).toBe(next.written.events.at(-1));
    next.writer.close();
  });
});

/** Every so many bytes of a file, more at its beginning, where the groups are that begin runs. */
function placesIn(length: number): number[] {
  const stride = IS_SOAK ? 997 : 99_991;
  const places = [HEADER_OF_RUNS];
  for (let at = 10; at < length; at += at < 60_000 ? stride >> 4 : stride) places.push(at);
  return places;
}

describe('sealing a damaged log', () => {
  it('loses nothing that could be read before', async () => {
    const store = new ChunkStore();
    for (let i = 0; i < 4; i++) store.append(200);
    store.fillUpTo(3);
    store.writer.close();
    const used = [1, 2].map((segment) => segmentPath(`${DIR}/log`, segment));
    for (const file of used) {
      for (const at of placesIn(store.fs.bytesOf(file).length)) {
        const fs = new SimulatedFileSystem(copyOf(store.fs.disk));
        fs.bytesOf(file)[at]! ^= 0xff;
        const before = await readAll(environmentOf(fs));
        const next = new ChunkStore(fs.disk, store.written.copy());
        const reopened = await readAll(next.environment);
        await next.settle();
        next.writer.close();
        const after = await readAll(next.environment);
        for (const stream of STREAMS) {
          const isRecord = (line: string): boolean => !/fault|corrupt/.test(line);
          const readable = before.get(stream)!.filter(isRecord);
          const where = `byte ${at} of ${file}`;
          expect(reopened.get(stream)!.filter(isRecord), `${where}, a run later`).toEqual(readable);
          expect(after.get(stream)!.filter(isRecord), where).toEqual(readable);
        }
      }
    }
  });
});

function spoilSnapshot(fs: SimulatedFileSystem, segment: number): void {
  const snapshot = fs.bytesOf(segmentPath(`${DIR}/log`, segment)).subarray(BLOCK_BYTES);
  snapshot.fill(0xff, 0, 64);
}

describe('a log of which no snapshot can be read', () => {
  it('lets nothing be removed or sealed until its owner has begun the next segment', async () => {
    const store = new ChunkStore();
    const { fs, writer } = store;
    store.append(200);
    store.endSegment();
    await store.settle();
    store.append(200);
    spoilSnapshot(fs, 2);
    expect(await store.settle()).toEqual([]);
    expect(store.chunks()).toHaveLength(1);
    store.endSegment();
    expect(await store.settle()).toContain('sealed');
    expect(store.chunks()).toHaveLength(2);
    expect(await recordsOf(store.environment, SAMPLES)).toEqual(store.written.samples);
    writer.close();
  });

  it('is damaged, to verify and doctor, before and after the next owner', async () => {
    const disk = new SimulatedDisk();
    const store = new ChunkStore(disk);
    store.append(200);
    store.endSegment();
    await store.settle();
    store.writer.close();
    spoilSnapshot(store.fs, 2);
    const file = segmentPath(`${DIR}/log`, 2);
    for (let owner = 0; owner < 2; owner++) {
      const { ok, damage } = await verify(DIR, store.environment);
      expect(ok).toBe(false);
      expect(damage).toContainEqual(expect.objectContaining({ file, what: 'lost group' }));
      const unknown = { file: `${DIR}/log`, what: expect.stringContaining('streams') as string };
      expect(damage).toContainEqual(expect.objectContaining(unknown));
      const { findings } = await doctor(DIR, store.environment);
      const damaged = findings.filter(({ severity }) => severity === 'damage');
      expect(damaged.map((finding) => finding.file)).toEqual([file, `${DIR}/log`]);
      new ChunkStore(disk).writer.close();
    }
  });

  it('lets nothing be removed by the owners that come, who know no stream of before', async () => {
    const disk = new SimulatedDisk();
    const store = new ChunkStore(disk);
    store.append(200);
    store.endSegment();
    await store.settle();
    store.append(200);
    spoilSnapshot(store.fs, 2);
    store.writer.abandon();
    for (let owner = 0; owner < 2; owner++) {
      const next = new ChunkStore(disk);
      next.endSegment();
      expect(await next.settle()).toEqual([]);
      expect(next.chunks()).toHaveLength(1);
      next.writer.close();
    }
  });
});

describe('chunks that are joined', () => {
  it('keep streams of which a later one does not know: no snapshot said so', async () => {
    const store = new ChunkStore();
    const { fs, writer } = store;
    store.append(200);
    store.endSegment();
    await sealAll(fs, writer);
    store.endSegment();
    for (const segment of [2, 3]) spoilSnapshot(fs, segment);
    await sealAll(fs, writer);
    store.endSegment();
    const context = sealContext(fs, writer);
    const opened = store
      .chunks()
      .map((file) => ChunkReader.open(context.place, nameOf(file), undefined));
    const chunks = (await Promise.all(opened)).map((chunk) => chunk!);
    expect(chunks.map(({ table }) => table.length)).toEqual([3, 1]);
    await joinChunks(context, chunks);
    for (const chunk of chunks) {
      chunk.close();
      await context.place.remove(nameOf(chunk.path));
    }
    expect(store.chunks()).toHaveLength(1);
    // the newest of the two snapshots that were spoiled is still in the log
    const found = await recordsOf(store.environment, SAMPLES);
    expect(found).toEqual([...store.written.samples, 'fault lost group']);
    writer.close();
  });
});

describe('a damaged chunk before a hole that retention has left', () => {
  it('is the only thing that is told of', async () => {
    const store = new ChunkStore();
    store.append(200);
    store.endSegment();
    const forget = { ...KEEP_ALL, pattern: FILLER, age: undefined, bytes: 1 };
    await store.settle();
    store.endSegment();
    await store.settle({ retention: [forget], budgetBytes: 1 });
    store.append(200);
    const [first, ...others] = store.chunks();
    expect(others, 'the chunk of what is forgotten has gone').toEqual([]);
    store.writer.close();
    const file = store.fs.bytesOf(first!);
    file.fill(0xff, file.length - 64);
    const report = await verify(DIR, store.environment);
    expect(report.damage.map((found) => found.file)).toEqual([first]);
  });
});
