/**
 * Reading what is spilled (`spill.ts`): the records of a group of the log, in the order of its
 * entries; where one of them names a spill, those of that file, group by group, with the runs,
 * offsets and stream that the commit gave them. Who reads them cannot tell that they were never in
 * the log.
 *
 * Memory: one group. What cannot be read of a spill is a fault, like a range of the log; the log
 * tells whose records are missing then, and so they are a gap(corrupt) of their own run.
 */
import { BLOCK_BYTES, SEGMENT_MAX_BYTES } from '../../base/constants.ts';
import { errnoCode } from '../../base/errors.ts';
import {
  decodeBatch,
  decodeEvents,
  decodeGap,
  encodeBatch,
  encodeEvents,
  encodeGap,
} from '../../batch/format.ts';
import type { File, FileSystem } from '../../files/file-system.ts';
import { dataItems, isData, type CommittedGroup, type GroupSize } from '../entries/data.ts';
import { gapItem, type DataItem } from '../entries/data-item.ts';
import { EntryList, type Entries, type Entry } from '../entries/entries.ts';
import { KIND, NO_LINK, decodeSegmentHeader } from '../entries/format.ts';
import type { LogFault } from './log.ts';
import { Window, joinRuns, scanSegment } from './scan.ts';
import { SPILL_SEGMENT, saltOf, spillPath } from './spill-file.ts';
import { spillEntry, type SpillEntry, type SpillPart } from '../entries/spill-entry.ts';

/** Records that follow each other. */
export interface HeldItems {
  kind: 'items';
  items: DataItem[];
}

/** @param spills `DIR/txn` */
export function* heldItems(
  fs: FileSystem,
  spills: string,
  { segment, entries, size }: CommittedGroup,
): Generator<HeldItems | LogFault> {
  if (!holdsSpill(entries)) {
    yield itemsOf(entries, size);
    return;
  }
  const all = entries.all();
  let from = 0;
  for (const entry of all) {
    const named = entry.kind === KIND.spill && entry.intact ? entryIn(entry) : undefined;
    if (named === undefined) continue;
    yield itemsOf(between(all, from, entry.index), size);
    from = entry.index + 1;
    yield* spilled(fs, spillPath(spills, named.name), segment, named);
  }
  yield itemsOf(between(all, from, Infinity), size);
}

/** An entry that does not decode is missing: what follows tells of it. */
function itemsOf(entries: Entries, size: GroupSize): HeldItems {
  return { kind: 'items', items: dataItems(entries, size, () => undefined) };
}

function holdsSpill(entries: Entries): boolean {
  for (const view = entries.view(); view.next();) if (view.kind === KIND.spill) return true;
  return false;
}

function entryIn({ stream, payload }: Entry): Placed | undefined {
  try {
    return { ...spillEntry.decode(payload), stream };
  } catch {
    return undefined;
  }
}

/** A batch may share a times entry that stands before the spill. */
function between(all: readonly Entry[], from: number, end: number): Entries {
  return new EntryList(
    all.filter(({ kind, index }) => {
      return kind === KIND.times || (isData(kind) && index >= from && index < end);
    }),
  );
}

type Placed = SpillEntry & { stream: number };

/** What a spill holds, and gaps for what it should hold. */
function* spilled(
  fs: FileSystem,
  path: string,
  segment: number,
  entry: Placed,
): Generator<HeldItems | LogFault> {
  const missing = new Missing(entry);
  for (const found of readSpill(fs, path, segment, entry)) {
    if (found.kind === 'fault') yield found;
    else yield { kind: 'items', items: found.items.flatMap((item) => [...missing.before(item)]) };
  }
  yield { kind: 'items', items: [...missing.rest()] };
}

function* readSpill(
  fs: FileSystem,
  path: string,
  segment: number,
  entry: Placed,
): Generator<HeldItems | LogFault> {
  const lost = { kind: 'fault', lost: true, segment, file: path } as const;
  const file = opened(fs, path);
  if (file === undefined) {
    yield { ...lost, offset: 0, length: entry.end, what: 'missing spill' };
    return;
  }
  const window = new Window(file);
  const spill = { segment: SPILL_SEGMENT, salt: saltOf(entry.name), size: SEGMENT_MAX_BYTES };
  try {
    const header = decodeSegmentHeader(window.bytes(0, BLOCK_BYTES));
    const isSound = typeof header !== 'string' && header.salt === spill.salt;
    // the log says all that is needed of it
    if (!isSound) yield { ...lost, offset: 0, length: BLOCK_BYTES, what: 'spill header' };
    window.readAheadTo(entry.end);
    const scan = scanSegment(window, spill, {
      ...{ from: BLOCK_BYTES, end: entry.end },
      ...{ predecessor: NO_LINK, successor: entry.last },
    });
    for (const item of joinRuns(scan)) {
      if (item.kind !== 'group') yield { ...lost, ...item, kind: 'fault' };
      else yield itemsOf(placed(item.entries, entry), item.size);
    }
  } finally {
    file.close();
  }
}

