import { test } from 'vitest';

/** Registers a test; where `condition` holds it is skipped, and said so on stderr. */
export function skipLoudly(condition: boolean, reason: string): typeof test | typeof test.skip {
  if (!condition) return test;
  process.stderr.write(`SKIPPED: ${reason}\n`);
  return test.skip;
}
