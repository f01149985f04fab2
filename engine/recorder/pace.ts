/** How fast samples become durable, as the writer thread's answers tell, or that none come. */
import { monotonicMs, systemClock, type Clock } from '../base/clock.ts';

/** A disk that is sound answers within a flush; one that stalls keeps its thread in the call. */
const SILENT_MS = 2000;

export class Pace {
  readonly #clock: Clock;
  #samples = 0;
  #heardMs: number;
  /** since when an answer is waited for; undefined: none is */
  #askedMs: number | undefined;
  #perSecond = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#heardMs = monotonicMs(clock);
  }

  /** The writer thread was asked for its status. */
  asked(): void {
    this.#askedMs ??= monotonicMs(this.#clock);
  }

  /** @param samples all that are durable */
  heard(samples: number): void {
    const nowMs = monotonicMs(this.#clock);
    const elapsedMs = nowMs - this.#heardMs;
    this.#askedMs = undefined;
    if (elapsedMs <= 0) return;
    this.#perSecond = ((samples - this.#samples) * 1000) / elapsedMs;
    this.#samples = samples;
    this.#heardMs = nowMs;
  }

  get isSilent(): boolean {
    return this.#waitedMs >= SILENT_MS;
  }

  get samplesPerSecond(): number {
    return this.isSilent ? 0 : this.#perSecond;
  }

  get warnings(): string[] {
    // the same sentence as long as it lasts: each is told once
    const seconds = SILENT_MS / 1000;
    return this.isSilent
      ? [`the writer has not answered for ${seconds} s or more: the disk may be stalled`]
      : [];
  }

  get #waitedMs(): number {
    return this.#askedMs === undefined ? 0 : monotonicMs(this.#clock) - this.#askedMs;
  }
}
