import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, KIB, MIB } from '../../../engine/base/constants.ts';
import type { File } from '../../../engine/files/file-system.ts';
import {
  ENTRY_ROW_BYTES,
  GROUP_FLAG,
  GROUP_HEADER_BYTES,
  NO_LINK,
  decodeGroupHeader,
  sealGroup,
  viewOf,
} from '../../../engine/store/entries/format.ts';
import { placedRun, readPlaced } from '../../../engine/store/log/placed-run.ts';
import {
  Window,
  joinRuns,
  scanSegment,
  type ScanItem,
  type ScannedGroup,
} from '../../../engine/store/log/scan.ts';
import type { OpenSegment } from '../../../engine/store/log/segment.ts';
import { SeededRandom } from '../../support/random.ts';
import { segmentHeader, segmentImage } from '../../support/segment-image.ts';

const HEADER = segmentHeader(7, MIB);
const { snapshot } = GROUP_FLAG;

const entries = fc.array(
  fc.record({
    kind: fc.constantFrom(1, 32, 900),
    flags: fc.constant(0),
    payload: fc
      .oneof(fc.nat(300), fc.nat(9 * KIB), fc.nat(40 * KIB))
      .map((length) => new SeededRandom(length).bytes(length)),
  }),
  { minLength: 1, maxLength: 12 },
);
const limit = fc.integer({ min: 8 * KIB, max: 32 * KIB });

function opened(image: Uint8Array): OpenSegment {
  const read = (into: Uint8Array, at: number): number => {
    const bytes = image.subarray(at, at + into.length);
    into.set(bytes);
    return bytes.length;
  };
  const window = new Window({ read } as unknown as File);
  const heldBytes = (): number => image.length;
  const close = (): void => {};
  return { path: 'segment', header: HEADER, headerRebuilt: false, window, heldBytes, close };
}

/** Kind and bytes of each entry; `damaged` where its checksum does not hold. */
function readAll(open: OpenSegment, end: number): unknown[] | undefined {
  return placedRun(open, BLOCK_BYTES, end)?.entries.map((entry) => {
    const bytes = readPlaced(open.window, entry);
    return [entry.kind, bytes ? Buffer.from(bytes).toString('base64') : 'damaged'];
  });
}

const expected = (made: readonly { kind: number; payload: Uint8Array }[]): unknown[] =>
  made.map(({ kind, payload }) => [kind, Buffer.from(payload).toString('base64')]);

describe('the entries of a run of groups', () => {
  it('are found by its headers, however it is cut', () => {
    fc.assert(
      fc.property(entries, limit, (made, bytes) => {
        const { image, end } = segmentImage(HEADER, made, snapshot, bytes);
        expect(readAll(opened(image), end)).toEqual(expected(made));
      }),
    );
  });

  it('are none where the run does not end before the end', () => {
    fc.assert(
      fc.property(entries, limit, fc.nat(), (made, bytes, seed) => {
        const { image, end } = segmentImage(HEADER, made, snapshot, bytes);
        expect(placedRun(opened(image), BLOCK_BYTES, seed % end)).toBeUndefined();
      }),
    );
  });

  it('are checked one by one: a flipped bit takes the one it is in, or a header takes all', () => {
    fc.assert(
      fc.property(entries, limit, fc.nat(), fc.nat(7), (made, bytes, seed, bit) => {
        const { image, end } = segmentImage(HEADER, made, snapshot, bytes);
        const place = BLOCK_BYTES + (seed % (end - BLOCK_BYTES));
        image[place]! ^= 1 << bit;
        const found = readAll(opened(image), end);
        if (found === undefined) return;
        const changed = expected(made).filter((entry, i) => !sameEntry(entry, found[i]));
        expect(found.length).toBe(made.length);
        expect(changed.length).toBeLessThanOrEqual(1);
        const damaged = found.filter((entry) => (entry as unknown[])[1] === 'damaged');
        expect(damaged.length).toBe(changed.length);
      }),
    );
  });

  it('are none where the table speaks of more than the group has', () => {
    const payload = new Uint8Array(100).fill(7);
    const { image, end } = segmentImage(HEADER, [{ kind: 1, flags: 0, payload }], snapshot, MIB);
    const group = image.subarray(BLOCK_BYTES, end);
    const row = GROUP_HEADER_BYTES;
    expect(readAll(opened(image), end)).toEqual(expected([{ kind: 1, payload }]));
    for (const [length, isThere] of [
      [99, true],
      [101, false],
      [2 ** 32 - 1, false],
    ] as const) {
      viewOf(group).setUint32(row + ENTRY_ROW_BYTES - 8, length, true);
      const header = decodeGroupHeader(resealed(group), HEADER, BLOCK_BYTES);
      expect(header, 'the header is sound').toMatchObject({ entries: 1 });
      expect(placedRun(opened(image), BLOCK_BYTES, end) !== undefined).toBe(isThere);
    }
  });

  it('are none where a run goes on that began elsewhere', () => {
    const payload = new SeededRandom(1).bytes(60 * KIB);
    const part = { kind: 1, flags: 0, payload };
    const { image, end, groups } = segmentImage(HEADER, [part], snapshot, 32 * KIB);
    expect(groups).toBe(2);
    expect(placedRun(opened(image), BLOCK_BYTES, end)).toBeDefined();
    const second = BLOCK_BYTES + 32 * KIB;
    expect(decodeGroupHeader(image.subarray(second), HEADER, second)).toMatchObject({ entries: 1 });
    expect(placedRun(opened(image), second, end)).toBeUndefined();
  });
});

