/**
 * A group in memory: built entry by entry, and cut into as many groups as it needs.
 *
 * The builder keeps the payloads one after the other in one growing area, and the table beside it,
 * both as they will lie in the log; `plan` cuts them into groups, `layOut` puts one group's table
 * and payloads where they are written. The native encoder writes its entries straight into that
 * area (`tail`, `addWritten`): nothing is copied per sample, the one copy per group is the move of
 * the payloads behind their table, and an entry of many is four numbers.
 */
import { assert } from '../../base/assert.ts';
import { BLOCK_BYTES, GROUP_MAX_BYTES, GROUP_SMALL_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { GroupSize } from '../entries/data.ts';
import { EntryTable, type TimeEnds } from '../entries/entries.ts';
import {
  ENTRY_FLAG,
  ENTRY_ROW,
  ENTRY_ROW_BYTES,
  GROUP_CRC_BYTES,
  GROUP_FLAG,
  GROUP_HEADER_BYTES,
  alignUp,
  makeLsn,
  sealGroup,
  viewOf,
  type GroupHeader,
  type Link,
} from '../entries/format.ts';

/** One group of a plan: so many rows of a table, and the payloads that belong to them. */
export interface PlannedGroup {
  flags: number;
  /** as they are written */
  rows: Uint8Array;
  entries: number;
  payloads: { start: number; end: number };
  /** header to final CRC */
  length: number;
}

/** A place in a group that is being filled. */
export interface GroupMark {
  count: number;
  end: number;
}

/** Entries that wait to be cut into groups. */
interface Rest {
  rows: Uint8Array;
  start: number;
}

/** Where one group after the other lies while it is written: little, where all are small. */
export class GroupMemory {
  readonly #fs: Pick<FileSystem, 'alignedBuffer'>;
  #bytes: Uint8Array;

  constructor(fs: Pick<FileSystem, 'alignedBuffer'>) {
    this.#fs = fs;
    this.#bytes = fs.alignedBuffer(GROUP_SMALL_BYTES);
  }

  /** Whole blocks for `length` bytes, at most a group's, until the next call. */
  blocks(length: number): Uint8Array {
    const bytes = alignUp(length);
    if (bytes > this.#bytes.length) this.#bytes = this.#fs.alignedBuffer(GROUP_MAX_BYTES);
    return this.#bytes.subarray(0, bytes);
  }
}

const FIRST_ROWS = 64;

export class GroupBuilder {
  #rows: Uint8Array = new Uint8Array(FIRST_ROWS * ENTRY_ROW_BYTES);
  #view = viewOf(this.#rows);
  #count = 0;
  #area: Uint8Array;
  #end = 0;
  /** of the times entries whose writer has said so, by their index */
  readonly #timeEnds = new Map<number, TimeEnds>();

  constructor(initialBytes: number) {
    this.#area = new Uint8Array(initialBytes);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes this group will have at least, unpadded, if it is cut into one. */
  get bytes(): number {
    return groupBytes(this.#count, this.#end);
  }

  clear(): void {
    this.#count = 0;
    this.#end = 0;
    this.#timeEnds.clear();
  }

  /** How far it has been filled. */
  mark(): GroupMark {
    return { count: this.#count, end: this.#end };
  }

  /** Takes out what was added behind a mark. */
  rewind({ count, end }: GroupMark): void {
    for (let index = count; index < this.#count; index++) this.#timeEnds.delete(index);
    [this.#count, this.#end] = [count, end];
  }

  add(kind: number, stream: number, payload: Uint8Array, flags = 0): void {
    this.reserve(payload.length).set(payload, this.#end);
    this.#push(kind, flags, stream, payload.length, crc32c(payload));
  }

  /** Makes room for `bytes` more of payload and returns the area; write from `tail` on. */
  reserve(bytes: number): Uint8Array {
    this.#area = grown(this.#area, this.#end, bytes);
    return this.#area;
  }

  get tail(): number {
    return this.#end;
  }

  /** Declares an entry whose payload was written into the reserved area at `tail`. */
  addWritten(kind: number, stream: number, length: number, crc: number, timeEnds?: TimeEnds): void {
    assert(this.#end + length <= this.#area.length, 'entry written beyond what was reserved');
    if (timeEnds) this.#timeEnds.set(this.#count, timeEnds);
    this.#push(kind, 0, stream, length, crc);
  }

  /** The entries as a reader will see them; views, valid until the next change. */
  entries(): EntryTable {
    const payloads = this.#area.subarray(0, this.#end);
    return new EntryTable(this.#table(), payloads, true, this.#timeEnds);
  }

  /** Those behind a mark; what is known of their times beforehand is left out. */
  entriesBehind({ count, end }: GroupMark): EntryTable {
    const rows = this.#table().subarray(count * ENTRY_ROW_BYTES);
    return new EntryTable(rows, this.#area.subarray(end, this.#end), true);
  }

  /**
   * Cuts the entries into groups of at most `limit` bytes. An entry too large for what is left of a
   * group is cut in two: its rest begins the next group of the run.
   */
  plan(limit: number): PlannedGroup[] {
    const groups: PlannedGroup[] = [];
    let rest: Rest | undefined = { rows: this.#table(), start: 0 };
    if (this.isEmpty) return groups;
    while (rest !== undefined) {
      const { rows, end, remaining } = this.#split(rest, limit);
      const more = remaining ? GROUP_FLAG.more : 0;
      const continues = groups.length > 0 ? GROUP_FLAG.continues : 0;
      const payloads = { start: rest.start, end };
      const entries = rows.length / ENTRY_ROW_BYTES;
      const length = groupBytes(entries, end - rest.start);
      groups.push({ flags: more | continues, rows, entries, payloads, length });
      rest = remaining;
    }
    return groups;
  }

  /** Puts table and payloads of a planned group into `memory`, zeros behind; no header, no CRC. */
  layOut({ rows, payloads, length }: PlannedGroup, memory: Uint8Array): void {
    memory.set(rows, GROUP_HEADER_BYTES);
    const area = this.#area.subarray(payloads.start, payloads.end);
    memory.set(area, GROUP_HEADER_BYTES + rows.length);
    memory.fill(0, length - GROUP_CRC_BYTES, alignUp(length));
  }

  /**
   * The group as it is to be written, header and CRC included.
   * @returns whole blocks of `memory`, and how the next group names this one
   */
  seal(
    group: PlannedGroup,
    memory: GroupMemory,
    segment: { segment: number; salt: bigint },
    place: Omit<GroupHeader, 'length' | 'entries'>,
  ): { bytes: Uint8Array; link: Link } {
    const { length, entries } = group;
    const bytes = memory.blocks(length);
    this.layOut(group, bytes);
    const crc = sealGroup(bytes, segment, { ...place, length, entries });
    return { bytes, link: { lsn: makeLsn(segment.segment, place.offset), length, crc } };
  }

  #push(kind: number, flags: number, stream: number, length: number, crc: number): void {
    const at = this.#count * ENTRY_ROW_BYTES;
    if (at === this.#rows.length) {
      this.#rows = grown(this.#rows, at, ENTRY_ROW_BYTES);
      this.#view = viewOf(this.#rows);
    }
    putRow(this.#view, at, { kind, flags, stream, length, crc });
    this.#count++;
    this.#end += length;
  }

  #table(): Uint8Array {
    return this.#rows.subarray(0, this.#count * ENTRY_ROW_BYTES);
  }

  /** What of the rest goes into one group; its payloads end at `end`. */
  #split(rest: Rest, limit: number): { rows: Uint8Array; end: number; remaining?: Rest } {
    const count = rest.rows.length / ENTRY_ROW_BYTES;
    if (groupBytes(count, this.#end - rest.start) <= limit)
      return { rows: rest.rows, end: this.#end };
    const view = viewOf(rest.rows);
    let whole = 0;
    let payload = 0;
    while (groupBytes(whole + 1, payload + lengthOf(view, whole)) <= limit) {
      payload += lengthOf(view, whole++);
    }
    const end = rest.start + payload;
    const before = rest.rows.subarray(0, whole * ENTRY_ROW_BYTES);
    const behind = rest.rows.slice(whole * ENTRY_ROW_BYTES);
    const room = limit - groupBytes(whole + 1, payload);
    if (whole > 0 && room < BLOCK_BYTES) {
      return { rows: before, end, remaining: { rows: behind, start: end } };
    }
    assert(room > 0 && room < lengthOf(view, whole), 'a fragment is a proper part of its entry');
    const head = this.#cutRow(behind, end, room);
    const rows = new Uint8Array([...before, ...head]);
    return { rows, end: end + room, remaining: { rows: behind, start: end + room } };
  }

  /** Cuts the first entry of `rows` in two. @returns the row of its head; its rest stays */
  #cutRow(rows: Uint8Array, start: number, room: number): Uint8Array {
    const head = rows.slice(0, ENTRY_ROW_BYTES);
    const view = viewOf(rows);
    const kind = view.getUint16(ENTRY_ROW.kind, true);
    const flags = view.getUint16(ENTRY_ROW.flags, true);
    const stream = view.getUint32(ENTRY_ROW.stream, true);
    const length = lengthOf(view, 0);
    const crc = (from: number, to: number): number => crc32c(this.#area.subarray(from, to));
    const middle = start + room;
    const first = { length: room, crc: crc(start, middle) };
    putRow(viewOf(head), 0, { kind, stream, flags: flags | ENTRY_FLAG.continued, ...first });
    const last = { length: length - room, crc: crc(middle, start + length) };
    putRow(view, 0, { kind, stream, flags, ...last });
    return head;
  }
}

interface Row {
  kind: number;
  flags: number;
  stream: number;
  length: number;
  crc: number;
}

function putRow(view: DataView, at: number, { kind, flags, stream, length, crc }: Row): void {
  view.setUint16(at + ENTRY_ROW.kind, kind, true);
  view.setUint16(at + ENTRY_ROW.flags, flags, true);
  view.setUint32(at + ENTRY_ROW.stream, stream, true);
  view.setUint32(at + ENTRY_ROW.length, length, true);
  view.setUint32(at + ENTRY_ROW.crc, crc, true);
}

function lengthOf(rows: DataView, index: number): number {
  return rows.getUint32(index * ENTRY_ROW_BYTES + ENTRY_ROW.length, true);
}

/** The same bytes, `used` of them, in memory that has room for `more`. */
function grown(memory: Uint8Array, used: number, more: number): Uint8Array {
  if (used + more <= memory.length) return memory;
  const larger = new Uint8Array(Math.max(memory.length * 2, used + more));
  larger.set(memory.subarray(0, used));
  return larger;
}

/** What groups take together. */
export function plannedSize(groups: readonly PlannedGroup[]): GroupSize {
  const size = { length: 0, padded: 0 };
  for (const { length } of groups) {
    size.length += length;
    size.padded += alignUp(length);
  }
  return size;
}

function groupBytes(entries: number, payload: number): number {
  return GROUP_HEADER_BYTES + entries * ENTRY_ROW_BYTES + payload + GROUP_CRC_BYTES;
}
