/** Every experiment of the benchmarks, in the order of the rows in the project's table of gates. */
import { bytes } from './bytes.ts';
import { columns } from './columns.ts';
import { durableLatency } from './durable-latency.ts';
import { durableRate } from './durable-rate.ts';
import { footprint } from './footprint.ts';
import { indexRows } from './index-rows.ts';
import { readBack } from './read-back.ts';
import { restarts } from './restart.ts';
import { sealing } from './sealed.ts';
import { segmentWrite } from './segment-write.ts';
import { sensors } from './sensors.ts';
import type { Experiment } from './harness.ts';
import { schedule } from './schedule.ts';
import { beside } from './together.ts';
import { visibleLatency } from './visible-latency.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  schedule,
  beside,
  durableRate,
  segmentWrite,
  durableLatency,
  visibleLatency,
  bytes,
  sealing,
  columns,
  footprint,
  sensors,
  readBack,
  restarts,
  indexRows,
];
