/** What a window over a segment asks of its file. */
import { expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import type { File } from '../../../engine/files/file-system.ts';
import { Window } from '../../../engine/store/log/scan.ts';

const SIZE = 16 * MIB;

function windowOver(content: Uint8Array): {
  window: Window;
  reads: { at: number; length: number }[];
  hints: number[][];
} {
  const reads: { at: number; length: number }[] = [];
  const hints: number[][] = [];
  const file = {
    read: (into: Uint8Array, at: number): number => {
      const found = content.subarray(at, at + into.length);
      into.set(found);
      reads.push({ at, length: found.length });
      return found.length;
    },
    readAhead: (position: number, end: number) => void hints.push([position, end]),
  };
  return { window: new Window(file as unknown as File), reads, hints };
}

const content = Uint8Array.from({ length: SIZE }, (_, i) => (i >> 12) ^ i);

/** Groups of several sizes, one also larger than a window becomes, looked at as a scan does. */
function* groups(): Generator<{ at: number; length: number }> {
  const blocks = [3, 1, 40, 7, 300, 25, 90];
  let at = BLOCK_BYTES;
  for (let i = 0; at < SIZE; i++) {
    const length = Math.min(blocks[i % blocks.length]! * BLOCK_BYTES, SIZE - at);
    yield { at, length };
    at += length;
  }
}

it('what is read in order is read once, and the file is told before', () => {
  const { window, reads, hints } = windowOver(content);
  window.readAheadTo(SIZE);
  for (const { at, length } of groups()) {
    window.bytes(at, Math.min(BLOCK_BYTES, SIZE - at));
    window.bytes(at, Math.min(length + BLOCK_BYTES, SIZE - at));
    const bytes = window.bytes(at, length - 100);
    expect(Buffer.compare(bytes, content.subarray(at, at + length - 100))).toBe(0);
  }
  expect(reads[0]!.at).toBe(BLOCK_BYTES);
  reads.slice(1).forEach(({ at }, i) => expect(at).toBe(reads[i]!.at + reads[i]!.length));
  expect(reads.at(-1)!.at + reads.at(-1)!.length).toBe(SIZE);
  expect(hints).toEqual([[expect.any(Number), SIZE]]);
  expect(hints[0]![0]! % BLOCK_BYTES).toBe(0);
  expect(hints[0]![0]).toBeLessThan(MIB);
});

it('who looks at a few places is given them, and nothing is read ahead', () => {
  const { window, hints } = windowOver(content);
  window.readAheadTo(SIZE);
  for (const at of [0, 5 * MIB, 2 * MIB, 2 * MIB + BLOCK_BYTES, 15 * MIB, 0, SIZE - 100]) {
    const length = Math.min(BLOCK_BYTES, SIZE - at);
    expect(window.bytes(at, length)).toEqual(content.subarray(at, at + length));
  }
  expect(window.bytes(SIZE - 10, 100).length).toBe(10);
  expect(hints).toEqual([]);
});

it('what lay behind the end is read from the file again; what lay before it is not', () => {
  const own = content.slice();
  const { window, reads } = windowOver(own);
  window.readAheadTo(2 * BLOCK_BYTES);
  window.bytes(BLOCK_BYTES, 2 * BLOCK_BYTES);
  own.fill(7, BLOCK_BYTES);
  window.readAheadTo(3 * BLOCK_BYTES);
  const [before, behind] = [BLOCK_BYTES, 2 * BLOCK_BYTES].map((at) =>
    window.bytes(at, BLOCK_BYTES).slice(),
  );
  expect(before).toEqual(content.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES));
  expect(behind!.every((byte) => byte === 7)).toBe(true);
  expect(reads).toEqual([
    { at: BLOCK_BYTES, length: 2 * BLOCK_BYTES },
    { at: 2 * BLOCK_BYTES, length: BLOCK_BYTES },
  ]);
});
