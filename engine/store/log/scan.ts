/**
 * Reading a segment's groups in order, and telling torn writes from damage.
 *
 * The rule (docs/format-log.md, Recovery): every group names its predecessor by place, length and
 * CRC. So whether the bytes at a place were ever acknowledged is decided by what comes after them:
 *
 *   the next valid group names …          the place between held
 *   the last valid group before it        a torn write: nobody was told that it is durable
 *   a group inside the place              damage: that group was acknowledged, and is lost
 *   (there is no next group)              a torn tail
 *
 * The same rule decides about a group whose body does not match its final CRC but whose header
 * does: named by its successor it is damaged, and the entries whose own CRC holds are served;
 * passed over by its successor it is torn. A sound group that its successor passes over is an
 * orphan and counts as torn. One group of look-ahead is enough to apply the rule.
 */
import { assert } from '../../base/assert.ts';
import { BLOCK_BYTES, KIB, MIB } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import { doingIo } from '../../base/errors.ts';
import type { File } from '../../files/file-system.ts';
import {
  GROUP_CRC_BYTES,
  GROUP_FLAG,
  GROUP_MAGIC,
  GROUP_HEADER_BYTES,
  alignUp,
  decodeGroupHeader,
  makeLsn,
  sameLink,
  segmentOf,
  viewOf,
  type GroupHeader,
  type Link,
  type SegmentHeader,
} from '../entries/format.ts';
import type { GroupSize } from '../entries/data.ts';
import { EntryList, EntryTable, joinFragments, type Entries } from '../entries/entries.ts';

export interface ScannedGroup {
  kind: 'group';
  offset: number;
  flags: number;
  link: Link;
  size: GroupSize;
  entries: Entries;
  segment: number;
  isSnapshot: boolean;
  writtenNanos: bigint;
}

export interface BadRange {
  kind: 'torn' | 'damage';
  offset: number;
  length: number;
  what: string;
}

export type ScanItem = ScannedGroup | BadRange;

const WINDOW_MIN_BYTES = 16 * KIB;
/** One that has come to be as large as this is moved in order. */
const WINDOW_IN_ORDER_BYTES = 64 * KIB;
const WINDOW_MAX_BYTES = MIB;

/**
 * Bytes of a file through a moving window, so that a scan costs few reads and bounded memory. It
 * doubles as it moves: many look at the first group of a segment only, which is its snapshot.
 */
export class Window {
  readonly #file: File;
  #memory = new Uint8Array(0);
  #ahead = WINDOW_MIN_BYTES;
  #start = 0;
  #length = 0;
  #end = BLOCK_BYTES;
  #isHinted = false;
  /** how often it has moved: what it holds may have been written anew between two moves */
  moves = 0;

  constructor(file: File) {
    this.#file = file;
  }

  /**
   * Nothing at or behind `end` is read ahead: what lies there may not be written yet. What it holds
   * from before the end that was known stays: who follows the log looks at a group twice.
   */
  readAheadTo(end: number): void {
    this.#length = Math.min(this.#length, Math.max(0, this.#end - this.#start));
    this.#end = end;
    this.#isHinted = false;
  }

