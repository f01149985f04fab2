/**
 * The ring in `test/fixtures/ring-v1.bin`: what version 1 of the ring's memory looks like.
 *
 * Written once, by a producer that kept room for a single gap record, and NEVER made again:
 * `ring-v1.json` says what is in it, as a
 * reader that knows nothing but `docs/format-ring.md` found it. Two
 * sources, of which the second cannot be read at every third tick, in a ring of 1 KiB: a first lap
 * has been taken out already, and what is left lies on both sides of the end, with padding before
 * it, gaps of three reasons (the last one of ticks that found the ring full), and the end.
 */
import type { Channel } from '../../engine/batch/schema.ts';
import { rowLayout, type RowLayout } from '../../engine/ring/layout.ts';

export const PERIOD_NANOS = 1_000_000n;
const plain = { unit: '1', scale: 1, offset: 0 };

export const SOURCES: { channels: Channel[] }[] = [
  {
    channels: [
      { name: 'a', type: 'u64', ...plain },
      { name: 'b', type: 'i16', ...plain },
    ],
  },
  {
    channels: [
      { name: 'c', type: 'i8', ...plain },
      { name: 'd', type: 'u32', ...plain },
      { name: 'e', type: 'i64', ...plain },
    ],
  },
];

export const LAYOUT: RowLayout = rowLayout(SOURCES);

/** 64-bit numbers as decimal strings. */
export type GoldenRecord =
  | { tick: number; timeNanos: string; sources: (string[] | null)[] }
  | { firstTick: number; ticks: number; reason: string; nanos: string };
