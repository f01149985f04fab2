/**
 * A configuration read again: what of a running recorder has to change for it.
 *
 * A rate group is the unit: what its sources share (thread, ring, times) is made for just them. One
 * that is the same in both configurations goes on, without a gap. Others are ended and begun anew,
 * with new runs, and what they miss meanwhile is gap(stopped). The groups of TypeScript drivers
 * share one thread: they change together.
 */
import { HelicorderError } from '../base/errors.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { ReloadReport } from '../tools/types.ts';
import type { PlannedGroup, RecordingPlan } from './plan.ts';

/** What is made once, when the recorder starts; as keys of the configuration. */
const FIXED: readonly [keyof RecorderConfig, string][] = [
  ['dataDir', 'store.dir'],
  ['segmentBytes', 'store.segmentSize'],
  ['realtime', 'realtime'],
  ['cpu', 'cpu'],
  ['durationMs', 'duration'],
];

/** @throws CONFIG, naming the keys that a running recorder cannot change */
export function checkFixed(now: RecorderConfig, next: RecorderConfig): void {
  const changed = FIXED.filter(([key]) => now[key] !== next[key]).map(([, name]) => name);
  if (changed.length === 0) return;
  throw new HelicorderError(
    'CONFIG',
    `to change ${changed.join(', ')}, stop and start the recorder; nothing was changed`,
  );
}

export interface GroupChanges {
  kept: PlannedGroup[];
  ended: PlannedGroup[];
  begun: PlannedGroup[];
  /** made for the new configuration, and not needed: the old ones go on */
  spare: PlannedGroup[];
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
  };
}

/** All that decides what a group samples, and how. */
function identity({ group }: PlannedGroup): string {
  const { bus, periodNanos, resolutionNanos, sources } = group;
  const facts = sources.map(({ config, driver }) => [config, driver.channels, driver.attributes]);
  return JSON.stringify([bus, periodNanos, resolutionNanos, facts], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

export function reportOf(
  now: RecorderConfig,
  next: RecorderConfig,
  { begun }: GroupChanges,
): ReloadReport {
  const [before, after] = [now, next].map(({ sources }) => sources.map(({ name }) => name));
  const again = begun.flatMap(({ group }) => group.sources.map(({ name }) => name));
  return {
    started: after!.filter((name) => !before!.includes(name)),
    ended: before!.filter((name) => !after!.includes(name)),
    restarted: again.filter((name) => before!.includes(name)),
    settings: now.flushIntervalMs === next.flushIntervalMs ? [] : ['store.flush'],
  };
}
