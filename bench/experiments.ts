/** Every experiment of the benchmarks, in the order of the rows in the project's table of gates. */
import { bytes } from './bytes.ts';
import { columns } from './columns.ts';
import { durableLatency } from './durable-latency.ts';
import { durableRate } from './durable-rate.ts';
import { footprint } from './footprint.ts';
import type { Experiment } from './harness.ts';
import { schedule } from './schedule.ts';
import { visibleLatency } from './visible-latency.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  schedule,
  durableRate,
  durableLatency,
  visibleLatency,
  bytes,
  columns,
  footprint,
];
