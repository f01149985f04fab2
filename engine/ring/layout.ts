/**
 * The memory of a ring, drawn in `docs/format-ring.md`; `native/src/ring_layout.h` has the same.
 *
 *   0 magic version capacity │ 128 head, cached tail │ 256 tail, cached head
 *   384 full reason, closed  │ 512 data …
 *
 *   record: u32 length · u16 kind · u16 source
 *      row: u64 tick · i64 time · validity · values
 *      gap: u64 first · u64 ticks · u32 reason · u32 0 · u64 nanos
 */
import { assert } from '../base/assert.ts';
import { NANOS_PER_SECOND, RING_MIN_BYTES, RING_MIN_SECONDS } from '../base/constants.ts';
import { channelBytes, CHANNEL_TYPES, type Channel } from '../batch/schema.ts';
import { REASONS } from '../batch/ledger.ts';
import type { NativeChannel } from '../../native/index.ts';

export const RING = {
  magic: 0x474e5248,
  version: 1,
  capacityAt: 8,
  headAt: 128,
  cachedTailAt: 136,
  tailAt: 256,
  cachedHeadAt: 264,
  fullReasonAt: 384,
  closedAt: 388,
  dataAt: 512,
} as const;

export const RECORD = { padding: 0, row: 1, gap: 2, burst: 3 } as const;
export const GAP_BYTES = 40;
export const ROW_TICK_AT = 8;
export const ROW_TIME_AT = 16;
export const ROW_VALIDITY_AT = 24;
/** Missed ticks that a producer can hold apart while the ring is full. */
export const PENDING_GAPS_MAX = 16;
/** Reasons for which a producer misses ticks: late, overflow, full, suspended. */
export const MISS_REASONS = 4;

export interface RowLayout {
  /** bytes of one row record, header included; a multiple of 8 */
  rowBytes: number;
  validityOffset: number;
  sources: { channels: NativeChannel[] }[];
}

/** Where each value of a rate group's row lies: declaration order, natural alignment. */
export function rowLayout(sources: readonly { channels: readonly Channel[] }[]): RowLayout {
  let at = ROW_VALIDITY_AT + 8 * Math.ceil(sources.length / 64);
  const placed = sources.map(({ channels }) => ({
    channels: channels.map(({ type }) => {
      const bytes = channelBytes(type);
      const rowOffset = Math.ceil(at / bytes) * bytes;
      at = rowOffset + bytes;
      return { type: CHANNEL_TYPES.indexOf(type), rowOffset };
    }),
  }));
  return { rowBytes: Math.ceil(at / 8) * 8, validityOffset: ROW_VALIDITY_AT, sources: placed };
}

/** Capacity, bytes: at least RING_MIN_SECONDS and two flush intervals of rows, a power of two. */
export function ringBytes(rowBytes: number, periodNanos: bigint, flushIntervalMs: number): number {
  const seconds = Math.max(RING_MIN_SECONDS, (2 * flushIntervalMs) / 1000);
  const rows = Math.ceil((seconds * NANOS_PER_SECOND) / Number(periodNanos)) + 1;
  const wanted = Math.max(RING_MIN_BYTES, rows * rowBytes, 8 * rowBytes);
  return 2 ** Math.ceil(Math.log2(wanted));
}

/** The memory of an empty ring of `capacity` data bytes, control block included. */
export function createRing(capacity: number): SharedArrayBuffer {
  assert(Number.isInteger(Math.log2(capacity)), `ring capacity is no power of two: ${capacity}`);
  const memory = new SharedArrayBuffer(RING.dataAt + capacity);
  const view = new DataView(memory);
  view.setUint32(0, RING.magic, true);
  view.setUint32(4, RING.version, true);
  view.setBigUint64(RING.capacityAt, BigInt(capacity), true);
  setFullReason(memory, REASONS.overflow);
  return memory;
}

/** Consumer: what a tick that finds the ring full is from now on (`overflow` or `full`). */
export function setFullReason(ring: SharedArrayBuffer, reason: number): void {
  Atomics.store(new Int32Array(ring, RING.fullReasonAt, 1), 0, reason);
}
