import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { countsLine, type Counts } from './counts.ts';

/**
 * Ends a run with what the crash tests did; what failed, a line each, so that a log that keeps only
 * its end still names it; and then the one line that scripts look for:
 * `N passed, N failed, N skipped`.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    const counts: Counts[] = [];
    const failures = errors.map((error) => `FAILED outside a test: ${firstLine(error)}`);
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) {
        count.failed++;
        failures.push(`FAILED ${module.relativeModuleId}: ${firstLine(module.errors()[0])}`);
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts.push(test.meta().counts ?? {});
        if (state === 'passed') count.passed++;
        else if (state === 'failed') {
          count.failed++;
          failures.push(failureLine(module, test));
        } else count.skipped++;
      }
    }
    const line = countsLine(counts);
    if (line !== undefined) process.stdout.write(`\n${line}\n`);
    for (const failure of failures) process.stdout.write(`\n${failure}`);
    process.stdout.write(
      `\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    );
  }
}

function failureLine(module: TestModule, test: TestCase): string {
  const seconds = Math.round((test.diagnostic()?.duration ?? 0) / 1000);
  const why = firstLine(test.result().errors?.[0]);
  return `FAILED ${module.relativeModuleId} > ${test.fullName} (${seconds} s): ${why}`;
}

function firstLine(error: unknown): string {
  const message = error instanceof Object && 'message' in error ? error.message : error;
  return String(message ?? 'no error was given').split('\n', 1)[0]!;
}
