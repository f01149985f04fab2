/**
 * What a flush interval costs: latency, CPU and bytes, from what the machine was measured to do and
 * from what the recorder was measured to do on the project's machine. `docs/tuning.md` derives the
 * formulas; each constant names where it was measured.
 *
 *   latency p50 = F/2 + wake.p50 + sync.p50 + group / write speed      p99 = 0.99·F + the p99s
 *   CPU     ticks · (wake + sources · read) + values · encode + flushes · (fixed + sync) + batches
 *   log     flushes · whole blocks of (group + per rate group: times + per source: batch, values)
 *
 * F/2 and 0.99·F: a sample is taken at any moment between two flushes alike.
 */
import { BLOCK_BYTES, NANOS_PER_SECOND } from '../base/constants.ts';
import type { ChannelType } from '../batch/schema.ts';
import type { BoxFacts, TuneCell, TuneLoad } from './types.ts';

/** Bytes of a group of the log and its times entry, without times: a store of one source. */
const GROUP_BYTES = 115;
/** Bytes of a batch without values, and of one more column: 34 sources of 1 and 4 columns. */
const BATCH_BYTES = 26;
const COLUMN_BYTES = 2;
/** Bytes of a time, in the log and sealed: `docs/performance.md`, lateness on a loaded machine. */
const TIME_BYTES = { log: 2.07, sealed: 1.97 };
/**
 * Bytes of a value, from the same table: the accelerometer capture (8 bits), vibration (16 and, for
 * want of another, 32), counters with bursts (64). A float counts as it is: the worst case.
 */
const VALUE_BYTES: Readonly<Record<ChannelType, { log: number; sealed: number }>> = {
  i8: { log: 0.28, sealed: 0.18 },
  u8: { log: 0.28, sealed: 0.18 },
  i16: { log: 1.68, sealed: 1.55 },
  u16: { log: 1.68, sealed: 1.55 },
  i32: { log: 1.68, sealed: 1.55 },
  u32: { log: 1.68, sealed: 1.55 },
  i64: { log: 0.62, sealed: 0.45 },
  u64: { log: 0.62, sealed: 0.45 },
  f32: { log: 4, sealed: 4 },
  f64: { log: 8, sealed: 8 },
};
/** A value from the ring into a batch: `docs/performance.md`, saturation. */
const VALUE_CPU_NANOS = 3;
/** Reading one source at a tick: row 10, less what the other terms say of it. */
const READ_CPU_MICROS = 1.2;
/** A flush without its write, and a batch in it: hand-driven flushes of 1 and 34 sources. */
const FLUSH_CPU_MICROS = 250;
const BATCH_CPU_MICROS = 15;
const SECONDS_PER_DAY = 86_400;

/** What one choice of the two knobs would do under this load on this machine. */
export function predict(
  box: BoxFacts,
  loads: readonly TuneLoad[],
  flushMs: number,
  samplesPerEvent: number,
): TuneCell {
  const flushes = flushesPerSecond(loads, flushMs);
  const logBytes = flushes === 0 ? 0 : logBytesPerSecond(loads, flushes);
  const groupMs = flushes === 0 ? 0 : (1000 * logBytes) / flushes / box.writeBytesPerSecond;
  const keptBytes = sum(loads, (load) => load.rateHz * sampleBytes(load, 'sealed'));
  const durable = (fraction: number, quantile: 'p50' | 'p99'): number =>
    fraction * flushMs + (box.wakeMicros[quantile] + box.syncMicros[quantile]) / 1000 + groupMs;
  const [p50, p99] = [durable(0.5, 'p50'), durable(0.99, 'p99')];
  const fastestHz = Math.max(0, ...loads.map(({ rateHz }) => rateHz));
  const eventFillMs = fastestHz === 0 ? 0 : (1000 * samplesPerEvent) / fastestHz;
  return {
    flushMs,
    samplesPerEvent,
    durableMs: { p50, p99 },
    eventFillMs,
    eventMs: eventFillMs + p99,
    cpuPercent: cpuPercent(box, loads, flushes),
    logBytesPerDay: Math.round(logBytes * SECONDS_PER_DAY),
    // segments are filled with zeros ahead, then written; what is sealed is written once more
    deviceBytesPerDay: Math.round((2 * logBytes + keptBytes) * SECONDS_PER_DAY),
    keptBytesPerDay: Math.round(keptBytes * SECONDS_PER_DAY),
  };
}

/** A flush that finds no new tick writes nothing. */
function flushesPerSecond(loads: readonly TuneLoad[], flushMs: number): number {
  const ticks = sum(loads, ({ rateHz }) => rateHz);
  return Math.min(1000 / flushMs, ticks);
}

function logBytesPerSecond(loads: readonly TuneLoad[], flushes: number): number {
  const perGroup = sum(loads, (load) => {
    const batches = batchesPerSecond(load, flushes) / flushes;
    const columns = load.sources === 0 ? 0 : columnsOf(load) / load.sources;
    const heads = batches * (BATCH_BYTES + columns * COLUMN_BYTES);
    return heads + (load.rateHz / flushes) * sampleBytes(load, 'log');
  });
  const blocks = Math.ceil((GROUP_BYTES + perGroup) / BLOCK_BYTES);
  return flushes * blocks * BLOCK_BYTES;
}

/** Of one tick of all its sources: their values, and the time that they share. */
function sampleBytes({ channels }: TuneLoad, where: 'log' | 'sealed'): number {
  const values = sum(Object.entries(channels), ([type, count]) => {
    return VALUE_BYTES[type as ChannelType][where] * count;
  });
  return TIME_BYTES[where] + values;
}

function cpuPercent(box: BoxFacts, loads: readonly TuneLoad[], flushes: number): number {
  const microsPerSecond = sum(loads, (load) => {
    const { rateHz, sources } = load;
    const tick = box.wakeCpuMicros + sources * READ_CPU_MICROS;
    const encode = ((columnsOf(load) + 1) * VALUE_CPU_NANOS) / 1000;
    return rateHz * (tick + encode) + batchesPerSecond(load, flushes) * BATCH_CPU_MICROS;
  });
  const flushMicros = FLUSH_CPU_MICROS + box.syncCpuMicros + box.wakeCpuMicros;
  return (microsPerSecond + flushes * flushMicros) / (NANOS_PER_SECOND / 100 / 1000);
}

function batchesPerSecond({ rateHz, sources }: TuneLoad, flushes: number): number {
  return sources * Math.min(rateHz, flushes);
}

function columnsOf({ channels }: TuneLoad): number {
  return sum(Object.values(channels), (count) => count);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** How long a consumer of whole events may wait for one to fill up. */
const EVENT_FILL_MS = 1000;

/**
 * The longest flush interval whose p99 is within the limit: longer ones write less and cost less.
 * If none is, the one with the least p99. Then the largest event that fills within a second.
 */
export function recommend(cells: readonly TuneCell[], maxLatencyMs: number): TuneCell {
  const within = cells.filter(({ durableMs }) => durableMs.p99 <= maxLatencyMs);
  const best =
    within.length > 0
      ? Math.max(...within.map(({ flushMs }) => flushMs))
      : Math.min(...cells.map(({ flushMs }) => flushMs));
  const sized = cells
    .filter(({ flushMs }) => flushMs === best)
    .toSorted((a, b) => a.samplesPerEvent - b.samplesPerEvent);
  const filled = sized.filter(({ eventFillMs }) => eventFillMs <= EVENT_FILL_MS);
  return filled.at(-1) ?? sized[0]!;
}