describe('a run of three groups, scanned and joined', () => {
  const sizes = [20, 30, 30].map((kib) => kib * KIB);
  const parts = sizes.map((size) => ({
    ...{ kind: 1, flags: 0 },
    payload: new SeededRandom(size).bytes(size),
  }));
  const { image, end, groups } = segmentImage(HEADER, parts, snapshot, 32 * KIB);
  const places = [...scanned(image, end)].map(({ offset }) => offset);

  it('is one group with all its entries', () => {
    expect([groups, places.length]).toEqual([3, 3]);
    const items = [...joinRuns(scanned(image, end))];
    expect(items.map(({ kind }) => kind)).toEqual(['group']);
    const payloads = (items[0] as ScannedGroup).entries.all().map(({ payload }) => payload);
    const isSame = payloads.map((payload, i) => Buffer.compare(payload, parts[i]!.payload) === 0);
    expect(isSame).toEqual([true, true, true]);
  });

  it.each([
    [0, ['damage', 'damage', 'damage'], [0, 1, 2]],
    [1, ['damage', 'damage', 'damage'], [0, 1, 2]],
    [2, ['torn', 'torn'], [0, 2]],
  ])('is none without the one at %i: what is left of it is no run', (lost, kinds, at) => {
    const rotten = image.slice();
    rotten[places[lost]!]! ^= 1;
    const items = [...joinRuns(scanned(rotten, end))];
    expect(items.map(({ kind }) => kind)).toEqual(kinds);
    expect(items.map(({ offset }) => offset)).toEqual(at.map((i) => places[i]));
  });

  it('is whole where a body is damaged: its entry is, and no other', () => {
    const rotten = image.slice();
    rotten[places[1]! + 16 * KIB]! ^= 1;
    const items = [...joinRuns(scanned(rotten, end))];
    expect(items.map(({ kind }) => kind)).toEqual(['damage', 'group']);
    const intact = (items[1] as ScannedGroup).entries.all().map((entry) => entry.intact);
    expect(intact.filter((is) => !is).length).toBe(1);
  });
});

function scanned(image: Uint8Array, end: number): Iterable<ScanItem> {
  const link = { predecessor: NO_LINK, successor: undefined };
  return scanSegment(opened(image).window, HEADER, { from: BLOCK_BYTES, end, ...link });
}

function sameEntry(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The group with checksums that hold again, over whatever its table says by now. */
function resealed(group: Uint8Array): Uint8Array {
  const view = viewOf(group);
  sealGroup(group, HEADER, {
    ...{ flags: view.getUint16(6, true), offset: BLOCK_BYTES, length: view.getUint32(28, true) },
    ...{ predecessor: { lsn: 0, length: 0, crc: 0 }, writtenNanos: 1n, entries: 1 },
  });
  return group;
}
