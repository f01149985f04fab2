/**
 * The wall clock is set a year ahead, and back, between two writes. Only root may do that to the
 * machine, so it is done to the clock that the store is given.
 */
import type { Clock, ClockReading } from '../base/clock.ts';
import { NANOS_PER_SECOND } from '../base/constants.ts';
import { Appender } from '../store/appender.ts';
import { Store } from '../store/store.ts';
import type { Lab, StepResult } from './lab.ts';
import { promised } from './promise.ts';

const STREAM = 'selftest/clock';
const SECOND = BigInt(NANOS_PER_SECOND);
const HOUR = 3600n * SECOND;
const YEAR = 365n * 24n * HOUR;
/** Against the machine's clock, one after the other. */
const STEPS = [0n, YEAR, -HOUR, 0n];
const EVENTS_PER_STEP = 20;

class SteppedClock implements Clock {
  stepNanos = 0n;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  read(): ClockReading {
    const reading = this.#clock.read();
    return { ...reading, utcNanos: reading.utcNanos + this.stepNanos };
  }

  bootId(): string {
    return this.#clock.bootId();
  }

  kernelClock(): { synchronized: boolean; maxErrorMicros: number } {
    return this.#clock.kernelClock();
  }
}

export async function clockStep(lab: Lab): Promise<StepResult> {
  const dir = `${lab.dir}/clock`;
  const ahead = await write(lab, dir);
  const store = Store.open(dir, lab.environment);
  try {
    const all = await read(store, {});
    const expected = Array.from({ length: STEPS.length * EVENTS_PER_STEP }, (_, i) => String(i));
    promised(all.join() === expected.join(), () => 'events are not in the order they were written');
    const then = await read(store, { fromTime: ahead - HOUR, toTime: ahead + HOUR });
    const wanted = expected.slice(EVENTS_PER_STEP, 2 * EVENTS_PER_STEP);
    promised(
      then.join() === wanted.join(),
      () => `a year ahead lie events ${wanted.join()}; ${then.join() || 'none'} are found there`,
    );
  } finally {
    store.close();
  }
  await lab.verified(dir);
  const events = STEPS.length * EVENTS_PER_STEP;
  return {
    found: [
      `the clock set ahead by a year, back by more, and right again: ${events} events keep ` +
        'order, offsets and seqs, and are found at the times that were told then',
    ],
    counts: { clockSteps: STEPS.length - 1, acknowledged: events },
  };
}

/** @returns what the clock said when it was set ahead, ns */
async function write({ environment }: Lab, dir: string): Promise<bigint> {
  const clock = new SteppedClock(environment.clock);
  const options = { stream: STREAM, writer: 'pen', environment: { ...environment, clock } };
  const appender = Appender.open(dir, options);
  let [number, ahead] = [0, 0n];
  for (const step of STEPS) {
    clock.stepNanos = step;
    if (step === YEAR) ahead = clock.read().utcNanos;
    for (let i = 0; i < EVENTS_PER_STEP; i++) {
      const event = new TextEncoder().encode(String(number++));
      const { firstSeq, firstOffset } = await appender.append([event]);
      promised(
        firstSeq === number && firstOffset === number - 1,
        () => `event ${number} was given seq ${firstSeq} and offset ${firstOffset}`,
      );
    }
  }
  appender.close();
  return ahead;
}

async function read(
  store: Store,
  range: { fromTime?: bigint; toTime?: bigint },
): Promise<string[]> {
  const found: string[] = [];
  const { fromTime = -(2n ** 62n), toTime = 2n ** 62n } = range;
  for await (const item of store.read(STREAM, range)) {
    if (item.kind !== 'events' || item.utcNanos < fromTime || item.utcNanos >= toTime) continue;
    found.push(...item.events.map((event) => new TextDecoder().decode(event)));
  }
  return found;
}
