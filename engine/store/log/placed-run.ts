/**
 * Where the entries of a run of groups lie, from the headers and tables of its groups alone: who
 * needs one entry of a large run reads and checks that one.
 */
import { crc32c } from '../../base/crc32c.ts';
import {
  ENTRY_FLAG,
  ENTRY_ROW,
  ENTRY_ROW_BYTES,
  GROUP_CRC_BYTES,
  GROUP_FLAG,
  GROUP_HEADER_BYTES,
  alignUp,
  viewOf,
} from '../entries/format.ts';
import { groupHeadAt, type GroupHead, type Window } from './scan.ts';
import type { OpenSegment } from './segment.ts';

/** A part of an entry, within one group. */
interface PlacedPart {
  /** byte in the segment */
  at: number;
  length: number;
  crc: number;
}

/** An entry that has not been read; where the run cuts it, it has more than one part. */
export interface PlacedEntry {
  kind: number;
  parts: PlacedPart[];
}

export interface PlacedRun {
  /** those of its last group, as those of a joined run are */
  flags: number;
  entries: PlacedEntry[];
}

/**
 * The run of groups, or the one group, that begins at byte `from` of a segment.
 * @param end nothing at or behind this byte belongs to it
 * @returns undefined if there is none, or not all of its headers are sound
 */
export function placedRun(
  { window, header: segment }: OpenSegment,
  from: number,
  end: number,
): PlacedRun | undefined {
  const entries: PlacedEntry[] = [];
  let isCut = false;
  for (let at = from; at < end;) {
    const head = groupHeadAt(window, segment, at);
    if (head === undefined) return undefined;
    const { flags, length } = head.header;
    const continues = (flags & GROUP_FLAG.continues) !== 0;
    const groupEnd = at + alignUp(length);
    if (continues !== at > from || groupEnd > end) return undefined;
    const goesOn = placeEntries(head, at, entries, isCut);
    if (goesOn === undefined) return undefined;
    if (!(flags & GROUP_FLAG.more)) return goesOn ? undefined : { flags, entries };
    isCut = goesOn;
    at = groupEnd;
  }
  return undefined;
}

/**
 * Appends the entries of the group at byte `at` of the segment.
 * @param isCut the first one is the rest of the last one there
 * @returns whether the group's last one has its rest in the next group; undefined if the table
 * speaks of more than the group has
 */
function placeEntries(
  { header, bytes }: GroupHead,
  at: number,
  entries: PlacedEntry[],
  isCut: boolean,
): boolean | undefined {
  const view = viewOf(bytes);
  const bodyEnd = at + header.length - GROUP_CRC_BYTES;
  let payload = at + GROUP_HEADER_BYTES + header.entries * ENTRY_ROW_BYTES;
  let isRest = isCut;
  for (let i = 0; i < header.entries; i++) {
    const row = GROUP_HEADER_BYTES + i * ENTRY_ROW_BYTES;
    const length = view.getUint32(row + ENTRY_ROW.length, true);
    if (length > bodyEnd - payload) return undefined;
    const part = { at: payload, length, crc: view.getUint32(row + ENTRY_ROW.crc, true) };
    if (isRest) entries.at(-1)!.parts.push(part);
    else entries.push({ kind: view.getUint16(row + ENTRY_ROW.kind, true), parts: [part] });
    isRest = (view.getUint16(row + ENTRY_ROW.flags, true) & ENTRY_FLAG.continued) !== 0;
    payload += length;
  }
  return isRest;
}

/** @returns undefined if a checksum does not hold; else a view, valid until the window moves */
export function readPlaced(window: Window, { parts }: PlacedEntry): Uint8Array | undefined {
  if (parts.length === 1) return readPart(window, parts[0]!);
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const part of parts) {
    const bytes = readPart(window, part);
    if (bytes === undefined) return undefined;
    whole.set(bytes, filled);
    filled += bytes.length;
  }
  return whole;
}

function readPart(window: Window, { at, length, crc }: PlacedPart): Uint8Array | undefined {
  const bytes = window.bytes(at, length);
  return bytes.length === length && crc32c(bytes) === crc ? bytes : undefined;
}
