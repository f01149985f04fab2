/**
 * Which records of a stream a command was asked for: offsets from `first` up to `end`, and of these
 * the ones whose time lies in a range. A gap has no time: it is wanted between wanted records, and
 * at both edges of the range, since it may reach into it.
 */
import type { SampleEvent } from '../batch/event.ts';
import { isBehind, type View } from '../store/read/view.ts';

export class Wanted {
  readonly first: number;
  readonly end: number;
  readonly #times: Pick<View, 'fromNanos' | 'toNanos'>;
  #isInside = true;

  constructor(first: number, end: number, times: Pick<View, 'fromNanos' | 'toNanos'> = {}) {
    this.first = first;
    this.end = end;
    this.#times = times;
  }

  /**
   * Asked for each record in order, and for what stands for several.
   * @param nanos undefined: a gap
   * @param lastOffset of a gap of several records: it is wanted if one of them is
   */
  takes(offset: number, nanos: bigint | undefined, lastOffset = offset): boolean {
    if (lastOffset < this.first || this.first >= this.end) return false;
    if (nanos !== undefined) this.#isInside = this.#hasTime(nanos);
    return offset < this.end && this.#isInside;
  }

  /** Is a record of the event wanted? It is then given whole. */
  takesEvent({ firstOffset, lastOffset, timeNanos }: SampleEvent): boolean {
    if (this.first >= this.end) return false;
    if (lastOffset < this.first || firstOffset >= this.end) return false;
    return timeNanos.some((nanos) => this.#hasTime(nanos));
  }

  /** Can nothing that is wanted be in this event, or behind it? */
  isBehind({ firstOffset, timeNanos }: SampleEvent, unorderedEnd: number | undefined): boolean {
    const piece = { firstOffset, firstNanos: timeNanos[0], lastNanos: timeNanos.at(-1) };
    return firstOffset >= this.end || isBehind(this.#times, piece, unorderedEnd);
  }

  #hasTime(nanos: bigint): boolean {
    const { fromNanos, toNanos } = this.#times;
    const isEarly = fromNanos !== undefined && nanos < fromNanos;
    return !isEarly && (toNanos === undefined || nanos < toNanos);
  }
}
