/** The end comes while a segment is being made: what was never begun is nothing to go on from. */
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import { segmentOf } from '../../../engine/store/log/format.ts';
import { listSegments, segmentPath } from '../../../engine/store/log/segment.ts';
import { recover } from '../../../engine/store/recover.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { Store } from '../../../engine/store/store.ts';
import { ChunkStore, DIR, EVENTS, recordsOf } from '../../support/chunk-store.ts';
import { SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes } from '../../support/stores.ts';

const LOG = `${DIR}/log`;
const NOISE = Buffer.from(new SeededRandom(4).bytes(100_000)).toString('base64');

/** A store that has come to segment `segment`, and let go of by its owner. */
function filledUpTo(segment: number): ChunkStore {
  const store = new ChunkStore();
  store.fillUpTo(segment);
  store.writer.abandon();
  store.fs.remove(store.writer.paths.mark);
  return store;
}

/** Zeros in the blocks of a segment. */
function erase({ fs }: ChunkStore, segment: number, from: number, to = MIB): void {
  const file = fs.open(segmentPath(LOG, segment), 'write');
  file.write(new Uint8Array(to - from), from);
  file.close();
}

describe('a segment that was being made', () => {
  it('with its header, but no snapshot, is not where the log ends', async () => {
    const store = filledUpTo(2);
    erase(store, 2, BLOCK_BYTES);
    expect(segmentOf(recover(store.fs, LOG)!.end)).toBe(1);
    const before = await recordsOf(store.environment, EVENTS);
    const next = new ChunkStore(store.fs.disk, store.written);
    expect(segmentOf(next.writer.durableEnd)).toBeLessThanOrEqual(2);
    next.append();
    next.writer.close();
    expect((await recordsOf(store.environment, EVENTS)).slice(0, before.length)).toEqual(before);
    expect((await verify(DIR, store.environment)).damage).toEqual([]);
  });

  it('is no older than the newest: one that is unreadable in the middle is kept', () => {
    const store = filledUpTo(3);
    erase(store, 2, 0);
    erase(store, 3, BLOCK_BYTES, BLOCK_BYTES + 1);
    const { unbegun, faults } = recover(store.fs, LOG)!;
    expect(unbegun).toEqual([]);
    expect(faults.some(({ lost, segment }) => lost && segment === 2)).toBe(true);
    new ChunkStore(store.fs.disk, store.written).writer.close();
    expect(listSegments(store.fs, LOG)).toContain(2);
  });

  it('and for whose name there was no space is made again by the next attempt', async () => {
    const { fs, writer, environment } = new ChunkStore();
    const opened = beginEvents(writer, 'test/more');
    const sync = fs.syncDirectory.bind(fs);
    let failures = 1;
    fs.syncDirectory = (dir) => {
      if (dir !== LOG || failures-- !== 1) return sync(dir);
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    const events = Array.from({ length: 12 }, (_, i) => bytes(`${i} ${NOISE}`));
    for (const event of events) {
      try {
        writer.appendEvents(opened, [event]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'NO_SPACE' });
        writer.resume();
      }
    }
    expect(failures, 'a segment was begun').toBeLessThan(1);
    writer.close();
    const store = Store.open(DIR, environment);
    let count = 0;
    for await (const item of store.read('test/more'))
      if (item.kind === 'events') count += item.records;
    store.close();
    expect(count).toBe(events.length);
    expect(await verify(DIR, environment)).toMatchObject({ ok: true, damage: [] });
  });
});
