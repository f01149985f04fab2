/**
 * Repacking: batches as they were flushed → events as consumers receive them. An event of a run
 * ends where the sample's ordinal + 1 is a multiple of N, and at the end of its run (a schema
 * belongs to a run, so a new schema is a new run); never by timing or by how batches were cut. So
 * every reader at any time sees the same events.
 *
 * A gap belongs to the event of the next sample of its run; behind a run's last sample it belongs
 * to the last event if that is short, else to no event: as a record it is there all the same.
 */
import { assert } from '../base/assert.ts';
import type { Reason } from './ledger.ts';
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
}

/** Samples `from` to `to` of a batch. */
interface Part {
  batch: SampleBatch;
  from: number;
  to: number;
}

export class EventRepacker {
  readonly #samplesPerEvent: number;
  #parts: Part[] = [];
  #gaps: EventGap[] = [];
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
    let [from, gap] = [0, 0];
    while (from < batch.samples) {
      const filled = (batch.ordinal + from) % this.#samplesPerEvent;
      const to = Math.min(batch.samples, from + this.#samplesPerEvent - filled);
      gap = this.#takeGaps(batch, gap, to);
      this.#parts.push({ batch, from, to });
      from = to;
      if ((batch.ordinal + to) % this.#samplesPerEvent === 0) events.push(this.#emit());
    }
    this.#takeGaps(batch, gap, Infinity);
    return events;
  }

  /** The run is over: its short last event, if there is one. */
  flush(): SampleEvent | undefined {
    const event = this.#parts.length > 0 ? this.#emit() : undefined;
    this.#gaps = [];
    return event;
  }

  /** Gaps from number `gap` on that have fewer than `to` samples of the batch before them. */
  #takeGaps(batch: SampleBatch, gap: number, to: number): number {
    for (; gap < batch.gaps.length && batch.gaps[gap]!.samplesBefore < to; gap++) {
      const { recordIndex, reason, firstTick, ticks, nanos } = batch.gaps[gap]!;
      const [offset, seq] = [batch.firstOffset + recordIndex, batch.firstSeq + recordIndex];
      this.#gaps.push({ offset, seq, reason, firstTick, ticks, nanos });
    }
    return gap;
  }

  #emit(): SampleEvent {
    const parts = this.#parts;
    const [first, last] = [parts[0]!, parts.at(-1)!];
    const firstRecord = recordOf(first.batch, first.from);
    const lastRecord = recordOf(last.batch, last.to - 1);
    const event = {
      run: this.#run,
      ordinal: first.batch.ordinal + first.from,
      samples: this.pendingSamples,
      firstSeq: first.batch.firstSeq + firstRecord,
      lastSeq: last.batch.firstSeq + lastRecord,
      firstOffset: first.batch.firstOffset + firstRecord,
      lastOffset: last.batch.firstOffset + lastRecord,
      ticks: joined(parts, (batch) => batch.ticks),
      timeNanos: joined(parts, (batch) => batch.timeNanos),
      columns: first.batch.columns.map((_, i) => joined(parts, (batch) => batch.columns[i]!)),
      gaps: this.#gaps,
    };
    this.#parts = [];
    this.#gaps = [];
    return event;
  }
}

/** Index among the batch's records of its sample number `sample`. */
export function recordOf(batch: SampleBatch, sample: number): number {
  let gaps = 0;
  while (gaps < batch.gaps.length && batch.gaps[gaps]!.samplesBefore <= sample) gaps++;
  return sample + gaps;
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
