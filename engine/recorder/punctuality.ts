/** Whether rate groups are still sampled: the last tick of each, as its thread has noted it. */
import { NANOS_PER_SECOND } from '../base/constants.ts';
import { systemClock } from '../base/clock.ts';
import type { RateGroup } from '../sampler/rate-group.ts';
import { STATUS_WORD } from '../sampler/status.ts';
import { T0_NANOS } from './plan.ts';

/** Beside the period: no processor is that busy. */
const FAR_BEHIND_NANOS = BigInt(5 * NANOS_PER_SECOND);
const NAMES_MAX = 4;

export class Punctuality {
  readonly #begunNanos = systemClock.read().monotonicNanos;

  /** Is its last tick, or its beginning, longer ago than can be? */
  isBehind({ status, periodNanos }: RateGroup): boolean {
    const tickNanos = T0_NANOS + Atomics.load(status, STATUS_WORD.lastTick) * periodNanos;
    const lastNanos = tickNanos > this.#begunNanos ? tickNanos : this.#begunNanos;
    return systemClock.read().monotonicNanos - lastNanos > periodNanos + FAR_BEHIND_NANOS;
  }
}

/** The names of a few sources, and how many others there are. */
export function listOf(names: readonly string[]): string {
  const others = names.length - NAMES_MAX;
  const few = names.slice(0, NAMES_MAX).join(', ');
  return others > 0 ? `${few} and ${others} more` : few;
}
