/**
 * What a chunk is about to hold, block by block in memory: batches are joined into long ones
 * (`join.ts`), events and gaps into packs (`pack.ts`). Each stream's blocks are in order of their
 * offsets, whatever order its records and those of others came in.
 *
 * Memory: the encoded blocks, which is less than the log that they come from. Where transactions
 * were spilled there may be any number: then most of them wait in a file (`scratch.ts`).
 */
import { assert } from '../../base/assert.ts';
import {
  encodeBatch,
  encodeEvents,
  encodeGap,
  encodeTimes,
  type BatchEntry,
} from '../../batch/format.ts';
import type { Schema } from '../../batch/schema.ts';
import { uncompress } from '../../codecs/codec.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { Entries } from '../entries/entries.ts';
import { KIND } from '../entries/format.ts';
import {
  BLOCK_KIND,
  NO_NANOS,
  NO_PLACE,
  PACK_CONTENT_BYTES,
  greatestNanos,
  leastNanos,
  type BlockRow,
} from './format.ts';
import { Lane, type LaneMember } from './join.ts';
import { NextFlush } from './next-flush.ts';
import { encodePack, type PackedEntry } from './pack.ts';
import type { Load, Scratch } from './scratch.ts';

export interface Block {
  row: BlockRow;
  load: Load;
  /** the same one for all blocks that refer to it: it stands in the file once */
  times: Load | undefined;
}

/** Events and gaps of one stream that wait for their pack to be full. */
interface OpenPack {
  row: BlockRow;
  entries: PackedEntry[];
  bytes: number;
}

export class BlockBuilder {
  /** per stream, in order of offsets */
  readonly blocks = new Map<number, Block[]>();
  readonly #lanes = new Map<number, Lane>();
  readonly #packs = new Map<number, OpenPack>();
  readonly #next = new NextFlush((stream) => this.#lanes.get(stream));
  /** lanes that went on by themselves, which nobody has been told of */
  readonly #ahead = new Set<Lane>();
  readonly #schemaOfRun: (run: number) => Schema;
  readonly #scratch: Scratch;

  constructor(schemaOfRun: (run: number) => Schema, scratch: Scratch) {
    this.#schemaOfRun = schemaOfRun;
    this.#scratch = scratch;
  }

