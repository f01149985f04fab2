/** From the configuration to rate groups: drivers opened, rows laid out, rings and names given. */
import { isDeepStrictEqual } from 'node:util';
import { HelicorderError, errnoCode, isCode } from '../base/errors.ts';
import { ruleFor, type OnFull } from '../base/retention.ts';
import { ROUTING_KEY } from '../batch/schema.ts';
import type { RecorderConfig, SourceConfig } from '../config/config.ts';
import type { KnownDevice, OpenDriver } from '../drivers/driver.ts';
import { spinProblem } from '../config/spin.ts';
import { driverOf } from '../drivers/registry.ts';
import { makeRateGroups, type RateGroup } from '../sampler/rate-group.ts';
import type { RetentionEntry } from '../store/entries/retention-entry.ts';
import { openDriver } from '../sampler/driver-files.ts';
import type { GroupSpec } from '../collector/group-spec.ts';

/** Tick 0 of every schedule is the boot of the monotonic clock (docs/decisions/0001). */
export const T0_NANOS = 0n;

export interface PlannedSource {
  name: string;
  rateHz: number;
  timestampResolutionNanos: bigint;
  onFull: OnFull;
  driver: OpenDriver;
  config: SourceConfig;
  /** what its device said when the recorder began, and was away; it is waited for */
  away?: HelicorderError | undefined;
}

export interface PlannedGroup {
  group: RateGroup<PlannedSource>;
  /** what the writer thread needs of it */
  spec: GroupSpec;
}

export interface RecordingPlan {
  groups: PlannedGroup[];
  /** what of a configuration that was read again is not heeded */
  unheeded?: string[];
}

/** What is to be kept; undefined: one without sources keeps the store as it was told last. */
export function retentionOf(config: RecorderConfig): RetentionEntry | undefined {
  const { budget, retention: rules, sources } = config;
  return sources.length > 0 ? { budget, rules } : undefined;
}

/** What the status should say of it. */
export function warningsOf({ groups, unheeded = [] }: RecordingPlan): string[] {
  const away = groups
    .flatMap(({ group }) => group.sources)
    .flatMap(({ name, away }) =>
      away ? [`${name}: ${away.message}; gap(device) until it is there`] : [],
    );
  return [...away, ...unheeded];
}

export function closeDrivers(groups: readonly PlannedGroup[]): void {
  for (const { group } of groups) group.sources.forEach(({ driver }) => driver.close());
}

/**
 * Opens every driver; none, if the store is only kept.
 * @param running a source that is the same in it is not opened: its device may be away just now
 * @param mayBeAway a device that can be waited for; else that is an error
 * @throws HelicorderError CONFIG, DEVICE, REALTIME_REFUSED
 */
export function planGroups(
  config: RecorderConfig,
  running: RecordingPlan = { groups: [] },
  mayBeAway = false,
): RecordingPlan {
  refuseRealtime(config);
  refuseSpin(config);
  const known = running.groups.flatMap(({ group }) => group.sources);
  const byName = new Map(known.map((source) => [source.name, source]));
  const opened: PlannedSource[] = [];
  try {
    for (const source of config.sources) {
      opened.push(openSource(source, config, { running: byName.get(source.name), mayBeAway }));
    }
    const groups = makeRateGroups(opened, config.flushIntervalMs);
    return { groups: groups.map((group) => ({ group, spec: specOf(group) })) };
  } catch (error) {
    opened.forEach(({ driver }) => driver.close());
    throw error;
  }
}

/**
 * The same for a recorder that starts: of several devices some may be away. Where their driver
 * knows all else by their options, they are waited for.
 * @throws DEVICE, too, if none of them is there
 */
export function planStart(config: RecorderConfig): RecordingPlan {
  const plan = planGroups(config, undefined, true);
  const sources = plan.groups.flatMap(({ group }) => group.sources);
  const away = sources.flatMap((source) => source.away ?? []);
  if (away.length === 0 || away.length < sources.length) return plan;
  closeDrivers(plan.groups);
  throw away[0]!;
}

/** The sampler worker is a thread of JavaScript, which is never a real-time one. */
function refuseRealtime({ realtime, sources }: RecorderConfig): void {
  if (realtime !== 'require') return;
  const source = sources.find(({ driver }) => driverOf(driver).bus === 'typescript');
  if (source === undefined) return;
  throw new HelicorderError(
    'REALTIME_REFUSED',
    `realtime: require, but ${source.name} cannot have it: ` +
      `sources of ${source.driver} are not sampled by a real-time thread`,
  );
}

/** Of a configuration that a program has made, or changed: one that was read has been asked. */
function refuseSpin({ spinNanos, sources }: RecorderConfig): void {
  const problem = spinProblem(spinNanos, sources);
  if (problem !== undefined) throw new HelicorderError('CONFIG', `spin: ${problem}`);
}

function openSource(
  config: SourceConfig,
  { retention }: RecorderConfig,
  { running, mayBeAway }: { running: PlannedSource | undefined; mayBeAway: boolean },
): PlannedSource {
  const { onFull } = ruleFor(retention, config.stream);
  const { name, rateHz, timestampResolutionNanos } = config;
  const facts = { name, rateHz, timestampResolutionNanos, onFull, config };
  if (running !== undefined && isDeepStrictEqual(running.config, config)) {
    return { ...facts, driver: lent(running.driver), away: running.away };
  }
  const { driver, options } = config;
  try {
    return { ...facts, driver: openDriver(driver, options, name) };
  } catch (error) {
    const known = mayBeAway && isAway(error) ? driverOf(driver).known?.(options) : undefined;
    if (known === undefined) throw error;
    return { ...facts, driver: lent(known), away: error as HelicorderError };
  }
}

/** What is there and cannot be read, as a FIFO or another user's file, does not come by itself. */
function isAway(error: unknown): error is HelicorderError {
  if (!isCode(error, 'DEVICE')) return false;
  return error.cause === undefined || errnoCode(error.cause) === 'ENOENT';
}

/** What main knows of a driver that whoever reads it opens, or has opened: it closes it, too. */
function lent({ channels, attributes, native }: KnownDevice): OpenDriver {
  return { channels, attributes, ...(native && { native }), close: () => undefined };
}

/** Why the source's device cannot be opened here; undefined if it can. @throws CONFIG */
export function problemOf({ driver, options, name }: SourceConfig): string | undefined {
  try {
    openDriver(driver, options, name).close();
    return undefined;
  } catch (error) {
    if (isCode(error, 'DEVICE')) return error.message;
    throw error;
  }
}

function specOf(group: RateGroup<PlannedSource>): GroupSpec {
  const { ring, layout, periodNanos, resolutionNanos, sources } = group;
  return {
    ring,
    rowBytes: layout.rowBytes,
    validityOffset: layout.validityOffset,
    t0Nanos: T0_NANOS,
    periodNanos,
    resolutionNanos,
    sources: sources.map(({ name, config, driver }, i) => ({
      name,
      stream: config.stream,
      schema: { kind: 'samples', channels: driver.channels },
      samplesPerEvent: config.samplesPerEvent,
      writer: config.writer,
      attributes: [[ROUTING_KEY, config.routingKey], ...driver.attributes],
      channels: layout.sources[i]!.channels,
    })),
  };
}
