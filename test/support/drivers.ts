/** Drivers as configuration sees them, with options of every shape that flags must reach. */
import * as z from 'zod';
import type { DriverFace } from '../../engine/config/schema.ts';

export const testDrivers: readonly DriverFace[] = [
  {
    kind: 'network',
    summary: 'Counters of a network interface.',
    options: z.strictObject({
      interface: z.string().min(1).optional().describe('Interface; default: the first that is up.'),
      statistics: z
        .union([z.literal('all'), z.array(z.enum(['rx_bytes', 'tx_bytes', 'rx_errors'])).min(1)])
        .default(['rx_bytes', 'tx_bytes'])
        .describe('Counters by their kernel name, or all.'),
    }),
  },
  {
    kind: 'synthetic',
    summary: 'Sum of sines, noise and impacts.',
    options: z.strictObject({
      channels: z.int().min(1).max(1024).default(3).describe('Number of int16 channels.'),
      seed: z.int().min(0).default(1).describe('Seed of the noise.'),
    }),
  },
];
