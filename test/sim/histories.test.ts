/** Random histories of two stores against a plain model: see history.ts. */
import { describe, it } from 'vitest';
import { playHistory } from './history.ts';
import { ONE_SEED, SEEDS_TIMEOUT_MS, expectEqualTraces, playSeeds } from './seeds.ts';

/** in `npm test` */
const SEEDS = Number(process.env['HELICORDER_HISTORY_SEEDS'] ?? 15);

describe('two stores with any history', () => {
  it(
    'hold what a plain model says, record by record, and refuse what the manual says',
    () => playSeeds({ name: 'histories of two stores', play: playHistory, most: SEEDS }),
    SEEDS_TIMEOUT_MS,
  );

  if (ONE_SEED !== undefined) return;

  it(
    'equal seeds give equal traces, another seed another',
    () => expectEqualTraces(playHistory, 2),
    SEEDS_TIMEOUT_MS,
  );
});