function opened(fs: FileSystem, path: string): File | undefined {
  try {
    return fs.open(path, 'read');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The entries as they would stand in the log. */
function placed(entries: Entries, entry: Placed): Entries {
  const { stream } = entry;
  return new EntryList(
    entries.all().map((one) => {
      const payload = one.intact ? withPlace(one, entry) : undefined;
      if (payload === undefined) return { ...one, intact: false };
      return { ...one, stream: one.kind === KIND.times ? 0 : stream, payload };
    }),
  );
}

function withPlace({ kind, payload }: Entry, { runs, base }: SpillEntry): Uint8Array | undefined {
  const place = (own: { run: number; firstOffset: number }) => ({
    run: runs[own.run]!,
    firstOffset: base + own.firstOffset,
  });
  try {
    switch (kind) {
      case KIND.batch: {
        const batch = decodeBatch(payload);
        return encodeBatch({ ...batch, ...place(batch) });
      }
      case KIND.events: {
        const events = decodeEvents(payload);
        return encodeEvents({ ...events, ...place(events) });
      }
      case KIND.gap: {
        const gap = decodeGap(payload);
        return encodeGap({ ...gap, ...place(gap) });
      }
      default:
        return payload;
    }
  } catch {
    return undefined;
  }
}

/** Follows a spill by what the log says of it. */
class Missing {
  readonly #stream: number;
  /** from the one on that is followed */
  readonly #parts: SpillPart[];
  /** what comes next: its offset, and how many of its part are behind it */
  #offset: number;
  #done = 0;
  /** the next tick of the part; undefined: it accounts for none */
  #tick: number | undefined;

  constructor({ stream, firstOffset, parts }: Placed) {
    this.#stream = stream;
    this.#parts = parts;
    this.#offset = firstOffset;
    this.#enterPart();
  }

  /** The item, and before it gaps for what is missing. */
  *before(item: DataItem): Generator<DataItem> {
    yield* this.#upTo(item.firstOffset, firstTickOf(item));
    yield item;
    this.#take(item.records);
    if (item.lastTick !== undefined && this.#done > 0) this.#tick = item.lastTick + 1;
  }

  rest(): Generator<DataItem> {
    return this.#upTo(Infinity, undefined);
  }

  *#upTo(end: number, endTick: number | undefined): Generator<DataItem> {
    for (let part = this.#parts[0]; part && this.#offset < end; part = this.#parts[0]) {
      const left = part.records - this.#done;
      const records = Math.min(left, end - this.#offset);
      const tick = records === left && part.lastTick !== null ? part.lastTick + 1 : endTick;
      yield this.#gap(part, records, tick);
      this.#take(records);
    }
  }

  #gap({ run, firstSeq }: SpillPart, records: number, endTick: number | undefined): DataItem {
    const first = this.#tick;
    const isKnown = first !== undefined && endTick !== undefined && endTick >= first;
    const ticks = isKnown ? { first, count: endTick - first } : undefined;
    const place = { run, firstSeq: firstSeq + this.#done, firstOffset: this.#offset, records };
    return gapItem(this.#stream, 0, { reason: 'corrupt', ...place, ticks, bounds: undefined });
  }

  #take(records: number): void {
    this.#offset += records;
    this.#done += records;
    if (this.#done < (this.#parts[0]?.records ?? Infinity)) return;
    this.#parts.shift();
    this.#enterPart();
  }

  #enterPart(): void {
    this.#done = 0;
    const { lastTick = null, ticks = 0 } = this.#parts[0] ?? {};
    this.#tick = lastTick === null ? undefined : lastTick + 1 - ticks;
  }
}

function firstTickOf({ lastTick, ticks }: DataItem): number | undefined {
  return lastTick === undefined ? undefined : lastTick + 1 - ticks;
}
