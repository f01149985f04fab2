/**
 * Which sources share a thread and a ring: those of one period on one bus. They also share what the
 * log stores once per group, so resolution must agree. Where there is no room, a ring is drained or
 * not as a whole: what its sources do then (`onFull`) must agree, too.
 */
import { GIB, RING_MAX_BYTES } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { periodOf } from '../base/period.ts';
import type { OnFull } from '../base/retention.ts';
import type { OpenDriver } from '../drivers/driver.ts';
import { createRing, ringBytes, rowLayout, type RowLayout } from '../ring/layout.ts';
import { createStatus } from './status.ts';

export interface SampledSource {
  name: string;
  rateHz: number;
  timestampResolutionNanos: bigint;
  /** default: reject-new */
  onFull?: OnFull;
  driver: OpenDriver;
}

export interface RateGroup<S extends SampledSource = SampledSource> {
  bus: 'native' | 'typescript';
  periodNanos: bigint;
  resolutionNanos: bigint;
  sources: S[];
  layout: RowLayout;
  /** SCHED_FIFO: the faster group preempts the slower, as in rate-monotonic scheduling */
  priority: number;
  ring: SharedArrayBuffer;
  status: BigUint64Array<SharedArrayBuffer>;
}

const BASE_PRIORITY = 50;
const HIGHEST_PRIORITY = 80;

/** Groups sources in the order in which they were configured and makes the memory of each group. */
export function makeRateGroups<S extends SampledSource>(
  sources: readonly S[],
  flushIntervalMs: number,
): RateGroup<S>[] {
  const members = new Map<string, S[]>();
  for (const source of sources) {
    const key = groupKey(source);
    members.set(key, [...(members.get(key) ?? []), source]);
  }
  const groups = [...members.values()];
  const periods = [...new Set(groups.map(([first]) => periodOf(first!.rateHz)))].sort(descending);
  return groups.map((group) => makeGroup(group, periods, flushIntervalMs));
}

function groupKey(source: SampledSource): string {
  const { rateHz, timestampResolutionNanos, onFull = 'reject-new', driver } = source;
  return [periodOf(rateHz), timestampResolutionNanos, busOf(driver), onFull].join(' ');
}

function busOf(driver: OpenDriver): 'native' | 'typescript' {
  return driver.native === undefined ? 'typescript' : 'native';
}

function descending(a: bigint, b: bigint): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

/** @throws CONFIG for more than can be had; what is too much for any machine is not asked for */
function ringOf(sources: readonly SampledSource[], bytes: number): SharedArrayBuffer {
  try {
    if (bytes <= RING_MAX_BYTES) return createRing(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  const [first] = sources;
  const channels = sources.reduce((sum, { driver }) => sum + driver.channels.length, 0);
  throw new HelicorderError(
    'CONFIG',
    `${channels} channels at ${first?.rateHz} Hz (${first?.name} and what it is sampled with) ` +
      `need a ring of ${bytes / GIB} GiB, which cannot be had: take fewer channels, ` +
      'a lower rate, or several recorders',
  );
}

function makeGroup<S extends SampledSource>(
  sources: S[],
  periods: bigint[],
  flushIntervalMs: number,
): RateGroup<S> {
  const [first] = sources as [S, ...S[]];
  const periodNanos = periodOf(first.rateHz);
  const layout = rowLayout(sources.map(({ driver }) => driver));
  return {
    bus: busOf(first.driver),
    periodNanos,
    resolutionNanos: first.timestampResolutionNanos,
    sources,
    layout,
    priority: Math.min(HIGHEST_PRIORITY, BASE_PRIORITY + periods.indexOf(periodNanos)),
    ring: ringOf(sources, ringBytes(layout.rowBytes, periodNanos, flushIntervalMs)),
    status: createStatus(),
  };
}
