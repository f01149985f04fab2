/**
 * How far each stream has come, said a second time, so that no single loss takes it away.
 *
 * A record's offset and seq stand in its own entry and follow from those around it. Only if the
 * last records of a stream are damaged is there nothing around them, and their numbers would be
 * issued again. So every group names the runs that began or have records in the group right before
 * it, unless it holds later records of them itself: where all streams are in every group, that
 * costs nothing. And what starts or ends an owner's life names all runs that have moved since the
 * last such entry, so that the loss of two groups in a row takes nothing either.
 *
 * Bytes: `docs/format-log.md`, entry kind 9. The entry is ignorable: whoever does not know it reads
 * everything that is there.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { visitRuns } from '../entries/data.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { RunSnapshot, StreamSnapshot } from '../entries/control-entries.ts';
import type { Entries } from '../entries/entries.ts';
import { ENTRY_FLAG, KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';

const MAGIC = 0x52; // 'R'
const VERSION = 1;

/** What is known of streams and their writers: the control state. */
export interface Known {
  nextStream: number;
  nextRun: number;
  readonly streams: ReadonlyMap<number, StreamSnapshot>;
  readonly runs: ReadonlyMap<number, RunSnapshot>;
  /** the latest runs of its writers, in the order of their numbers */
  writersOf(stream: number): RunSnapshot[];
}

/** What is known of a run beside its records. */
export interface Reached {
  stream: number;
  run: number;
  /** of the stream, behind all its writers' records */
  nextOffset: number;
  nextSeq: number;
  /** the last tick accounted for; null: none */
  lastTick: number | null;
}

export function encodeReached(facts: readonly Reached[]): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(MAGIC);
  writer.u8(VERSION);
  writer.varint(facts.length);
  for (const { stream, run, nextOffset, nextSeq, lastTick } of facts) {
    const ticks = lastTick === null ? 0 : lastTick + 1;
    for (const count of [stream, run, nextOffset, nextSeq, ticks]) writer.varint(count);
  }
  return writer.finish();
}

/** @throws DAMAGED */
export function decodeReached(payload: Uint8Array): Reached[] {
  const reader = new ByteReader(payload, 'reached entry');
  if (reader.u8() !== MAGIC) throw reader.fail('a wrong first byte');
  const version = reader.u8();
  if (version !== VERSION) throw reader.fail(`version ${version} is unknown`);
  const facts: Reached[] = [];
  for (let left = reader.countOfItems(5); left > 0; left--) {
    const [stream, run, nextOffset] = [reader.count(), reader.count(), reader.count()];
    const [nextSeq, ticks] = [reader.count(), reader.count()];
    facts.push({ stream, run, nextOffset, nextSeq, lastTick: ticks === 0 ? null : ticks - 1 });
  }
  reader.end();
  return facts;
}

/** Which runs have moved, as a function of the log; part of the control state. */
export class Progress {
  /** runs that began or had records in the last group */
  last: ReadonlySet<number> = new Set();
  /** and those since an owner started or closed the store */
  readonly moved = new Set<number>();

  #begun: number[] = [];
  /** `moved` holds all of `last` */
  #isMoved = true;

  /** The group being applied begins a run. */
  begins(run: number): void {
    this.#begun.push(run);
  }

  /** One group, or run of groups, was applied. */
  took(items: readonly DataItem[]): void {
    const before = new Sequence(this.last);
    for (const { run } of items) before.take(run);
    if (before.isComplete && !before.hasOthers && this.#begun.length === 0 && this.#isMoved) return;
    this.last = new Set([...this.#begun, ...items.map(({ run }) => run)]);
    this.#begun = [];
    for (const run of this.last) this.moved.add(run);
    this.#isMoved = true;
  }

  /** The life of an owner began or ended: its group has named all that moved before. */
  named(): void {
    this.moved.clear();
    this.#isMoved = false;
  }

  /** A writer's new run stands for the one before it. */
  replace(before: number, run: number): void {
    if (this.moved.delete(before)) this.moved.add(run);
    this.#isMoved = false;
  }
}

/** Adds to a group how far `runs` have come before it, but for those that it holds records of. */
export function addReached(
  builder: GroupBuilder,
  state: Pick<Known, 'streams' | 'runs'>,
  runs: ReadonlySet<number>,
): void {
  if (runs.size === 0 || holdsAll(builder.entries(), runs)) return;
  const told = new Set<number>();
  visitRuns(builder.entries(), (run) => told.add(run));
  const facts: Reached[] = [];
  for (const id of runs) {
    const run = state.runs.get(id);
    const stream = run && state.streams.get(run.stream);
    if (told.has(id) || run === undefined || stream === undefined) continue;
    const { nextSeq, lastTick } = run;
    facts.push({ stream: stream.id, run: id, nextOffset: stream.nextOffset, nextSeq, lastTick });
  }
  if (facts.length === 0) return;
  builder.add(KIND.reached, 0, encodeReached(facts), ENTRY_FLAG.ignorable);
}

function holdsAll(entries: Entries, runs: ReadonlySet<number>): boolean {
  const wanted = new Sequence(runs);
  visitRuns(entries, (run) => wanted.take(run));
  return wanted.isComplete;
}

/**
 * Does a group tell of the same runs as the one before it? A thousand come at each flush, nearly
 * always in the same order, and then nothing is looked up or put into a set.
 */
class Sequence {
  readonly #runs: ReadonlySet<number>;
  readonly #left: Iterator<number, undefined>;
  #next: number | undefined;
  /** there were some that are not in it */
  hasOthers = false;

  constructor(runs: ReadonlySet<number>) {
    this.#runs = runs;
    this.#left = runs.values();
    this.#next = this.#left.next().value;
  }

  take(run: number): void {
    if (run === this.#next) this.#next = this.#left.next().value;
    else this.hasOthers ||= !this.#runs.has(run);
  }

  /** All of them came, in their order. */
  get isComplete(): boolean {
    return this.#next === undefined;
  }
}
