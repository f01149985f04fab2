/**
 * A group in memory: built entry by entry, cut into as many groups as it needs, and read back.
 *
 * The builder keeps the payloads one after the other in one growing area, and the table beside it;
 * `plan` cuts them into groups, `layOut` puts one group's table and payloads where they are
 * written. The native encoder writes its entries straight into that area (`tail`, `addWritten`):
 * nothing is copied per sample, the one copy per group is the move of the payloads behind their
 * table.
 */
import { assert } from '../../base/assert.ts';
import { BLOCK_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { GroupSize } from '../data.ts';
import {
  ENTRY_FLAG,
  ENTRY_ROW_BYTES,
  GROUP_CRC_BYTES,
  GROUP_FLAG,
  GROUP_HEADER_BYTES,
  alignUp,
  viewOf,
} from './format.ts';

export interface Entry {
  kind: number;
  /** its place among the entries of its group, or run of groups */
  index: number;
  flags: number;
  /** stream number, or 0 */
  stream: number;
  payload: Uint8Array;
  /** false: the payload does not match its CRC; it may be looked at, never believed */
  intact: boolean;
  timeEnds?: TimeEnds | undefined;
}

/**
 * First and last value of a times entry's column, where whoever wrote the entry has just said so:
 * the owner accounts for what it commits without decoding it again.
 */
export interface TimeEnds {
  first: bigint;
  last: bigint;
}

interface BuiltEntry {
  kind: number;
  flags: number;
  stream: number;
  start: number;
  length: number;
  crc: number;
  timeEnds?: TimeEnds | undefined;
}

/** One group of a plan. */
export interface PlannedGroup {
  flags: number;
  rows: readonly BuiltEntry[];
  /** header to final CRC */
  length: number;
}

export class GroupBuilder {
  readonly #entries: BuiltEntry[] = [];
  #area: Uint8Array;
  #end = 0;

  constructor(initialBytes: number) {
    this.#area = new Uint8Array(initialBytes);
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Bytes this group will have at least, unpadded, if it is cut into one. */
  get bytes(): number {
    return groupBytes(this.#entries.length, this.#end);
  }

  clear(): void {
    this.#entries.length = 0;
    this.#end = 0;
  }

  add(kind: number, stream: number, payload: Uint8Array, flags = 0): void {
    this.reserve(payload.length).set(payload, this.#end);
    this.#push(kind, flags, stream, payload.length, crc32c(payload));
  }

  /** Makes room for `bytes` more of payload and returns the area; write from `tail` on. */
  reserve(bytes: number): Uint8Array {
    if (this.#end + bytes > this.#area.length) {
      const larger = new Uint8Array(Math.max(this.#area.length * 2, this.#end + bytes));
      larger.set(this.#area.subarray(0, this.#end));
      this.#area = larger;
    }
    return this.#area;
  }

  get tail(): number {
    return this.#end;
  }

  /** Declares an entry whose payload was written into the reserved area at `tail`. */
  addWritten(kind: number, stream: number, length: number, crc: number, timeEnds?: TimeEnds): void {
    assert(this.#end + length <= this.#area.length, 'entry written beyond what was reserved');
    this.#push(kind, 0, stream, length, crc, timeEnds);
  }

  /** The entries as a reader will see them; views, valid until the next change. */
  entries(): Entry[] {
    return this.#entries.map(({ kind, flags, stream, start, length, timeEnds }, index) => {
      const payload = this.#area.subarray(start, start + length);
      return { kind, index, flags, stream, payload, intact: true, timeEnds };
    });
  }

  /**
   * Cuts the entries into groups of at most `limit` bytes. An entry too large for what is left of a
   * group is cut in two: its rest begins the next group of the run.
   */
  plan(limit: number): PlannedGroup[] {
    const groups: PlannedGroup[] = [];
    let rest: BuiltEntry[] = this.#entries;
    while (rest.length > 0) {
      const { rows, remaining } = this.#split(rest, limit);
      const more = remaining.length > 0 ? GROUP_FLAG.more : 0;
      const continues = groups.length > 0 ? GROUP_FLAG.continues : 0;
      const payload = rows.reduce((sum, row) => sum + row.length, 0);
      groups.push({ flags: more | continues, rows, length: groupBytes(rows.length, payload) });
      rest = remaining;
    }
    return groups;
  }

  /** Puts table and payloads of a planned group into `memory`, zeros behind; no header, no CRC. */
  layOut({ rows, length }: PlannedGroup, memory: Uint8Array): void {
    const view = viewOf(memory);
    rows.forEach((row, i) => {
      const at = GROUP_HEADER_BYTES + i * ENTRY_ROW_BYTES;
      view.setUint16(at, row.kind, true);
      view.setUint16(at + 2, row.flags, true);
      view.setUint32(at + 4, row.stream, true);
      view.setUint32(at + 8, row.length, true);
      view.setUint32(at + 12, row.crc, true);
    });
    const first = rows[0]!;
    const last = rows.at(-1)!;
    const payloads = this.#area.subarray(first.start, last.start + last.length);
    memory.set(payloads, GROUP_HEADER_BYTES + rows.length * ENTRY_ROW_BYTES);
    memory.fill(0, length - GROUP_CRC_BYTES, alignUp(length));
  }

  #push(
    kind: number,
    flags: number,
    stream: number,
    length: number,
    crc: number,
    timeEnds?: TimeEnds,
  ): void {
    this.#entries.push({ kind, flags, stream, start: this.#end, length, crc, timeEnds });
    this.#end += length;
  }

  #split(rest: BuiltEntry[], limit: number): { rows: BuiltEntry[]; remaining: BuiltEntry[] } {
    let whole = 0;
    let payload = 0;
    while (whole < rest.length && groupBytes(whole + 1, payload + rest[whole]!.length) <= limit) {
      payload += rest[whole++]!.length;
    }
    if (whole === rest.length) return { rows: rest, remaining: [] };
    const room = limit - groupBytes(whole + 1, payload);
    if (whole > 0 && room < BLOCK_BYTES) {
      return { rows: rest.slice(0, whole), remaining: rest.slice(whole) };
    }
    const [head, tail] = this.#splitEntry(rest[whole]!, room);
    return { rows: [...rest.slice(0, whole), head], remaining: [tail, ...rest.slice(whole + 1)] };
  }

  #splitEntry(entry: BuiltEntry, room: number): [BuiltEntry, BuiltEntry] {
    assert(room > 0 && room < entry.length, 'a fragment is a proper part of its entry');
    const { start, length, flags } = entry;
    const part = (from: number, bytes: number, flag: number): BuiltEntry => {
      const crc = crc32c(this.#area.subarray(from, from + bytes));
      return { ...entry, start: from, length: bytes, flags: flags | flag, crc };
    };
    return [part(start, room, ENTRY_FLAG.continued), part(start + room, length - room, 0)];
  }
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

/** What a group holds, for those who read it. */
export interface Entries {
  all(): readonly Entry[];
  /** Those of one stream, and those of none: times and what is said of all streams. */
  of(stream: number): readonly Entry[];
  /** Does the CRC that stands with each entry hold, whatever the group's says? */
  areIntact(): boolean;
}

/**
 * The entries of a group as it lies in memory, whose header is valid; they are cut out when they
 * are asked for, since who follows one stream of a thousand needs two of its thousand entries.
 */
export class EntryTable implements Entries {
  readonly #group: Uint8Array;
  readonly #view: DataView;
  readonly #count: number;
  readonly #isSound: boolean;
  #all: Entry[] | undefined;

  /** @param isSound the final CRC holds, and so does that of every entry */
  constructor(group: Uint8Array, count: number, isSound: boolean) {
    this.#group = group;
    this.#view = viewOf(group);
    this.#count = count;
    this.#isSound = isSound;
  }

  all(): readonly Entry[] {
    return (this.#all ??= this.#cut(undefined));
  }

  of(stream: number): readonly Entry[] {
    return this.#cut(stream);
  }

  areIntact(): boolean {
    const checked = new EntryTable(this.#group, this.#count, false);
    return checked.all().every(({ intact }) => intact);
  }

  #cut(wanted: number | undefined): Entry[] {
    const entries: Entry[] = [];
    let at = GROUP_HEADER_BYTES + this.#count * ENTRY_ROW_BYTES;
    for (let index = 0; index < this.#count; index++) {
      const row = GROUP_HEADER_BYTES + index * ENTRY_ROW_BYTES;
      const stream = this.#view.getUint32(row + 4, true);
      const length = this.#view.getUint32(row + 8, true);
      if (wanted === undefined || stream === wanted || stream === 0) {
        entries.push(this.#entry(index, stream, at, length));
      }
      at += length;
    }
    return entries;
  }

  #entry(index: number, stream: number, at: number, length: number): Entry {
    const row = GROUP_HEADER_BYTES + index * ENTRY_ROW_BYTES;
    const bodyEnd = this.#group.length - GROUP_CRC_BYTES;
    const payload = this.#group.subarray(at, Math.min(at + length, bodyEnd));
    const crc = this.#view.getUint32(row + 12, true);
    return {
      kind: this.#view.getUint16(row, true),
      index,
      flags: this.#view.getUint16(row + 2, true),
      stream,
      payload,
      intact: payload.length === length && (this.#isSound || crc32c(payload) === crc),
    };
  }
}

/** Entries that were copied out of their groups. */
export class EntryList implements Entries {
  readonly #all: readonly Entry[];

  constructor(all: readonly Entry[]) {
    this.#all = all;
  }

  all(): readonly Entry[] {
    return this.#all;
  }

  of(stream: number): readonly Entry[] {
    return this.#all.filter((entry) => entry.stream === stream || entry.stream === 0);
  }

  areIntact(): boolean {
    return this.#all.every(({ intact }) => intact);
  }
}

/** Joins the fragments that the groups of one run hold into whole entries. */
export function joinFragments(entries: readonly Entry[]): Entry[] {
  const whole: Entry[] = [];
  let parts: Entry[] = [];
  for (const entry of entries) {
    parts.push(entry);
    if (entry.flags & ENTRY_FLAG.continued) continue;
    const index = whole.length;
    whole.push(parts.length === 1 ? { ...entry, index } : { ...joined(parts), index });
    parts = [];
  }
  return whole;
}

function joined(parts: readonly Entry[]): Entry {
  const last = parts.at(-1)!;
  const payload = new Uint8Array(parts.reduce((sum, part) => sum + part.payload.length, 0));
  let at = 0;
  for (const part of parts) {
    payload.set(part.payload, at);
    at += part.payload.length;
  }
  return { ...last, payload, intact: parts.every((part) => part.intact) };
}
