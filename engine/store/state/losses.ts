/**
 * What damage has taken from the streams, as far as the log tells; part of the control state.
 *
 *   in the middle   a later record's offset and seq jump over what is lost. The owner that finds it
 *                   writes a `lost` entry: from then on the range reads as gap(corrupt) for good,
 *                   even if its bytes could be read again (a bad page in memory heals; an offset
 *                   that a consumer has seen as a gap must not turn into data)
 *   at the end      a reached entry knows of records that are not there. They are owed: the owner
 *                   writes them as an ordinary gap(corrupt) entry before anything else of the
 *                   stream
 *
 * Both follow from the log alone, so a reader without an owner shows the same gaps at the same
 * offsets as the owner will write.
 */
import { HelicorderError } from '../../base/errors.ts';
import type { GapEntry } from '../../batch/format.ts';
import type { LostEntry, RunSnapshot, StreamSnapshot } from '../entries/control-entries.ts';
import type { DataItem } from '../entries/data-item.ts';
import type { Known, Reached } from './reached.ts';

export class Losses {
  /** records said to have been there, and not found yet, by run */
  readonly owed = new Map<number, Reached>();
  /** ranges jumped over, which no `lost` entry names yet */
  found: LostEntry[] = [];
  /** ranges that `lost` entries name, by stream */
  readonly pinned = new Map<number, LostEntry[]>();

  /** @throws DAMAGED if a fact is ahead of the state, unless `lenient` */
  reach(state: Known, facts: readonly Reached[], lenient: boolean): void {
    for (const fact of facts) this.#reachOne(state, fact, lenient);
  }

