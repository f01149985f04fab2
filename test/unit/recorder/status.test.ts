import { expect, test } from 'vitest';
import type { RecorderConfig } from '../../../engine/config/config.ts';
import type { CollectorStatus } from '../../../engine/collector/collector.ts';
import { mergeStatus } from '../../../engine/recorder/status.ts';

test('samples and all that is missed are the ticks that were scheduled', () => {
  const ticks = { late: 1, overflow: 2, full: 3, device: 4, stopped: 5, crash: 6 };
  const gaps = Object.entries(ticks).map(([reason, sum]) => ({ reason, ticks: sum, gaps: 1 }));
  const collector = { samples: 100, ticks: 121, gaps, warnings: [] } as unknown as CollectorStatus;
  const { missed, samples, ticksScheduled } = mergeStatus({
    ...{ config: { sources: [] } as unknown as RecorderConfig, collector, samplers: undefined },
    ...{ uptimeSeconds: 1, samplesPerSecond: 1, ending: undefined, problems: [] },
  });
  const { suspendedNanos: _, ...reasons } = missed;
  const sum = Object.values(reasons).reduce((total, count) => total + Number(count), 0);
  expect(Number(samples) + sum).toBe(Number(ticksScheduled));
});
