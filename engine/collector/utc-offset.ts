/**
 * UTC − monotonic, as batches carry it. NTP slews both clocks alike, so the difference changes only
 * when the wall clock is stepped; differences below the threshold are the noise of reading two
 * clocks one after the other, and following them would make time stamps jitter between batches.
 */
import type { Clock, ClockReading } from '../base/clock.ts';
import { CLOCK_STEP_NANOS } from '../base/constants.ts';

export class UtcOffset {
  readonly #clock: Clock;
  #offsetNanos: bigint;
  /** steps seen since the start */
  steps = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetNanos = offsetOf(clock.read());
  }

  /** The offset that holds now. */
  update(): bigint {
    const reading = this.#clock.read();
    const fresh = offsetOf(reading);
    const change = fresh - this.#offsetNanos;
    const noise = BigInt(CLOCK_STEP_NANOS) + reading.uncertaintyNanos;
    if (change > noise || change < -noise) {
      this.#offsetNanos = fresh;
      this.steps++;
    }
    return this.#offsetNanos;
  }
}

function offsetOf({ utcNanos, monotonicNanos }: ClockReading): bigint {
  return utcNanos - monotonicNanos;
}
