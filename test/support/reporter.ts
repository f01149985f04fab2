import type { Reporter, TestModule } from 'vitest/node';
import { countsLine, type Counts } from './counts.ts';

/**
 * Ends a run with what the crash tests did, and then the one line that scripts look for:
 * `N passed, N failed, N skipped`.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    const counts: Counts[] = [];
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) count.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts.push(test.meta().counts ?? {});
        if (state === 'passed') count.passed++;
        else if (state === 'failed') count.failed++;
        else count.skipped++;
      }
    }
    const line = countsLine(counts);
    if (line !== undefined) process.stdout.write(`\n${line}\n`);
    process.stdout.write(
      `\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    );
  }
}