  /**
   * Up to `length` bytes at `at`, fewer at the end; a view, valid until the next call.
   * @throws STORE_IO
   */
  bytes(at: number, length: number): Uint8Array {
    if (at < this.#start || at + length > this.#start + this.#length) this.#fill(at, length);
    const from = at - this.#start;
    return this.#memory.subarray(from, Math.min(from + length, this.#length));
  }

  /**
   * What it holds already stays: of a range that is read in order each byte is read once. What is
   * read later may be newer, where the file has become another one meanwhile.
   */
  #fill(at: number, length: number): void {
    const wanted = Math.max(length, Math.min(this.#ahead, this.#end - at));
    this.#ahead = Math.min(2 * this.#ahead, WINDOW_MAX_BYTES);
    const held = this.#heldFrom(at);
    const goesOn = held.length > 0 && at > this.#start;
    const memory = wanted > this.#memory.length ? new Uint8Array(wanted) : this.#memory;
    memory.set(held);
    this.#memory = memory;
    this.#start = at;
    this.#length = held.length;
    this.moves++;
    const from = at + held.length;
    if (goesOn) this.#hint(from);
    this.#length += this.#read(memory.subarray(held.length, wanted), from);
  }

  #read(into: Uint8Array, offset: number): number {
    const range = { offset, length: into.length };
    return doingIo('cannot read', this.#file.path, () => this.#file.read(into, offset), range);
  }

  /** Once it is clear that the range is read in order, and not looked into. */
  #hint(from: number): void {
    const isEarly = this.#ahead < WINDOW_IN_ORDER_BYTES;
    if (this.#isHinted || isEarly || from % BLOCK_BYTES !== 0 || from >= this.#end) return;
    this.#isHinted = true;
    this.#file.readAhead(from, this.#end);
  }

  #heldFrom(at: number): Uint8Array {
    const from = at - this.#start;
    return this.#memory.subarray(from < 0 ? this.#length : from, this.#length);
  }
}

/** What tells a file's own groups from any others. */
export type ScannedFile = Pick<SegmentHeader, 'segment' | 'salt' | 'size'>;

/** A group's header, and the bytes it was read from: its entry table is in them. */
export interface GroupHead {
  header: GroupHeader;
  /** a view, valid until the window's next call */
  bytes: Uint8Array;
}

/** @returns undefined if no group with a valid header begins at byte `offset` of the segment */
export function groupHeadAt(
  window: Window,
  segment: ScannedFile,
  offset: number,
): GroupHead | undefined {
  let bytes = window.bytes(offset, BLOCK_BYTES);
  if (bytes.length < GROUP_HEADER_BYTES || viewOf(bytes).getUint32(0, true) !== GROUP_MAGIC) {
    return undefined;
  }
  let header = decodeGroupHeader(bytes, segment, offset);
  if (header === 'short') {
    // the entry table is longer than a block: the header's own length bounds it
    const length = viewOf(bytes).getUint32(28, true);
    bytes = window.bytes(offset, length);
    header = decodeGroupHeader(bytes, segment, offset);
  }
  return typeof header === 'string' ? undefined : { header, bytes };
}

const ZERO_BLOCK = new Uint8Array(BLOCK_BYTES);

interface Found {
  header: GroupHeader;
  offset: number;
  end: number;
  /** of the window, when the header was read */
  moves: number;
}

export interface ScanOptions {
  from: number;
  /** nothing at or behind this byte is looked at */
  end: number;
  /** the last group before `from`; undefined if unknown */
  predecessor: Link | undefined;
  /** what the next segment names as the last group of this one */
  successor?: Link | undefined;
}

export function* scanSegment(
  window: Window,
  segment: ScannedFile,
  options: ScanOptions,
): Generator<ScanItem, void> {
  const scan = new Scan(window, segment, options);
  let last = options.predecessor;
  let at = options.from;
  let found = scan.find(at);
  while (found !== undefined) {
    const named = found.header.predecessor;
    if (last !== undefined && named.lsn !== last.lsn) {
      const what = found.offset > at ? 'lost group' : 'missing group';
      yield { kind: 'damage', offset: at, length: found.offset - at, what };
    } else if (found.offset > at) {
      yield { kind: 'torn', offset: at, length: found.offset - at, what: 'torn write' };
    }
    const next = scan.findBehind(found);
    const group = scan.judge(found, last, next);
    if (group.kind === 'group') last = group.link;
    if (group.kind === 'group' && group.damaged) {
      const length = found.end - found.offset;
      yield { kind: 'damage', offset: found.offset, length, what: 'checksum of a group' };
    }
    yield group;
    at = found.end;
    found = next;
  }
  yield* scan.tail(at, last);
}

class Scan {
  readonly #window: Window;
  readonly #segment: ScannedFile;
  readonly #options: ScanOptions;

  constructor(window: Window, segment: ScannedFile, options: ScanOptions) {
    this.#window = window;
    this.#segment = segment;
    this.#options = options;
  }

