/** The other half of the seeds: see simulation.test.ts. */
import { describeSeeds } from './seeds.ts';

if (process.env['HELICORDER_SEED'] === undefined) describeSeeds(2, 2);
