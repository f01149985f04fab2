/** Requests for which there is no room while there is for others (`store/write/admission.ts`). */
import { HelicorderError } from '../base/errors.ts';
import { NO_ROOM_FOR_NEW } from '../store/write/admission.ts';
import { failureOf, type Answer } from './protocol.ts';

/** To one whose client has gone, or whose owner ends, before there is room. */
export function noRoom(): Answer {
  return failureOf(new HelicorderError('NO_SPACE', NO_ROOM_FOR_NEW));
}

/** Those for which `test` holds, and the others, both in their order. */
export function parted<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  const [yes, no]: [T[], T[]] = [[], []];
  for (const one of all) (test(one) ? yes : no).push(one);
  return [yes, no];
}
