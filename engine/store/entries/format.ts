/**
 * Bytes of the log, version 1: segment header, group header, entry table. `docs/format-log.md` is
 * the drawing; reader and writer both live from this file alone.
 *
 * An LSN is a number: segment × 2^32 + byte in the segment. It stays exact because segments are
 * numbered below 2^21 (at 64 MiB each: 128 TiB of log).
 */
import { assert } from '../../base/assert.ts';
import { BLOCK_BYTES, GROUP_MAX_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';

export const LOG_VERSION = 1;
const SEGMENT_MAGIC = 0x47455348; // "HSEG"
export const GROUP_MAGIC = 0x50524748; // "HGRP"
const SEGMENT_HEADER_BYTES = 160;
export const GROUP_HEADER_BYTES = 64;
/** Where the fields of a row of the entry table lie: kind and flags u16, all others u32. */
export const ENTRY_ROW = { kind: 0, flags: 2, stream: 4, length: 8, crc: 12 } as const;
export const ENTRY_ROW_BYTES = 16;
export const GROUP_CRC_BYTES = 4;

export const GROUP_FLAG = {
  snapshot: 1,
  footer: 4,
  /** the run of groups goes on in the next one */
  more: 8,
  /** this group goes on with the run of the one before it */
  continues: 16,
} as const;

export const ENTRY_FLAG = {
  /** a reader that does not know the kind may skip it */
  ignorable: 1,
  /** the payload goes on in the first entry of the next group of the run */
  continued: 2,
} as const;

export const KIND = {
  snapshot: 1,
  footer: 2,
  stream: 3,
  schema: 4,
  run: 5,
  runEnd: 6,
  start: 7,
  shutdown: 8,
  reached: 9,
  lost: 10,
  identity: 11,
  times: 16,
  batch: 17,
  events: 18,
  gap: 19,
  spill: 20,
  trim: 32,
  remove: 33,
  cursor: 34,
  position: 36,
  sealed: 37,
  retention: 38,
  transaction: 39,
  place: 40,
  spilled: 41,
  partial: 42,
} as const;

const KNOWN_KINDS: ReadonlySet<number> = new Set(Object.values(KIND));

export function isKnownKind(kind: number): boolean {
  return KNOWN_KINDS.has(kind);
}

export type Lsn = number;
const SEGMENT_FACTOR = 2 ** 32;
const SEGMENT_NUMBER_MAX = 2 ** 21 - 1;

export function makeLsn(segment: number, offset: number): Lsn {
  assert(segment <= SEGMENT_NUMBER_MAX && offset < SEGMENT_FACTOR, 'LSN out of range');
  return segment * SEGMENT_FACTOR + offset;
}
export const segmentOf = (lsn: Lsn): number => Math.floor(lsn / SEGMENT_FACTOR);
export const offsetOf = (lsn: Lsn): number => lsn % SEGMENT_FACTOR;

/** `segment:offset`, for people. */
export function formatLsn(lsn: Lsn): string {
  return `${segmentOf(lsn)}:${offsetOf(lsn)}`;
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The largest group of a segment of this size: so that a segment never holds fewer than four. */
export function groupLimit(segmentBytes: number): number {
  return Math.min(GROUP_MAX_BYTES, Math.floor(segmentBytes / 4 / BLOCK_BYTES) * BLOCK_BYTES);
}

/** How a group names the one before it: place, length and final CRC. */
export interface Link {
  lsn: Lsn;
  length: number;
  crc: number;
}

export const NO_LINK: Link = { lsn: 0, length: 0, crc: 0 };

export function sameLink(a: Link, b: Link): boolean {
  return a.lsn === b.lsn && a.length === b.length && a.crc === b.crc;
}

/** What tells a store from any other, as store.json and each segment's header have it. */
export interface StoreIdentity {
  storeId: Uint8Array;
  machineId: Uint8Array;
  createdNanos: bigint;
  segmentBytes: number;
  /** the id it had before it was copied to this machine */
  origin: Uint8Array | undefined;
}

export interface SegmentHeader {
  segment: number;
  salt: bigint;
  size: number;
  storeId: Uint8Array;
  machineId: Uint8Array;
  blockBytes: number;
  createdNanos: bigint;
  predecessor: Link;
  storeSegmentBytes: number;
  storeCreatedNanos: bigint;
}

/** @returns `block` */
export function encodeSegmentHeader(header: SegmentHeader, block: Uint8Array): Uint8Array {
  assert(block.length === BLOCK_BYTES, 'a segment header is one block');
  block.fill(0);
  const view = viewOf(block);
  view.setUint32(0, SEGMENT_MAGIC, true);
  view.setUint16(4, LOG_VERSION, true);
  view.setUint16(6, SEGMENT_HEADER_BYTES, true);
  view.setBigUint64(8, BigInt(header.segment), true);
  view.setBigUint64(16, header.salt, true);
  view.setBigUint64(24, BigInt(header.size), true);
  block.set(header.storeId, 32);
  block.set(header.machineId, 48);
  view.setUint32(64, header.blockBytes, true);
  view.setBigInt64(72, header.createdNanos, true);
  putLink(view, 80, header.predecessor);
  view.setBigUint64(96, BigInt(header.storeSegmentBytes), true);
  view.setBigInt64(104, header.storeCreatedNanos, true);
  view.setUint32(156, crc32c(block.subarray(0, 156)), true);
  return block;
}

/** The header, or why there is none: `version` if only the version is not ours. */
export function decodeSegmentHeader(block: Uint8Array): SegmentHeader | 'invalid' | 'version' {
  if (block.length < BLOCK_BYTES) return 'invalid';
  const view = viewOf(block);
  if (view.getUint32(0, true) !== SEGMENT_MAGIC) return 'invalid';
  if (view.getUint32(156, true) !== crc32c(block.subarray(0, 156))) return 'invalid';
  if (view.getUint16(4, true) !== LOG_VERSION) return 'version';
  return {
    segment: Number(view.getBigUint64(8, true)),
    salt: view.getBigUint64(16, true),
    size: Number(view.getBigUint64(24, true)),
    storeId: block.slice(32, 48),
    machineId: block.slice(48, 64),
    blockBytes: view.getUint32(64, true),
    createdNanos: view.getBigInt64(72, true),
    predecessor: getLink(view, 80),
    storeSegmentBytes: Number(view.getBigUint64(96, true)),
    storeCreatedNanos: view.getBigInt64(104, true),
  };
}

export interface GroupHeader {
  flags: number;
  offset: number;
  length: number;
  predecessor: Link;
  writtenNanos: bigint;
  entries: number;
}

/** Writes header and final CRC around entry table and payloads that are in place already. */
export function sealGroup(
  group: Uint8Array,
  segment: { segment: number; salt: bigint },
  header: GroupHeader,
): number {
  const view = viewOf(group);
  view.setUint32(0, GROUP_MAGIC, true);
  view.setUint16(4, LOG_VERSION, true);
  view.setUint16(6, header.flags, true);
  view.setBigUint64(8, BigInt(segment.segment), true);
  view.setBigUint64(16, segment.salt, true);
  view.setUint32(24, header.offset, true);
  view.setUint32(28, header.length, true);
  putLink(view, 32, header.predecessor);
  view.setBigInt64(48, header.writtenNanos, true);
  view.setUint32(56, header.entries, true);
  view.setUint32(60, headerCrc(group, header.entries), true);
  const crc = crc32c(group.subarray(0, header.length - GROUP_CRC_BYTES));
  view.setUint32(header.length - GROUP_CRC_BYTES, crc, true);
  return crc;
}

/**
 * Reads a group header at the start of `bytes`. `bytes` must reach as far as the entry table, or
 * the answer is 'short' with nothing said about validity.
 */
export function decodeGroupHeader(
  bytes: Uint8Array,
  segment: { segment: number; salt: bigint; size: number },
  offset: number,
): GroupHeader | 'short' | 'invalid' {
  if (bytes.length < GROUP_HEADER_BYTES) return 'short';
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== GROUP_MAGIC || view.getUint16(4, true) !== LOG_VERSION) {
    return 'invalid';
  }
  const entries = view.getUint32(56, true);
  const length = view.getUint32(28, true);
  const tableEnd = GROUP_HEADER_BYTES + entries * ENTRY_ROW_BYTES;
  const sound =
    view.getBigUint64(8, true) === BigInt(segment.segment) &&
    view.getBigUint64(16, true) === segment.salt &&
    view.getUint32(24, true) === offset &&
    length <= Math.min(groupLimit(segment.size), segment.size - offset) &&
    tableEnd + GROUP_CRC_BYTES <= length;
  if (!sound) return 'invalid';
  if (bytes.length < tableEnd) return 'short';
  if (view.getUint32(60, true) !== headerCrc(bytes, entries)) return 'invalid';
  const flags = view.getUint16(6, true);
  const writtenNanos = view.getBigInt64(48, true);
  return { flags, offset, length, predecessor: getLink(view, 32), writtenNanos, entries };
}

/** CRC over bytes 0–59 and the entry table; the CRC's own four bytes lie between. */
function headerCrc(group: Uint8Array, entries: number): number {
  const tableEnd = GROUP_HEADER_BYTES + entries * ENTRY_ROW_BYTES;
  return crc32c(group.subarray(GROUP_HEADER_BYTES, tableEnd), crc32c(group.subarray(0, 60)));
}

function putLink(view: DataView, at: number, link: Link): void {
  view.setBigUint64(at, BigInt(link.lsn), true);
  view.setUint32(at + 8, link.length, true);
  view.setUint32(at + 12, link.crc, true);
}

function getLink(view: DataView, at: number): Link {
  return {
    lsn: Number(view.getBigUint64(at, true)),
    length: view.getUint32(at + 8, true),
    crc: view.getUint32(at + 12, true),
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
