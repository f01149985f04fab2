import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** A directory of the test's own, gone when the test has finished. */
export function temporaryDirectory(): string {
  const dir = newDirectory();
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** One for all tests of a file, gone behind the last; called outside of tests and hooks. */
export function sharedDirectory(): string {
  const dir = newDirectory();
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'helicorder-test-'));
}