  #reachOne(state: Known, fact: Reached, lenient: boolean): void {
    const stream = state.streams.get(fact.stream);
    const run = state.runs.get(fact.run);
    state.nextStream = Math.max(state.nextStream, fact.stream + 1);
    state.nextRun = Math.max(state.nextRun, fact.run + 1);
    if (stream === undefined) return;
    const isAhead =
      fact.nextOffset > stream.nextOffset || (run !== undefined && fact.nextSeq > run.nextSeq);
    if (!isAhead) return;
    if (!lenient) {
      throw new HelicorderError(
        'DAMAGED',
        `${stream.name}: offset ${fact.nextOffset} and seq ${fact.nextSeq} were reached, ` +
          `but the records end at offset ${stream.nextOffset}`,
      );
    }
    if (run === undefined && state.writersOf(stream.id).length === 0) {
      // no run that is known could own a gap: the next record's offset tells of it
      return this.skip(stream, fact.run, 1, fact.nextOffset - stream.nextOffset);
    }
    this.owed.set(fact.run, fact);
  }

  /** The next `records` of a stream are lost: the next record has an offset behind them. */
  skip(stream: StreamSnapshot, run: number, firstSeq: number, records: number): void {
    const place = { firstSeq: Math.max(1, firstSeq), firstOffset: stream.nextOffset };
    this.found.push({ stream: stream.id, run, ...place, records });
    stream.totals.records += records;
    stream.nextOffset += records;
  }

  /** A record does not follow the last one: what lies between is lost. */
  jump(state: Known, stream: StreamSnapshot, next: DataItem): void {
    for (const { run, firstSeq, records, ticks } of this.#owedGaps(
      state,
      stream,
      next.firstOffset,
    )) {
      this.skip(stream, run, firstSeq, records);
      if (ticks) state.runs.get(run)!.lastTick = ticks.first + ticks.count - 1;
    }
    const rest = next.firstOffset - stream.nextOffset;
    if (rest > 0) this.skip(stream, next.run, next.firstSeq - rest, rest);
    for (const [id, fact] of this.owed) {
      if (fact.stream !== stream.id || fact.nextOffset > next.firstOffset) continue;
      const run = state.runs.get(id);
      if (run) run.nextSeq = Math.max(run.nextSeq, fact.nextSeq);
      this.owed.delete(id);
    }
  }

  /** Ranges known to be lost from `from` up to `end`, in order. */
  between(stream: number, from: number, end: number): LostEntry[] {
    return [...(this.pinned.get(stream) ?? []), ...this.found]
      .filter((lost) => lost.stream === stream)
      .filter(({ firstOffset, records }) => firstOffset >= from && firstOffset + records <= end)
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** A writer's new run stands for the one before it. */
  replace(before: number, run: number): void {
    const fact = this.owed.get(before);
    if (fact === undefined) return;
    this.owed.delete(before);
    this.owed.set(run, fact);
  }

  /** The records of this range are lost for good. */
  pin({ stream, run, firstSeq, firstOffset, records }: LostEntry): void {
    const ranges = this.pinned.get(stream) ?? [];
    const isSame = (lost: LostEntry): boolean =>
      lost.stream === stream && lost.firstOffset === firstOffset && lost.records === records;
    this.found = this.found.filter((lost) => !isSame(lost));
    if (ranges.some(isSame)) return;
    this.pinned.set(stream, [...ranges, { stream, run, firstSeq, firstOffset, records }]);
  }

  isPinned(stream: number, offset: number): boolean {
    const ranges = this.pinned.get(stream) ?? [];
    return ranges.some(
      ({ firstOffset, records }) => firstOffset <= offset && offset < firstOffset + records,
    );
  }

  /** Ranges to be named in a snapshot: those that can still be asked for. */
  *pinnedBehind(lowWaterOf: (stream: number) => number): Generator<LostEntry> {
    for (const lost of [...this.pinned.values()].flat()) {
      if (lost.firstOffset + lost.records > lowWaterOf(lost.stream)) yield lost;
    }
  }

  forget(stream: number): void {
    this.pinned.delete(stream);
    this.found = this.found.filter((lost) => lost.stream !== stream);
  }

  /** Gaps of records at the end of a stream that were there and are not any more, in order. */
  lostTail(state: Known, stream: StreamSnapshot): GapEntry[] {
    const facts = [...this.owed.values()].filter((fact) => fact.stream === stream.id);
    const end = facts.reduce((most, { nextOffset }) => Math.max(most, nextOffset), 0);
    const gaps = this.#owedGaps(state, stream, end);
    const from = gaps.reduce((at, { records }) => at + records, stream.nextOffset);
    // the run they belonged to has been followed by another, or is not known
    const run = state.writersOf(stream.id).at(-1);
    if (from >= end || run === undefined) return gaps;
    const fact = this.owed.get(run.id);
    const seq = Math.max(run.nextSeq, fact?.nextSeq ?? 0);
    const isPast = fact !== undefined && fact.nextSeq <= run.nextSeq;
    const firstSeq = isPast ? Math.max(1, fact.nextSeq - (end - from)) : seq;
    return [...gaps, corruptGap(run, firstSeq, from, end - from, fact)];
  }

  /** What is owed of each run that is known, behind the stream's last record and before `end`. */
  #owedGaps(state: Known, stream: StreamSnapshot, end: number): GapEntry[] {
    const gaps: GapEntry[] = [];
    let at = stream.nextOffset;
    for (const [id, fact] of this.owed) {
      const run = state.runs.get(id);
      if (run?.stream !== stream.id || fact.nextOffset > end) continue;
      const records = Math.min(fact.nextSeq - run.nextSeq, end - at);
      if (records <= 0) continue;
      gaps.push(corruptGap(run, run.nextSeq, at, records, fact));
      at += records;
    }
    return gaps;
  }
}

export function isCorruptGap({ kind, gaps }: DataItem): boolean {
  return kind === 'gap' && gaps[0]!.reason === 'corrupt';
}

function corruptGap(
  run: RunSnapshot,
  firstSeq: number,
  firstOffset: number,
  records: number,
  fact: Reached | undefined,
): GapEntry {
  const ticks = ticksUpTo(run, fact?.lastTick ?? null);
  const place = { run: run.id, firstSeq, firstOffset, records };
  return { reason: 'corrupt', ...place, ticks, bounds: undefined };
}

/** The ticks behind the last known one up to `last`: exact only within one run or schedule. */
function ticksUpTo(run: RunSnapshot, last: number | null): GapEntry['ticks'] {
  if (run.lastTick === null || last === null || last <= run.lastTick) return undefined;
  return { first: run.lastTick + 1, count: last - run.lastTick };
}
