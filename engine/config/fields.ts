/**
 * Kinds of values that keys of the configuration take: each checks what was given, and says in its
 * error what was expected. A parser of one value throws a RangeError (`units.ts`).
 */
import * as z from 'zod';
import { NAME_MAX_LENGTH, NANOS_PER_MICRO, NANOS_PER_MILLI } from '../base/constants.ts';
import { formatBytes, formatDuration, parseDurationNanos, parseSizeBytes } from './units.ts';

/** @param check what is wrong with a value that could be parsed; by default nothing */
export function parsed<T>(
  parse: (value: unknown) => T,
  check: (value: T) => string | undefined = () => undefined,
) {
  return z.unknown().transform((value, context): T => {
    let reason: string | undefined;
    try {
      const result = parse(value);
      reason = check(result);
      if (reason === undefined) return result;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      reason = error.message;
    }
    context.addIssue({ code: 'custom', message: reason });
    return z.NEVER;
  });
}

export function durationMs(minMs: number, maxMs: number) {
  const [min, max] = [minMs, maxMs].map((ms) =>
    formatDuration(BigInt(ms) * BigInt(NANOS_PER_MILLI)),
  );
  return parsed(
    (value) => Number(parseDurationNanos(value)) / NANOS_PER_MILLI,
    (ms) => (ms >= minMs && ms <= maxMs ? undefined : `must be ${min} to ${max}`),
  );
}

export function durationNanos(maxNanos: number) {
  return parsed(
    (value) => Number(parseDurationNanos(value)),
    (nanos) =>
      nanos <= maxNanos ? undefined : `must be at most ${formatDuration(BigInt(maxNanos))}`,
  );
}

/** Whole microseconds. */
export function durationMicros(maxMicros: number) {
  return parsed(
    (value) => Number(parseDurationNanos(value)) / NANOS_PER_MICRO,
    (micros) => {
      const most = formatDuration(BigInt(maxMicros) * BigInt(NANOS_PER_MICRO));
      return Number.isInteger(micros) && micros <= maxMicros
        ? undefined
        : `must be whole microseconds, at most ${most}`;
    },
  );
}

export function sizeBytes(minBytes: number) {
  return parsed(parseSizeBytes, (bytes) =>
    bytes >= minBytes ? undefined : `must be at least ${formatBytes(minBytes)}`,
  );
}

/** An object that is written as `key: {…}`; a bare value in its place says what was expected. */
export function group<T extends z.core.$ZodShape>(example: string, shape: T) {
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'invalid_type' ? `expected keys, as in ${example}` : undefined),
  });
}

/** Which streams: scope/name, with `*` for any characters in each (`base/retention.ts`). */
export const streamPattern = (): z.ZodString =>
  z
    .string()
    .max(NAME_MAX_LENGTH)
    .regex(/^(\*|[A-Za-z0-9._*-]+\/[A-Za-z0-9._*-]+)$/, 'must be scope/name, with * for any part');
