/**
 * A store beside the simplest thing that it must agree with: a list of the events that were
 * acknowledged, by offset. What the model allows to be missing is what was damaged on purpose.
 */
import { expect } from 'vitest';
import { decodeEvents } from '../../engine/batch/format.ts';
import { MIB } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { KIND, alignUp, offsetOf, segmentOf, type Lsn } from '../../engine/store/entries/format.ts';
import type { StreamSnapshot } from '../../engine/store/entries/control-entries.ts';
import { EntryList, type Entry } from '../../engine/store/entries/entries.ts';
import { readLog, segmentStart, type LogGroup } from '../../engine/store/log/log.ts';
import { segmentPath } from '../../engine/store/log/segment.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import type { OpenedRun, StoreWriter } from '../../engine/store/write/writer.ts';
import { verify } from '../../engine/tools/verify.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { SeededRandom } from './random.ts';
import { beginEvents, bytes, openWriter, text } from './stores.ts';

const DIR = '/store';
const STREAM = 'test/events';
const LOG = `${DIR}/log`;
const NOISE = Buffer.from(new SeededRandom(7).bytes(300_000)).toString('base64');

export class LogModel {
  readonly fs = new SimulatedFileSystem();
  readonly environment: StoreEnvironment;
  /** every event that was acknowledged, at its offset */
  readonly events: string[] = [];
  /** offsets that damage may have swallowed */
  readonly damaged = new Set<number>();
  /** control entries were damaged: records that need them may be missing too */
  controlDamaged = false;
  /** the store refused to be opened: after damage to its only snapshot it may */
  refused = false;
  #writer: StoreWriter | undefined;
  #opened: OpenedRun | undefined;
  /** place of each byte under a checksum that was changed → the bits that differ */
  readonly #flipped = new Map<string, number>();
  /** a run of groups was hit, in its padding perhaps */
  #runDamaged = false;
  #flips = 0;
  #incarnation: string | undefined;
  #serial = 0;

  constructor() {
    this.environment = { ...systemEnvironment, fs: this.fs, pause: () => {} };
  }

  get isOpen(): boolean {
    return this.#writer !== undefined;
  }

  open(): void {
    try {
      this.#writer = openWriter(DIR, MIB, this.environment);
      this.#opened = beginEvents(this.#writer);
      this.#follow(this.#opened.stream);
    } catch (error) {
      if (!this.controlDamaged || !isDamaged(error)) throw error;
      this.#writer?.abandon();
      this.#writer = undefined;
      this.refused = true;
    }
  }

