/** Seeded randomness for tests: a failing run is repeated with HELICORDER_SEED. */
import { Chance } from '../../engine/selftest/chance.ts';

export const SEED = Number(process.env['HELICORDER_SEED'] ?? (process.pid * 2654435761) % 2 ** 31);

export class SeededRandom extends Chance {}

/**
 * How often a test repeats what an issue counts: in full with `npm run test:soak`, a tenth else.
 */
export function repeats(soak: number): number {
  return process.env['HELICORDER_SOAK'] ? soak : Math.max(5, Math.ceil(soak / 10));
}
