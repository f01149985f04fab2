/**
 * The entries of a group, as its table and the payloads behind it tell of them: of a group that was
 * read, of one that is being built (`group.ts`), or copied out of several.
 *
 * A group of a thousand streams has a thousand entries at each flush. Who needs a few numbers of
 * each moves an `EntryView` over them (a flyweight, in Aeron's word); who wants an entry to keep,
 * or only those of one stream, has it cut out as an object.
 */
import { crc32c } from '../../base/crc32c.ts';
import {
  ENTRY_FLAG,
  ENTRY_ROW,
  ENTRY_ROW_BYTES,
  GROUP_CRC_BYTES,
  GROUP_HEADER_BYTES,
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

/** What a group holds, for those who read it. */
export interface Entries {
  /** Before the first of them. */
  view(): EntryView;
  all(): readonly Entry[];
  /** Those of one stream, and those of none: times and what is said of all streams. */
  of(stream: number): readonly Entry[];
  /** Does the CRC that stands with each entry hold, whatever the group's says? */
  areIntact(): boolean;
}

/** One entry after the other, in place; what it says holds until `next` is called. */
export interface EntryView {
  /** Moves on. @returns false behind the last entry */
  next(): boolean;
  readonly index: number;
  readonly kind: number;
  readonly stream: number;
  /** the payload is `length` of these bytes, from `start` on */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** The payload matches its CRC. */
  isIntact(): boolean;
  /** The entry by itself; its payload is a view. */
  entry(): Entry;
}

/** A table and its payloads as they lie in memory. */
export class EntryTable implements Entries {
  readonly #rows: DataView;
  readonly #payloads: Uint8Array;
  readonly #isSound: boolean;
  readonly #timeEnds: ReadonlyMap<number, TimeEnds> | undefined;
  #all: Entry[] | undefined;

  /**
   * @param rows the table, ENTRY_ROW_BYTES for each entry
   * @param isSound no entry needs to be held against its CRC
   * @param timeEnds by index, as far as known
   */
  constructor(
    rows: Uint8Array,
    payloads: Uint8Array,
    isSound: boolean,
    timeEnds?: ReadonlyMap<number, TimeEnds>,
  ) {
    this.#rows = viewOf(rows);
    this.#payloads = payloads;
    this.#isSound = isSound;
    this.#timeEnds = timeEnds;
  }

  /** Of a group whose header is valid. @param isSound the final CRC holds */
  static ofGroup(group: Uint8Array, count: number, isSound: boolean): EntryTable {
    const end = GROUP_HEADER_BYTES + count * ENTRY_ROW_BYTES;
    const payloads = group.subarray(end, group.length - GROUP_CRC_BYTES);
    return new EntryTable(group.subarray(GROUP_HEADER_BYTES, end), payloads, isSound);
  }

  view(): EntryView {
    return new TableView(this.#rows, this.#payloads, this.#isSound, this.#timeEnds);
  }

  all(): readonly Entry[] {
    return (this.#all ??= this.#cut(undefined));
  }

  of(stream: number): readonly Entry[] {
    return this.#cut(stream);
  }

  areIntact(): boolean {
    const view = new TableView(this.#rows, this.#payloads, false, undefined);
    while (view.next()) if (!view.isIntact()) return false;
    return true;
  }

  #cut(wanted: number | undefined): Entry[] {
    const entries: Entry[] = [];
    for (const view = this.view(); view.next();) {
      if (wanted === undefined || view.stream === wanted || view.stream === 0) {
        entries.push(view.entry());
      }
    }
    return entries;
  }
}

class TableView implements EntryView {
  readonly #rows: DataView;
  readonly bytes: Uint8Array;
  readonly #isSound: boolean;
  readonly #timeEnds: ReadonlyMap<number, TimeEnds> | undefined;
  index = -1;
  kind = 0;
  stream = 0;
  start = 0;
  length = 0;
  /** as the table has it; the group may end before */
  #stated = 0;

  constructor(
    rows: DataView,
    payloads: Uint8Array,
    isSound: boolean,
    timeEnds: ReadonlyMap<number, TimeEnds> | undefined,
  ) {
    this.#rows = rows;
    this.bytes = payloads;
    this.#isSound = isSound;
    this.#timeEnds = timeEnds;
  }

  next(): boolean {
    const row = ++this.index * ENTRY_ROW_BYTES;
    if (row + ENTRY_ROW_BYTES > this.#rows.byteLength) return false;
    this.start += this.#stated;
    this.kind = this.#rows.getUint16(row + ENTRY_ROW.kind, true);
    this.stream = this.#rows.getUint32(row + ENTRY_ROW.stream, true);
    this.#stated = this.#rows.getUint32(row + ENTRY_ROW.length, true);
    this.length = Math.max(0, Math.min(this.#stated, this.bytes.length - this.start));
    return true;
  }

  isIntact(): boolean {
    if (this.length !== this.#stated) return false;
    return this.#isSound || this.#crc() === crc32c(this.#payload());
  }

  entry(): Entry {
    const { index, kind, stream } = this;
    const flags = this.#rows.getUint16(index * ENTRY_ROW_BYTES + ENTRY_ROW.flags, true);
    const timeEnds = this.#timeEnds?.get(index);
    const payload = this.#payload();
    return { kind, index, flags, stream, payload, intact: this.isIntact(), timeEnds };
  }

  #payload(): Uint8Array {
    return this.bytes.subarray(this.start, this.start + this.length);
  }

  #crc(): number {
    return this.#rows.getUint32(this.index * ENTRY_ROW_BYTES + ENTRY_ROW.crc, true);
  }
}

/** Entries that were copied out of their groups. */
export class EntryList implements Entries {
  readonly #all: readonly Entry[];

  constructor(all: readonly Entry[]) {
    this.#all = all;
  }

  view(): EntryView {
    return new ListView(this.#all);
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

class ListView implements EntryView {
  readonly #all: readonly Entry[];
  readonly start = 0;
  #at = -1;

  constructor(all: readonly Entry[]) {
    this.#all = all;
  }

  next(): boolean {
    return ++this.#at < this.#all.length;
  }

  get index(): number {
    return this.entry().index;
  }

  get kind(): number {
    return this.entry().kind;
  }

  get stream(): number {
    return this.entry().stream;
  }

  get bytes(): Uint8Array {
    return this.entry().payload;
  }

  get length(): number {
    return this.entry().payload.length;
  }

  isIntact(): boolean {
    return this.entry().intact;
  }

  entry(): Entry {
    return this.#all[this.#at]!;
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