  /** The first group with a valid header at or behind `from`. */
  find(from: number): Found | undefined {
    for (let offset = from; offset < this.#options.end; offset += BLOCK_BYTES) {
      const header = groupHeadAt(this.#window, this.#segment, offset)?.header;
      if (header === undefined) continue;
      const end = offset + alignUp(header.length);
      if (end <= this.#options.end) return { header, offset, end, moves: this.#window.moves };
    }
    return undefined;
  }

  /** The next one; the window holds both, and so it does not go back to judge the first. */
  findBehind({ offset, end }: Found): Found | undefined {
    this.#window.bytes(offset, Math.min(end + BLOCK_BYTES, this.#options.end) - offset);
    return this.find(end);
  }

  /** What the group found is worth, given the one before it and the one after it. */
  judge(
    found: Found,
    last: Link | undefined,
    next: Found | undefined,
  ): (ScannedGroup & { damaged: boolean }) | BadRange {
    const { header, offset, end } = found;
    const bytes = this.#window.bytes(offset, header.length);
    if (this.#window.moves !== found.moves && !this.#isGroup(bytes, offset)) {
      return { kind: 'torn', offset, length: end - offset, what: 'group that has gone' };
    }
    const bodyEnd = header.length - GROUP_CRC_BYTES;
    const crc = crc32c(bytes.subarray(0, bodyEnd));
    // the file may have been cut while it is read
    const isCut = bytes.length < header.length;
    const stored = isCut ? undefined : viewOf(bytes).getUint32(bodyEnd, true);
    const link = { lsn: makeLsn(this.#segment.segment, offset), length: header.length, crc };
    const successor = next?.header.predecessor ?? this.#options.successor;
    const passedOver = successor !== undefined && last !== undefined && sameLink(successor, last);
    const named = successor?.lsn === link.lsn;
    const intact = named ? successor.crc === crc : stored === crc;
    if (passedOver || (!intact && successor === undefined)) {
      return { kind: 'torn', offset, length: end - offset, what: 'torn write' };
    }
    return {
      kind: 'group',
      damaged: !intact || stored !== crc,
      offset,
      flags: header.flags,
      link: named ? successor : link,
      size: { length: header.length, padded: end - offset },
      entries: EntryTable.ofGroup(bytes, header.entries, stored === crc),
      segment: this.#segment.segment,
      isSnapshot: (header.flags & GROUP_FLAG.snapshot) !== 0,
      writtenNanos: header.writtenNanos,
    };
  }

  /** By now the file may be another segment: then the bytes do not belong to the header read. */
  #isGroup(bytes: Uint8Array, offset: number): boolean {
    return typeof decodeGroupHeader(bytes, this.#segment, offset) !== 'string';
  }

  /**
   * What lies behind the last group: zeros, a torn tail, or damage that the next segment proves.
   */
  *tail(at: number, last: Link | undefined): Generator<BadRange> {
    const { successor, end } = this.#options;
    if (successor !== undefined && last !== undefined && successor.lsn !== last.lsn) {
      yield { kind: 'damage', offset: at, length: end - at, what: 'lost groups at the end' };
      return;
    }
    const length = this.#dirtyBytes(at);
    if (length > 0 && successor === undefined) {
      yield { kind: 'torn', offset: at, length, what: 'torn tail' };
    }
  }

  /** How far behind `from` the bytes are not all zero, in whole blocks. */
  #dirtyBytes(from: number): number {
    let dirty = from;
    for (let at = from; at < this.#options.end; at += BLOCK_BYTES) {
      const block = this.#window.bytes(at, BLOCK_BYTES);
      if (Buffer.compare(block, ZERO_BLOCK.subarray(0, block.length)) !== 0)
        dirty = at + BLOCK_BYTES;
    }
    return dirty - from;
  }
}

/**
 * Joins runs of groups: what is yielded as one group is what was committed as one. A run of which a
 * group is missing is dropped as a whole. Entries of damaged groups keep their `intact: false`.
 */
export function* joinRuns(items: Iterable<ScanItem>): Generator<ScanItem, void> {
  let run: ScannedGroup[] = [];
  /** what stands between its last group and the next one */
  let between: BadRange[] = [];
  for (const item of items) {
    if (item.kind !== 'group') {
      if (run.length > 0) between.push(item);
      else yield item;
      continue;
    }
    const continues = (item.flags & GROUP_FLAG.continues) !== 0;
    if (run.length > 0 && !(continues && item.offset === endOf(run))) {
      yield abandoned(run, between, item);
      run = [];
    }
    yield* between;
    between = [];
    if (run.length === 0 && continues) yield restOfRun(item);
    else if (run.length === 0 && !(item.flags & GROUP_FLAG.more)) yield item;
    else {
      run.push(kept(item));
      if (item.flags & GROUP_FLAG.more) continue;
      yield joinedGroup(run);
      run = [];
    }
  }
  if (run.length > 0) yield abandoned(run, between, undefined);
  yield* between;
}

function endOf(run: readonly ScannedGroup[]): number {
  const { offset, size } = run.at(-1)!;
  return offset + size.padded;
}

/** One whose beginning is missing: it was acknowledged, or nothing would have been behind it. */
function restOfRun({ offset, size }: ScannedGroup): BadRange {
  return { kind: 'damage', offset, length: size.padded, what: 'rest of a run of groups' };
}

/** A copy of the group whose payloads outlive the window's next move. */
function kept(group: ScannedGroup): ScannedGroup {
  const copies = group.entries.all().map((entry) => {
    return { ...entry, payload: entry.payload.slice() };
  });
  return { ...group, entries: new EntryList(copies) };
}

/** A run that does not go on: damage where something shows that it did, or else a torn write. */
function abandoned(
  run: readonly ScannedGroup[],
  between: readonly BadRange[],
  next: ScannedGroup | undefined,
): BadRange {
  const { offset } = run[0]!;
  const length = endOf(run) - offset;
  const nextOffset = next?.offset ?? Infinity;
  const isLost = between.some((bad) => bad.kind === 'damage' && bad.offset < nextOffset);
  const isRest = next !== undefined && (next.flags & GROUP_FLAG.continues) !== 0;
  if (isLost || isRest) return { kind: 'damage', offset, length, what: 'broken run of groups' };
  return { kind: 'torn', offset, length, what: 'unfinished run of groups' };
}

function joinedGroup(run: readonly ScannedGroup[]): ScannedGroup {
  const last = run.at(-1)!;
  assert(segmentOf(last.link.lsn) === segmentOf(run[0]!.link.lsn), 'a run is within one segment');
  const size = { length: 0, padded: 0 };
  for (const group of run) {
    size.length += group.size.length;
    size.padded += group.size.padded;
  }
  const entries = joinFragments(run.flatMap((group) => group.entries.all()));
  return { ...last, offset: run[0]!.offset, size, entries: new EntryList(entries) };
}
