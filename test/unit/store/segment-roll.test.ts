/** From one segment to the next: what ends one and begins one, what is learnt of the newest. */
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import { applyUpkeep, sealUpTo, setCursor } from '../../../engine/store/write/changes.ts';
import { footerEntry } from '../../../engine/store/entries/control-entries.ts';
import { gapItem } from '../../../engine/store/entries/data-item.ts';
import { makeLsn, offsetOf, segmentOf } from '../../../engine/store/entries/format.ts';
import { SegmentIndex } from '../../../engine/store/entries/segment-index.ts';
import { listSegments, segmentPath } from '../../../engine/store/log/segment.ts';
import { recover, type Recovered } from '../../../engine/store/state/recover.ts';
import { readSnapshot } from '../../../engine/store/state/segment-snapshot.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { Store } from '../../../engine/store/store.ts';
import type { UpkeepResult } from '../../../engine/store/upkeep/upkeep.ts';
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

describe('a segment whose records are in a chunk', () => {
  const errno = (code: string): Error => Object.assign(new Error(code), { code });
  const sealedSegments = ({ writer }: ChunkStore): UpkeepResult => {
    return { did: 'sealed', end: makeLsn(segmentOf(writer.durableEnd), 0), isFull: false };
  };

  it('and that no space is left to remove goes behind the next step, whatever that finds', () => {
    const store = new ChunkStore();
    store.fillUpTo(4);
    const remove = store.fs.remove.bind(store.fs);
    store.fs.remove = () => {
      throw errno('ENOSPC');
    };
    const sealed = sealedSegments(store);
    expect(() => applyUpkeep(store.writer, sealed)).toThrow(/let go of.*ENOSPC/);
    expect(() => applyUpkeep(store.writer, sealed)).toThrow(
      expect.objectContaining({ code: 'NO_SPACE' }),
    );
    store.append();
    store.fs.remove = remove;
    applyUpkeep(store.writer, { did: 'nothing', isFull: false });
    expect(listSegments(store.fs, LOG)).toEqual([4]);
    store.writer.close();
  });

  it('and that cannot be removed for another reason ends its owner, who says so', () => {
    const store = new ChunkStore();
    store.fillUpTo(4);
    store.fs.remove = () => {
      throw errno('EIO');
    };
    expect(() => applyUpkeep(store.writer, sealedSegments(store))).toThrow(
      expect.objectContaining({ code: 'STORE_IO' }),
    );
    store.writer.abandon();
  });
});

describe('what is learnt of the newest segment', () => {
  function recordingInto(segment: number): ChunkStore {
    const store = new ChunkStore();
    store.fillUpTo(segment);
    for (let i = 0; i < 3; i++) store.append();
    return store;
  }
  const nextOffset = (found: Recovered | undefined): number =>
    found!.state.streamNamed(EVENTS)!.nextOffset;

  it('without its records is what control entries say, and how far streams were before', () => {
    const store = recordingInto(3);
    const begun = readSnapshot(store.fs, LOG, 3, makeLsn(4, 0))!.streamNamed(EVENTS)!.nextOffset;
    beginEvents(store.writer, 'test/later');
    setCursor(store.writer, { name: 'mine', stream: EVENTS, offset: 2 }, 1n);
    sealUpTo(store.writer, makeLsn(2, 0));
    const [all, brief] = [
      recover(store.fs, LOG)!,
      recover(store.fs, LOG, { isControlOnly: true })!,
    ];
    expect(nextOffset(all)).toBeGreaterThan(begun);
    expect(nextOffset(brief)).toBe(begun);
    expect(brief.end).toBe(all.end);
    expect(brief.state.sealedEnd).toBe(makeLsn(2, 0));
    expect([...brief.state.cursors]).toEqual([...all.state.cursors]);
    expect([...brief.state.streams.keys()]).toEqual([...all.state.streams.keys()]);
  });

  it('is all of it where there is damage, or a gap that tells of some', () => {
    const store = recordingInto(2);
    const end = offsetOf(store.writer.durableEnd);
    store.append();
    const flipped = store.fs.open(segmentPath(LOG, 2), 'write');
    flipped.write(new Uint8Array(64), end);
    flipped.close();
    store.append();
    const found = recover(store.fs, LOG, { isControlOnly: true });
    expect(found!.faults.some(({ lost }) => lost)).toBe(true);
    expect(nextOffset(found)).toBe(nextOffset(recover(store.fs, LOG)));
    store.writer.abandon();
    expect(
      [...store.fs.openFiles].map((f) => f.path),
      'what was begun in vain is closed',
    ).toEqual([]);
    const next = new ChunkStore(store.fs.disk, store.written);
    next.append();
    const after = recover(next.fs, LOG, { isControlOnly: true });
    expect(after!.state.losses.pinned.size).toBeGreaterThan(0);
    expect(nextOffset(after)).toBe(nextOffset(recover(next.fs, LOG)));
  });
});

describe('a footer', () => {
  it('is what its table encodes', () => {
    const index = new SegmentIndex();
    const gap = {
      run: 1,
      firstSeq: 1,
      firstOffset: 5,
      records: 1,
      ticks: undefined,
      bounds: undefined,
    };
    index.add([gapItem(7, 0, { ...gap, reason: 'corrupt' })], 4096);
    index.add([gapItem(8, 0, { ...gap, reason: 'full', ticks: { first: 3, count: 9 } })], 8192);
    const late = gapItem(8, 0, { ...gap, firstOffset: 6, reason: 'late' });
    index.add([{ ...late, samples: 4, firstNanos: -5n, lastNanos: 2n ** 62n }], 2 ** 31);
    const { streams } = footerEntry.decode(index.footer());
    expect(String(index.footer())).toBe(Buffer.from(footerEntry.encode({ streams })).toString());
    const [seven, eight] = streams;
    expect(seven).toMatchObject({ stream: 7, firstNanos: null, firstGroup: 4096, lastGroup: 4096 });
    expect(eight).toMatchObject({
      nextOffset: 7,
      samples: 4,
      firstNanos: -5n,
      lastNanos: 2n ** 62n,
    });
    expect(eight).toMatchObject({ firstGroup: 8192, lastGroup: 2 ** 31 });
    expect(eight!.gaps).toEqual([
      { reason: 'full', gaps: 1, ticks: 9 },
      { reason: 'late', gaps: 1, ticks: 0 },
    ]);
  });
});