  /**
   * Adds a whole group, if all it holds goes on where open lanes end.
   * @returns false if it does not: nothing has changed, and its items are to be looked at
   */
  goOn(entries: Entries): boolean {
    if (!this.#next.read(entries)) return false;
    for (const lane of this.#next.take()) this.#ahead.add(lane);
    return true;
  }

  /** How far `goOn` has brought the streams since this was asked last. */
  *goneOn(): Generator<{ stream: number; nextOffset: number; lastTick: number }> {
    for (const { members, lastTick } of this.#ahead) {
      for (const { stream, nextOffset } of members) yield { stream, nextOffset, lastTick };
    }
    this.#ahead.clear();
  }

  /** @param items of one group of the log, in order; their payloads are copied */
  add(items: readonly DataItem[]): void {
    for (let at = 0; at < items.length;) {
      const item = items[at]!;
      if (item.kind !== 'batch') {
        this.#addStandalone(item);
        at++;
        continue;
      }
      const sharing = sharingTimes(items, at);
      this.#addBatches(sharing);
      at += sharing.length;
    }
  }

  /** Closes what is open: all blocks are there. @param pause called between two blocks */
  async finish(pause: () => Promise<void>): Promise<void> {
    for (const lane of new Set(this.#lanes.values())) {
      for (const _ of this.#closing(lane)) await pause();
    }
    for (const stream of [...this.#packs.keys()]) {
      this.#closePack(stream);
      await pause();
    }
  }

  #addBatches(items: readonly DataItem[]): void {
    for (const { stream } of items) this.#closePack(stream);
    if (this.#lanes.get(items[0]!.stream)?.add(items)) return;
    for (const { stream } of items) this.#closeLane(this.#lanes.get(stream));
    const lane = new Lane(items);
    for (const { stream } of items) this.#lanes.set(stream, lane);
  }

  #closeLane(lane: Lane | undefined): void {
    if (lane) for (const _ of this.#closing(lane));
  }

  /** Block after block. */
  *#closing(lane: Lane): Generator<void> {
    const entry = lane.times();
    const times = this.#scratch.put(encodeTimes(entry));
    const lastTick = entry.firstTick + entry.ticks - 1;
    for (const [i, member] of lane.members.entries()) {
      this.#lanes.delete(member.stream);
      const batch = lane.batch(i, this.#schemaOfRun(member.run));
      const row = laneRow(member, batch, { ticks: entry.ticks, lastTick });
      this.#push(member.stream, { row, load: this.#scratch.put(encodeBatch(batch)), times });
      yield;
    }
  }

  #addStandalone(item: DataItem): void {
    const { stream } = item;
    this.#closeLane(this.#lanes.get(stream));
    const entry = entryOf(item);
    const open = this.#packs.get(stream);
    if (open && open.bytes + entry.payload.length > PACK_CONTENT_BYTES) this.#closePack(stream);
    const pack = this.#packs.get(stream) ?? { row: packRow(item), entries: [], bytes: 0 };
    if (pack.entries.length > 0) extend(pack.row, item);
    this.#packs.set(stream, pack);
    pack.entries.push(entry);
    pack.bytes += entry.payload.length;
  }

  #closePack(stream: number): void {
    const pack = this.#packs.get(stream);
    if (pack === undefined) return;
    this.#packs.delete(stream);
    const { row, entries } = pack;
    this.#push(stream, { row, load: this.#scratch.put(encodePack(entries)), times: undefined });
  }

  #push(stream: number, block: Block): void {
    const blocks = this.blocks.get(stream);
    if (blocks) blocks.push(block);
    else this.blocks.set(stream, [block]);
  }
}

/** The batches from `at` on that refer to the same times entry. */
function sharingTimes(items: readonly DataItem[], at: number): DataItem[] {
  const timesOf = ({ content }: DataItem): unknown =>
    content.kind === 'batch' ? content.times : undefined;
  const times = timesOf(items[at]!);
  let end = at + 1;
  while (end < items.length && timesOf(items[end]!) === times) end++;
  return items.slice(at, end);
}

/** Events are stored as they are: the pack compresses them, together with their neighbours. */
function entryOf({ content }: DataItem): PackedEntry {
  assert(content.kind !== 'batch', 'a batch is not packed');
  if (content.kind === 'gap') return { kind: KIND.gap, payload: encodeGap(content.gap) };
  const { events } = content;
  const bytes = events.compressed
    ? uncompress(events.bytes, events.rawBytes, 'events entry')
    : events.bytes;
  return { kind: KIND.events, payload: encodeEvents({ ...events, compressed: false, bytes }) };
}

function laneRow(
  { run, firstOffset, nextOffset, firstNanos, lastNanos }: LaneMember,
  { samples }: BatchEntry,
  { ticks, lastTick }: { ticks: number; lastTick: number },
): BlockRow {
  return {
    ...{ kind: BLOCK_KIND.batch, place: { ...NO_PLACE }, times: { ...NO_PLACE } },
    ...{ run, firstOffset, records: nextOffset - firstOffset, samples, ticks, lastTick },
    ...{ firstNanos: firstNanos ?? NO_NANOS, lastNanos: lastNanos ?? NO_NANOS },
  };
}

function packRow(item: DataItem): BlockRow {
  const { run, firstOffset, records, firstNanos, lastNanos } = item;
  return {
    ...{ kind: BLOCK_KIND.pack, place: { ...NO_PLACE }, times: { ...NO_PLACE } },
    ...{ run, firstOffset, records, samples: 0 },
    ...{ ticks: item.ticks, lastTick: item.lastTick ?? -1 },
    ...{ firstNanos: firstNanos ?? NO_NANOS, lastNanos: lastNanos ?? NO_NANOS },
  };
}

function extend(row: BlockRow, item: DataItem): void {
  if (row.run !== item.run) row.run = 0;
  row.records += item.records;
  row.ticks += item.ticks;
  row.lastTick = item.lastTick ?? row.lastTick;
  row.firstNanos = leastNanos(row.firstNanos, item.firstNanos ?? NO_NANOS);
  row.lastNanos = greatestNanos(row.lastNanos, item.lastNanos ?? NO_NANOS);
}
