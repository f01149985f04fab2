/**
 * Tests that some machine cannot run (no privilege, no tool). They are never silent: the reason
 * goes to stderr, and the test is counted as skipped in the closing line.
 */
import { it, type TestFunction } from 'vitest';

/**
 * @param condition true if this machine cannot run the test
 * @param reason what is missing, as a reader of the output needs to know it
 * @returns `it`, or in its place what registers a skipped test
 */
export function skipLoudly(
  condition: boolean,
  reason: string,
): (name: string, test: TestFunction, timeoutMs?: number) => void {
  if (!condition) return (name, test, timeoutMs) => it(name, test, timeoutMs);
  return (name, test) => {
    process.stderr.write(`SKIPPED: ${name}: ${reason}\n`);
    it.skip(`${name} (${reason})`, test);
  };
}
