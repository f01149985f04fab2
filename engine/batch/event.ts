/**
 * Repacking: batches as they were flushed → events as consumers receive them. An event of a run
 * holds the samples whose ordinals lie between two multiples of N: it ends where they reach the
 * next one, and at the end of its run (a schema belongs to a run, so a new schema is a new run);
 * never by timing or by how batches were cut. So every reader at any time sees the same events.
 *
 * Samples that a copy has left out keep their ordinals: events of what is left end where those of
 * the source do, with fewer samples; of those that would be empty there is none. They are counted,
 * not listed: how they are cut into gaps depends on the batches.
 *
 * A gap belongs to the event of the next sample of its run; behind a run's last sample it belongs
 * to the last event if that is short, else to no event: as a record it is there all the same. So
 * does a sample that was left out.
 */
import { assert } from '../base/assert.ts';
import type { Reason, SampleGap } from './ledger.ts';
import { recordOf } from './record-place.ts';
import type { Column, SampleBatch } from './samples.ts';

/** A gap among an event's records. */
export interface EventGap {
  offset: number;
  seq: number;
  reason: Reason;
  firstTick: number;
  ticks: number;
  /** for `suspended`; else 0 */
  nanos: bigint;
}

/** Up to N samples of one run. Arrays may be views of the batches that were pushed. */
export interface SampleEvent {
  run: number;
  /** of the first sample within the run */
  ordinal: number;
  samples: number;
  /** of the first and the last sample */
  firstSeq: number;
  lastSeq: number;
  firstOffset: number;
  lastOffset: number;
  ticks: Float64Array;
  /** UTC ns */
  timeNanos: BigInt64Array;
  columns: Column[];
  gaps: EventGap[];
  /** samples that a copy has left out, by the rule for gaps */
  filtered: number;
}

/** Samples `from` to `to` of a batch. */
interface Part {
  batch: SampleBatch;
  from: number;
  to: number;
  /** of the first of them */
  ordinal: number;
}

export class EventRepacker {
  readonly #samplesPerEvent: number;
  #parts: Part[] = [];
  /** gaps and samples left out: those before the last sample, and those behind it */
  #gaps: EventGap[] = [];
  #filtered = 0;
  #gapsBehind: EventGap[] = [];
  #filteredBehind = 0;
  #run = -1;

  /** @param samplesPerEvent N ≥ 1, a property of the stream */
  constructor(samplesPerEvent: number) {
    assert(Number.isSafeInteger(samplesPerEvent) && samplesPerEvent >= 1, 'N is at least 1');
    this.#samplesPerEvent = samplesPerEvent;
  }

  /** Samples held back because their event is not complete. */
  get pendingSamples(): number {
    return this.#parts.reduce((sum, part) => sum + part.to - part.from, 0);
  }

  /** Takes the next batch of the stream and returns the events that it completes. */
  push(batch: SampleBatch): SampleEvent[] {
    const events: SampleEvent[] = [];
    if (batch.run !== this.#run) {
      const last = this.flush();
      if (last !== undefined) events.push(last);
      this.#run = batch.run;
    }
    let [from, ordinal] = [0, batch.ordinal];
    const takeSamples = (to: number): void => {
      if (to > from) this.#takeSamples({ batch, from, to, ordinal }, events);
      ordinal += to - from;
      from = to;
    };
    for (const gap of batch.gaps) {
      takeSamples(gap.samplesBefore);
      if (gap.reason !== 'filtered') this.#gapsBehind.push(eventGap(batch, gap));
      else {
        this.#filteredBehind += gap.ticks;
        ordinal += gap.ticks;
        this.#endBefore(ordinal, events);
      }
    }
    takeSamples(batch.samples);
    return events;
  }

  /** The run is over: its short last event, if there is one. */
  flush(): SampleEvent | undefined {
    if (this.#parts.length > 0) this.#takeGaps();
    const event = this.#parts.length > 0 ? this.#emit() : undefined;
    this.#gapsBehind = [];
    this.#filteredBehind = 0;
    return event;
  }

  #takeSamples({ batch, from, to, ordinal }: Part, events: SampleEvent[]): void {
    this.#endBefore(ordinal, events);
    for (let at = from, next = ordinal; at < to;) {
      const end = Math.min(to, at + this.#samplesPerEvent - (next % this.#samplesPerEvent));
      this.#takeGaps();
      this.#parts.push({ batch, from: at, to: end, ordinal: next });
      next += end - at;
      at = end;
      this.#endBefore(next, events);
    }
  }

  /** What is pending ends if the next ordinal is another event's. */
  #endBefore(ordinal: number, events: SampleEvent[]): void {
    const first = this.#parts[0];
    if (first === undefined) return;
    const end = first.ordinal - (first.ordinal % this.#samplesPerEvent) + this.#samplesPerEvent;
    if (ordinal >= end || ordinal < first.ordinal) events.push(this.#emit());
  }

  /** What was behind the last sample is before another one, or before the end of the run. */
  #takeGaps(): void {
    this.#gaps.push(...this.#gapsBehind);
    this.#filtered += this.#filteredBehind;
    this.#gapsBehind = [];
    this.#filteredBehind = 0;
  }

  #emit(): SampleEvent {
    const parts = this.#parts;
    const [first, last] = [parts[0]!, parts.at(-1)!];
    const firstRecord = recordOf(first.batch, first.from);
    const lastRecord = recordOf(last.batch, last.to - 1);
    const event = {
      run: this.#run,
      ordinal: first.ordinal,
      samples: this.pendingSamples,
      firstSeq: first.batch.firstSeq + firstRecord,
      lastSeq: last.batch.firstSeq + lastRecord,
      firstOffset: first.batch.firstOffset + firstRecord,
      lastOffset: last.batch.firstOffset + lastRecord,
      ticks: joined(parts, (batch) => batch.ticks),
      timeNanos: joined(parts, (batch) => batch.timeNanos),
      columns: first.batch.columns.map((_, i) => joined(parts, (batch) => batch.columns[i]!)),
      gaps: this.#gaps,
      filtered: this.#filtered,
    };
    this.#parts = [];
    this.#gaps = [];
    this.#filtered = 0;
    return event;
  }
}

function eventGap(batch: SampleBatch, gap: SampleGap): EventGap {
  const { recordIndex, reason, firstTick, ticks, nanos } = gap;
  const [offset, seq] = [batch.firstOffset + recordIndex, batch.firstSeq + recordIndex];
  return { offset, seq, reason, firstTick, ticks, nanos };
}

function joined<T extends Column>(parts: readonly Part[], of: (batch: SampleBatch) => T): T {
  const slices = parts.map(({ batch, from, to }) => of(batch).subarray(from, to) as T);
  const first = slices[0]!;
  if (slices.length === 1) return first;
  const length = slices.reduce((sum, slice) => sum + slice.length, 0);
  const all = new (first.constructor as new (length: number) => T)(length);
  let at = 0;
  for (const slice of slices) {
    all.set(slice as never, at);
    at += slice.length;
  }
  return all;
}
