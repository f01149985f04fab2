/** A vibrating machine without a device: the addon's generator (`native/src/synthetic.h`). */
import { z } from 'zod';
import { CHANNELS_MAX } from '../base/constants.ts';
import { defineDriver } from './driver.ts';

const options = z.strictObject({
  channels: z.int().min(1).max(CHANNELS_MAX).default(3).describe('number of int16 channels'),
  seed: z
    .int()
    .min(0)
    .default(1)
    .describe('values are a function of seed and tick number: the same seed, the same signal'),
});

/** One count, in m/s²: full scale is ± 4 g, as of a common accelerometer. */
const SCALE = 0.0012;

export const syntheticDriver = defineDriver({
  kind: 'synthetic',
  summary: 'a simulated vibration sensor: sines, noise and bearing-like impacts',
  bus: 'native',
  options,
  open({ channels, seed }) {
    return {
      channels: Array.from({ length: channels }, (_, i) => ({
        name: `Ch${i}`,
        type: 'i16' as const,
        unit: 'm/s²',
        scale: SCALE,
        offset: 0,
      })),
      attributes: [],
      native: { kind: 'synthetic', seed },
      close: () => undefined,
    };
  },
});
