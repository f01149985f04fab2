/**
 * A configuration read again: what of a running recorder has to change for it.
 *
 * A rate group is the unit: what its sources share (thread, ring, times) is made for just them. One
 * that is the same in both configurations goes on, without a gap. Others are ended and begun anew,
 * with new runs, and what they miss meanwhile is gap(stopped). The groups of TypeScript drivers
 * share one thread: they change together. What is kept, and for how long, is told to the store
 * before anything begins. The device of a source that stays as it is need not be
 * there just now.
 */
import { HelicorderError } from '../base/errors.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { ReloadReport } from '../tools/types.ts';
import { keptEvents } from '../collector/group-spec.ts';
import type { PlannedGroup, RecordingPlan } from './plan.ts';

/**
 * What takes effect only when the recorder starts, with its keys in the configuration: all but what
 * is named here.
 */
type Fixed = Exclude<keyof RecorderConfig, 'flushIntervalMs' | 'retention' | 'sources'>;

const FIXED: Readonly<Record<Fixed, string>> = {
  dataDir: 'store.dir',
  segmentBytes: 'store.segmentSize',
  budget: 'store.budget',
  chunksDir: 'chunks.dir',
  realtime: 'realtime',
  cpu: 'cpu',
  spinNanos: 'spin',
  cpuDmaLatencyMicros: 'cpuDmaLatency',
  durationMs: 'duration',
  copies: 'copies',
};

/** @throws CONFIG, naming the keys that a running recorder cannot change */
export function checkFixed(now: RecorderConfig, next: RecorderConfig): void {
  const keys = Object.keys(FIXED) as Fixed[];
  const changed = keys.filter((key) => jsonOf(now[key]) !== jsonOf(next[key]));
  if (changed.length === 0) return;
  const names = changed.map((key) => FIXED[key]).join(', ');
  throw new HelicorderError(
    'CONFIG',
    `to change ${names}, stop and start the recorder; nothing was changed`,
  );
}

function jsonOf(value: unknown): string {
  const plain = (_: string, part: unknown): unknown =>
    typeof part === 'bigint' ? String(part) : part;
  return JSON.stringify([value], plain);
}

export interface GroupChanges {
  kept: PlannedGroup[];
  ended: PlannedGroup[];
  begun: PlannedGroup[];
  /** made for the new configuration, and not needed: the old ones go on */
  spare: PlannedGroup[];
  /** what the old ones that go on do not take over */
  warnings: string[];
}

export function groupChanges(now: RecordingPlan, next: RecordingPlan): GroupChanges {
  const found = new Map(now.groups.map((group) => [identity(group), group]));
  const isKept = (group: PlannedGroup): boolean => {
    const same = found.get(identity(group));
    return same !== undefined && same.spec.ring.byteLength >= group.spec.ring.byteLength;
  };
  const isScripted = ({ group }: PlannedGroup): boolean => group.bus === 'typescript';
  const scripted = next.groups.filter(isScripted);
  const keepsScripted =
    scripted.every(isKept) && scripted.length === now.groups.filter(isScripted).length;
  const spare = next.groups.filter((group) => (isScripted(group) ? keepsScripted : isKept(group)));
  const kept = spare.map((group) => found.get(identity(group))!);
  return {
    kept,
    spare,
    ended: now.groups.filter((group) => !kept.includes(group)),
    begun: next.groups.filter((group) => !spare.includes(group)),
    warnings: kept.flatMap((group, i) => unheeded(group, spare[i]!)),
  };
}

function unheeded({ group: kept }: PlannedGroup, { group: next }: PlannedGroup): string[] {
  return kept.sources
    .map(({ config }) => config)
    .filter(({ samplesPerEvent }, i) => {
      return samplesPerEvent !== next.sources[i]!.config.samplesPerEvent;
    })
    .map(({ stream }) => keptEvents(stream));
}

/**
 * All that decides what a group samples, and how: not how many samples are an event, which a stream
 * keeps for good.
 */
function identity({ group }: PlannedGroup): string {
  const { bus, periodNanos, resolutionNanos, sources } = group;
  const facts = sources.map(({ config: { samplesPerEvent: _, ...config }, driver }) => {
    return [config, driver.channels, driver.attributes];
  });
  return jsonOf([bus, periodNanos, resolutionNanos, facts]);
}

export function reportOf(
  now: RecorderConfig,
  next: RecorderConfig,
  { begun, warnings }: GroupChanges,
): ReloadReport {
  const [before, after] = [now, next].map(({ sources }) => sources.map(({ name }) => name));
  const again = begun.flatMap(({ group }) => group.sources.map(({ name }) => name));
  return {
    started: after!.filter((name) => !before!.includes(name)),
    ended: before!.filter((name) => !after!.includes(name)),
    restarted: again.filter((name) => before!.includes(name)),
    settings: [
      ...(now.flushIntervalMs === next.flushIntervalMs ? [] : ['store.flush']),
      ...(jsonOf(now.retention) === jsonOf(next.retention) ? [] : ['retain, onFull or class']),
    ],
    warnings,
  };
}
