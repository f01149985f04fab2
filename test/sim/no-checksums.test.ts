/** A negative control that replaces a module: a program that computes no checksum. */
import { expect, it, vi } from 'vitest';
import { count } from '../support/counts.ts';
import { simulate } from './simulation.ts';

vi.mock('../../engine/base/crc32c.ts', () => ({ crc32c: () => 0 }));

it('the simulation finds a program that checks no checksum', async () => {
  let finding: unknown;
  // without rate groups, whose checksums are the addon's
  for (let seed = 1; seed <= 200 && finding === undefined; seed++) {
    await simulate(seed, { isOpaqueOnly: true }).catch((error: unknown) => (finding = error));
  }
  process.stdout.write(`mutant: checks no checksum: ${String(finding).split('\n')[0]}\n`);
  expect(finding, 'what the simulation says').toBeInstanceOf(Error);
  count('mutants found');
}, 600_000);
