/** A store on a full disk: what frees space without taking any is done, and recording goes on. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { KEEP_ALL, type RetentionRule } from '../../../engine/base/retention.ts';
import { isCode, isNoSpace } from '../../../engine/base/errors.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { listSegments } from '../../../engine/store/log/segment.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { Store } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR, EVENTS, FILLER, SAMPLES, recordsOf } from '../../support/chunk-store.ts';

const dropOldest: RetentionRule = { ...KEEP_ALL, pattern: '*', onFull: 'drop-oldest' };

describe('on a full disk', () => {
  let store: ChunkStore;
  beforeEach(() => {
    store = new ChunkStore();
  });

  /** Chunks of one segment each, then finished segments, and the disk is full. */
  async function fill(chunks: number, segments: number): Promise<void> {
    for (let segment = 2; segment < 2 + chunks; segment++) {
      store.fillUpTo(segment);
      await store.settle();
    }
    store.fillUpTo(1 + chunks + segments);
    store.fs.disk.capacity = store.fs.disk.used;
    expect(() => {
      for (;;) store.append();
    }).toThrow(/ENOSPC/);
    expect(store.writer.isWaiting).toBe(true);
  }

  async function trim(stream: string, share: number): Promise<void> {
    const { reader } = Store.open(DIR, store.environment);
    const { id, nextOffset } = reader.state.streamNamed(stream)!;
    trimStream(store.writer, await planTrim(reader, id, Math.floor(share * nextOffset)));
    reader.close();
  }

  /** Upkeep as often as it takes, as long as records wait. */
  async function untilThereIsSpace(retention: RetentionRule[] = []): Promise<void> {
    for (let i = 0; i < 40 && store.writer.isWaiting; i++) {
      await store.settle({ retention }).catch((error: unknown) => {
        if (!isNoSpace(error) && !isCode(error, 'NO_SPACE')) throw error;
      });
      try {
        store.writer.resume();
      } catch (error) {
        if (!isCode(error, 'NO_SPACE')) throw error;
      }
    }
    expect(store.writer.isWaiting).toBe(false);
    store.append();
  }

  async function expectIntact(): Promise<void> {
    store.writer.close();
    expect(await verify(DIR, store.environment)).toMatchObject({ ok: true, damage: [] });
  }

  it('a step that can do nothing says so', async () => {
    await fill(2, 3);
    const before = [store.chunks(), listSegments(store.fs, `${DIR}/log`)];
    await expect(store.settle()).rejects.toThrow(/ENOSPC/);
    expect([store.chunks(), listSegments(store.fs, `${DIR}/log`)]).toEqual(before);
  });

  it('what was trimmed goes, and recording goes on', async () => {
    await fill(5, 3);
    await trim(SAMPLES, 0.5);
    await trim(EVENTS, 0.5);
    await untilThereIsSpace();
    expect((await recordsOf(store.environment, EVENTS))[0]).toMatch(/^0 retired/);
    await expectIntact();
  });

  it('a chunk that is half dead does not keep those behind it that are wholly dead', async () => {
    for (let i = 0; i < 4; i++) store.append();
    store.endSegment();
    await store.settle();
    for (let i = 0; i < 3; i++) {
      store.endSegment();
      await store.settle();
    }
    const before = store.chunks().length;
    await trim(FILLER, 1);
    store.fs.disk.capacity = store.fs.disk.used;
    await store.settle().catch(() => undefined);
    expect(store.chunks().length).toBeLessThan(before);
    store.fs.disk.capacity = Infinity;
    await expectIntact();
  });

  it('what is too old goes', async () => {
    await fill(5, 3);
    await untilThereIsSpace([{ ...KEEP_ALL, pattern: '*', bytes: 1 }]);
    await expectIntact();
  });

  it('the oldest is dropped of streams that allow it, and of no others', async () => {
    await fill(6, 2);
    const all = store.chunks().length;
    await untilThereIsSpace([dropOldest]);
    expect((await recordsOf(store.environment, EVENTS))[0]).toMatch(/^0 retired/);
    expect(store.chunks().length, 'no more than has to').toBeGreaterThan(all - 5);
    await expectIntact();
  });

  it('a stream that keeps all waits', async () => {
    await fill(4, 2);
    await store.settle({ retention: [] }).catch(() => undefined);
    expect((await recordsOf(store.environment, EVENTS))[0]).toBe('0 0');
    expect(store.writer.isWaiting).toBe(true);
  });

  it('segments are sealed one by one where there is no room for all', async () => {
    store.fillUpTo(6);
    store.fs.disk.capacity = store.fs.disk.used + 2.5 * MIB;
    const done = await store.settle();
    expect(done.filter((what) => what === 'sealed').length).toBeGreaterThan(1);
    expect(listSegments(store.fs, `${DIR}/log`)).toEqual([segmentOf(store.writer.durableEnd)]);
    store.fs.disk.capacity = Infinity;
    await expectIntact();
  });
});
