/** How long it is from one tick to the next. */
import { NANOS_PER_SECOND } from './constants.ts';

/** Period of a rate, to the nearest ns. */
export function periodOf(rateHz: number): bigint {
  return BigInt(Math.round(NANOS_PER_SECOND / rateHz));
}
