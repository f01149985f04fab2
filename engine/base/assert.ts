/** A broken invariant of our own, never a user's mistake: the worker dies and the engine stops. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Narrows a value that cannot be missing if the program is right. */
export function defined<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`${what} is missing`);
  return value;
}

/** A u64 from a format as a number; formats keep all counters below 2^53 (`docs/format-log.md`). */
export function safeNumber(value: bigint, what: string): number {
  assert(
    value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER),
    `${what} is out of range: ${value}`,
  );
  return Number(value);
}
