/** Finding an offset among chunks of which some cannot be read, or do not know the stream. */
import { describe, expect, it } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import type { ChunkRange } from '../../../engine/store/chunks/format.ts';
import { locatePlace, type StreamPlace } from '../../../engine/store/read/locate.ts';
import { makeLsn } from '../../../engine/store/entries/format.ts';
import type { StoreReader } from '../../../engine/store/read/reader.ts';

const STREAM = 7;
type Said = number | 'damaged' | 'unreadable' | undefined;

/** Chunks in order, each with what it says of the stream's next offset at its end; an empty log. */
function readerOf(said: readonly Said[], looks: number[] = []): StoreReader {
  const chain = said.map((_, i): ChunkRange => ({ first: makeLsn(i + 1, 0), end: endOf(i) }));
  const use = (range: ChunkRange, work: (chunk: unknown) => unknown): Promise<unknown> => {
    const index = chain.indexOf(range);
    const nextOffset = said[index];
    looks.push(index);
    if (nextOffset === 'damaged') return Promise.reject(new HelicorderError('DAMAGED', 'rot'));
    if (nextOffset === 'unreadable') return Promise.reject(new HelicorderError('STORE_IO', 'EIO'));
    const row = nextOffset === undefined ? undefined : { nextOffset };
    return Promise.resolve(work({ row: () => row }));
  };
  const end = endOf(said.length - 1);
  const chunks = { chain: () => Promise.resolve(chain), use };
  const log = { fs: { list: () => [] }, paths: { log: '/log' }, state: { sealedEnd: end }, end };
  return { chunks, ...log } as unknown as StoreReader;
}

const endOf = (index: number): number => makeLsn(index + 2, 0);

function locate(reader: StoreReader, offset: number): Promise<StreamPlace> {
  return locatePlace(reader, STREAM, {
    inChunk: (row) => (row?.nextOffset ?? 0) > offset,
    inSegment: (snapshot) => (snapshot?.nextOffset ?? 0) > offset,
  });
}

/** The chunk that is begun with: all before it have not come so far. */
async function chunkOf(said: readonly Said[], offset: number): Promise<number> {
  const { lsn } = await locate(readerOf(said), offset);
  return lsn === makeLsn(1, 0) ? 0 : said.findIndex((_, i) => endOf(i) === lsn) + 1;
}

describe('a place in chunks', () => {
  it('is the chunk that holds it, found with few looks', async () => {
    const said = Array.from({ length: 64 }, (_, i) => (i + 1) * 10);
    for (const offset of [0, 9, 10, 333, 639]) {
      const looks: number[] = [];
      expect(await locate(readerOf(said, looks), offset)).toMatchObject({
        nextOffset: Math.floor(offset / 10) * 10,
      });
      expect(looks.length).toBeLessThanOrEqual(7);
    }
  });

  it.each(['damaged', 'unreadable'] as const)('passes over %s ones before it', async (bad) => {
    expect(await chunkOf([10, bad, bad, 40, 50], 45)).toBe(4);
    expect(await chunkOf([bad, bad, bad, 40, 50], 45)).toBe(4);
    // it may be theirs
    expect(await chunkOf([10, bad, bad, 40, 50], 25)).toBe(1);
    expect(await chunkOf([10, 20, 30, bad, bad], 35)).toBe(3);
    expect(await chunkOf([bad, bad], 5)).toBe(0);
  });

  it('is found where later chunks do not know the stream', async () => {
    expect(await chunkOf([10, 20, undefined, undefined, undefined], 15)).toBe(1);
    expect(await chunkOf([undefined, 20, undefined], 5)).toBe(1);
  });
});