  /** What damage may have taken from the end of the stream, or of the stream as a whole. */
  #follow({ incarnation, nextOffset }: StreamSnapshot): void {
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      expect(this.controlDamaged, 'a stream is made anew if its entry was lost').toBe(true);
      this.events.length = 0;
      this.damaged.clear();
    }
    this.#incarnation = incarnation;
    // only the loss of two groups in a row leaves nothing that says what their offsets were
    for (let offset = nextOffset; offset < this.events.length; offset++) {
      expect(this.damaged, 'offsets of readable records').toContain(offset);
    }
    if (this.#flips < 2) expect(nextOffset).toBe(this.events.length);
    this.events.length = Math.min(this.events.length, nextOffset);
  }

  append(count: number, size: number): void {
    const events = this.#make(count, size);
    const { firstOffset } = this.#writer!.appendEvents(this.#opened!, events.map(bytes));
    expect(firstOffset, 'an offset is issued once').toBe(this.events.length);
    this.events.push(...events);
  }

  /** The owner dies between two commits. */
  crash(): void {
    this.#writer!.abandon();
    this.#writer = undefined;
  }

  close(): void {
    const writer = this.#writer!;
    const builder = writer.group();
    writer.addRunEnd(builder, this.#opened!.run, 'stopped');
    writer.commit(builder);
    writer.close();
    this.#writer = undefined;
  }

  /** The owner dies in the middle of a commit that nobody was told of; `part` of it is on disk. */
  crashInCommit(size: number, part: number, garble: boolean): void {
    const writer = this.#writer!;
    const start = writer.durableEnd;
    const [event] = this.#make(1, size);
    writer.appendEvents(this.#opened!, [bytes(event!)]);
    const end = writer.durableEnd;
    this.crash();
    // a commit that began a new segment was not the one being torn
    if (segmentOf(start) !== segmentOf(end)) return void this.events.push(event!);
    // it was the machine: what the mark said is gone with its memory
    this.fs.remove(`${DIR}/mark`);
    const memory = this.fs.bytesOf(segmentPath(LOG, segmentOf(end)));
    const from = offsetOf(start) + 512 * Math.floor((part * (end - start)) / 512);
    const rest = memory.subarray(from, offsetOf(end));
    rest.fill(0);
    if (garble) rest.set(bytes(NOISE.slice(0, rest.length)));
    // what was torn off was padding only
    if (this.#holdsGroup(start)) this.events.push(event!);
  }

  #holdsGroup(start: Lsn): boolean {
    const log = readLog(this.fs, LOG, { lsn: start, last: undefined }, undefined);
    for (const item of log) if (item.kind === 'group') return true;
    return false;
  }

  /** Changes one byte of a group that is not the last one. */
  flip(place: number, byte: number, bit: number): void {
    const groups = this.#groups();
    const group = groups[Math.floor(place * (groups.length - 1))];
    if (groups.length < 2 || group === undefined) return;
    const at = group.offset + Math.floor(byte * group.size.padded);
    this.#flips++;
    this.fs.bytesOf(segmentPath(LOG, group.segment))[at]! ^= 1 << bit;
    const isSingle = alignUp(group.link.length) === group.size.padded;
    const isPadding = isSingle && at >= group.offset + group.link.length;
    if (isPadding) return;
    if (!isSingle) this.#runDamaged = true;
    else {
      const key = `${group.segment}:${at}`;
      this.#flipped.set(key, (this.#flipped.get(key) ?? 0) ^ (1 << bit));
    }
    if (group.entries.all().some(({ kind }) => kind !== KIND.events)) this.controlDamaged = true;
    for (const offset of offsetsOf(group)) this.damaged.add(offset);
  }

  #groups(): LogGroup[] {
    const from = { lsn: segmentStart(1), last: undefined };
    const groups: LogGroup[] = [];
    for (const item of readLog(this.fs, LOG, from, undefined)) {
      if (item.kind !== 'group') continue;
      const copied = (entry: Entry): Entry => ({ ...entry, payload: entry.payload.slice() });
      groups.push({ ...item, entries: new EntryList(item.entries.all().map(copied)) });
    }
    return groups;
  }

  /** Holds everything a reader sees against the model. */
  async check(): Promise<void> {
    const report = await verify(DIR, this.environment);
    const isSpoiled = [...this.#flipped.values()].some((bits) => bits !== 0);
    if (isSpoiled) expect(report.ok, 'verify tells of damage').toBe(false);
    else if (!this.#runDamaged) expect(report.damage).toEqual([]);
    if (this.refused) return;
    const store = this.#reader();
    if (store === undefined) return;
    try {
      await this.#checkRecords(store);
    } finally {
      store.close();
    }
  }

  /** Without the snapshot of its only segment a store may refuse to be read. */
  #reader(): Store | undefined {
    try {
      return Store.open(DIR, this.environment);
    } catch (error) {
      if (!this.controlDamaged || !isDamaged(error)) throw error;
      return undefined;
    }
  }

  async #checkRecords(store: Store): Promise<void> {
    if (this.controlDamaged && !store.streamNames().includes(STREAM)) return;
    let next = 0;
    const lost: number[] = [];
    for await (const item of store.read(STREAM)) {
      if (item.kind === 'fault') continue;
      expect(item.firstOffset, 'no hole, no record twice').toBe(next);
      next += item.records;
      if (item.kind === 'events') {
        const stored = this.events.slice(item.firstOffset, next);
        expect(item.events.map(text)).toEqual(stored);
      } else {
        expect(item).toMatchObject({ kind: 'gap', reason: 'corrupt' });
        for (let offset = item.firstOffset; offset < next; offset++) lost.push(offset);
      }
    }
    expect(next).toBeLessThanOrEqual(this.events.length);
    if (this.controlDamaged) return;
    // of the last records of a stream nothing may be left that says what their offsets were
    for (let offset = next; offset < this.events.length; offset++) lost.push(offset);
    expect(lost.filter((offset) => !this.damaged.has(offset))).toEqual([]);
  }

  #make(count: number, size: number): string[] {
    return Array.from({ length: count }, () => {
      const number = this.#serial++;
      const start = (number * 7919) % (NOISE.length - size);
      return `event ${number} ${NOISE.slice(start, start + size)}`;
    });
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof HelicorderError && error.code === 'DAMAGED';
}

function offsetsOf(group: LogGroup): number[] {
  return group.entries
    .all()
    .filter(({ kind, intact }) => kind === KIND.events && intact)
    .map(({ payload }) => decodeEvents(payload))
    .flatMap(({ firstOffset, events }) =>
      Array.from({ length: events }, (_, i) => firstOffset + i),
    );
}
