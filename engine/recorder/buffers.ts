/**
 * The memory that a configuration asks for, known before anything is recorded: what `validate`
 * prints. Rings are locked into memory where that is permitted, and written from end to end in
 * their first seconds, so all of them counts; the log's buffers are filled by a backlog only.
 */
import {
  GROUP_MAX_BYTES,
  GROUP_TARGET_BYTES,
  KIB,
  MIB,
  NANOS_PER_MILLI,
  NANOS_PER_SECOND,
} from '../base/constants.ts';
import type { ChannelType } from '../batch/schema.ts';
import type { RecorderConfig } from '../config/config.ts';
import { RING } from '../ring/layout.ts';
import type { BufferSizes, RateGroupBuffers } from '../tools/types.ts';
import { batchLimit } from '../collector/group-drain.ts';
import { closeDrivers, planGroups, problemOf, type PlannedGroup } from './plan.ts';

/**
 * Measured, not computed: VmRSS of `run --source synthetic --count N --rate 1000` at the defaults,
 * median of nine readings between 15 and 20 s, x86-64, Node 20: 98 MiB with one source, 100 with
 * 32, 135 to 142 with 256, 215 with 1024 (3 channels each), which these say as 111, 120, 141 and
 * 213. One source of sysfs alone, whose driver has a thread in JavaScript: 109. Later it is more:
 * 32 sources had 130 to 143 MiB after two minutes, 160 to 171 from the eighth on, beside sealing.
 */
const PROGRAM_BYTES = 104 * MIB;
const SAMPLER_WORKER_BYTES = 12 * MIB;
const SOURCE_BYTES = 80 * KIB;

/**
 * Opens every device for a moment, as what it has for channels decides about its rows. Those that
 * cannot be opened here are named and left out.
 */
export function bufferSizes(config: RecorderConfig): BufferSizes {
  const unavailable: BufferSizes['unavailable'] = [];
  const sources = config.sources.filter((source) => {
    const problem = problemOf(source);
    if (problem !== undefined) unavailable.push({ source: source.name, problem });
    return problem === undefined;
  });
  const groups = sources.length === 0 ? [] : measure({ ...config, sources });
  const largestBatch = Math.max(0, ...groups.map(({ maxBatchBytes }) => maxBatchBytes));
  // in a backlog a second group is filled while the first is written
  const logBytes = GROUP_MAX_BYTES + 2 * (GROUP_TARGET_BYTES + largestBatch);
  const ringBytes = groups.reduce((sum, group) => sum + group.ringBytes, 0);
  const hasWorker = groups.some(({ bus }) => bus === 'typescript');
  const programBytes = PROGRAM_BYTES + (hasWorker ? SAMPLER_WORKER_BYTES : 0);
  const sourceBytes = sources.length * SOURCE_BYTES;
  const expectedRssBytes = programBytes + sourceBytes + ringBytes + logBytes;
  return { groups, programBytes, sourceBytes, logBytes, expectedRssBytes, unavailable };
}

function measure(config: RecorderConfig): RateGroupBuffers[] {
  const plan = planGroups(config);
  try {
    return plan.groups.map((group) => buffersOf(group, config.flushIntervalMs));
  } finally {
    closeDrivers(plan.groups);
  }
}

function buffersOf({ group, spec }: PlannedGroup, flushIntervalMs: number): RateGroupBuffers {
  const periodNanos = Number(group.periodNanos);
  const ringBytes = spec.ring.byteLength - RING.dataAt;
  const limit = batchLimit(spec);
  const perFlush = Math.max(1, Math.floor((flushIntervalMs * NANOS_PER_MILLI) / periodNanos));
  const batchRows = Math.min(perFlush, limit.rows);
  return {
    bus: group.bus,
    rateHz: NANOS_PER_SECOND / periodNanos,
    sources: spec.sources.map(({ name }) => name),
    channels: countTypes(group.sources.flatMap(({ driver }) => driver.channels)),
    rowBytes: spec.rowBytes,
    ringBytes,
    ringSeconds: (Math.floor(ringBytes / spec.rowBytes) * periodNanos) / NANOS_PER_SECOND,
    batchRows,
    batchBytes: limit.bytesOf(batchRows),
    maxBatchRows: limit.rows,
    maxBatchBytes: limit.bytesOf(limit.rows),
  };
}

function countTypes(channels: readonly { type: ChannelType }[]): RateGroupBuffers['channels'] {
  const counts: RateGroupBuffers['channels'] = {};
  for (const { type } of channels) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}
