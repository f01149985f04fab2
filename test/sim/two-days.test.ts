/** 48 simulated hours at the budget: see two-days.ts. The full size with `HELICORDER_SOAK=1`. */
import { expect, it } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import { TwoDays, type Scale } from './two-days.ts';

const FULL: Scale = { budgetBytes: 200 * MIB, periodMs: 3000, channels: 64 };
const SHORT: Scale = { budgetBytes: 16 * MIB, periodMs: 6000, channels: 8 };
const SEED = Number(process.env['HELICORDER_SEED'] ?? 1);
const TIMEOUT_MS = 3_600_000;

it(
  '32 sources over 48 hours keep their budget, and every tick is accounted for',
  async () => {
    const scale = process.env['HELICORDER_SOAK'] ? FULL : SHORT;
    const outcome = await new TwoDays(SEED, scale).run();
    const counts = Object.entries(outcome).map(([name, count]) => `${name} ${count}`);
    process.stdout.write(`two days: seed ${SEED}, ${counts.join(', ')}\n`);
    const { lives, kills, powerCuts, flips, samples, retired, peakBytes, budgetBytes } = outcome;
    for (const count of [kills, powerCuts, flips]) expect(count).toBeGreaterThan(2);
    expect(lives).toBeGreaterThan(10);
    // the budget is used, and what is held is less than half of what was there
    expect(peakBytes).toBeGreaterThan(0.9 * budgetBytes);
    expect(retired).toBeGreaterThan(samples / 3);
  },
  TIMEOUT_MS,
);
