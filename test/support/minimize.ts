/** Makes an input shorter for as long as it stays what it is. */

/** Tries of one input; what is not the shortest yet is short enough. */
const TRIES_MAX = 3000;

/**
 * Leaves out halves, quarters … single bytes.
 * @param isSame is a shorter input still of interest?
 */
export function minimized(input: Uint8Array, isSame: (shorter: Uint8Array) => boolean): Uint8Array {
  let best = input;
  let tries = 0;
  for (let length = best.length >> 1; length > 0; length >>= 1) {
    for (let at = 0; at < best.length && tries < TRIES_MAX; tries++) {
      const shorter = without(best, at, length);
      if (isSame(shorter)) best = shorter;
      else at += length;
    }
  }
  return best;
}

function without(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const shorter = new Uint8Array(Math.max(at, bytes.length - length));
  shorter.set(bytes.subarray(0, at));
  shorter.set(bytes.subarray(at + length, bytes.length), at);
  return shorter;
}
