/** From the configuration to rate groups: drivers opened, rows laid out, rings and names given. */
import { isDeepStrictEqual } from 'node:util';
import { HelicorderError, errnoCode, isCode } from '../base/errors.ts';
import { ruleFor, type OnFull } from '../base/retention.ts';
import { ROUTING_KEY } from '../batch/schema.ts';
import type { RecorderConfig, SourceConfig } from '../config/config.ts';
import type { KnownDevice, OpenDriver } from '../drivers/driver.ts';
import { driverOf } from '../drivers/registry.ts';
import { makeRateGroups, type RateGroup } from '../sampler/rate-group.ts';
import { driverFiles } from './driver-files.ts';
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
}

export interface PlannedGroup {
  group: RateGroup<PlannedSource>;
  /** what the writer thread needs of it */
  spec: GroupSpec;
}

export interface RecordingPlan {
  groups: PlannedGroup[];
  /** devices that were away; what of a configuration that was read again is not heeded */
  warnings?: string[];
}

type OnAway = (source: SourceConfig, why: HelicorderError) => void;

export function closeDrivers(groups: readonly PlannedGroup[]): void {
  for (const { group } of groups) group.sources.forEach(({ driver }) => driver.close());
}

/**
 * Opens every driver; none, if the store is only kept.
 * @param running a source that is the same in it is not opened: its device may be away just now
 * @param onAway is told of a device that is away and can be waited for, which else is an error
 * @throws HelicorderError CONFIG, DEVICE, REALTIME_REFUSED
 */
export function planGroups(
  config: RecorderConfig,
  running: RecordingPlan = { groups: [] },
  onAway?: OnAway,
): RecordingPlan {
  refuseRealtime(config);
  const known = running.groups.flatMap(({ group }) => group.sources);
  const byName = new Map(known.map((source) => [source.name, source]));
  const opened: PlannedSource[] = [];
  try {
    for (const source of config.sources) {
      opened.push(openSource(source, config, { running: byName.get(source.name), onAway }));
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
  const away: { source: SourceConfig; why: HelicorderError }[] = [];
  const plan = planGroups(config, undefined, (source, why) => away.push({ source, why }));
  const [first] = away;
  if (first && away.length === config.sources.length) {
    closeDrivers(plan.groups);
    throw first.why;
  }
  const warnings = away.map(
    ({ source, why }) => `${source.name}: ${why.message}; gap(device) until it is there`,
  );
  return { ...plan, warnings };
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

function openSource(
  config: SourceConfig,
  { retention }: RecorderConfig,
  { running, onAway }: { running: PlannedSource | undefined; onAway: OnAway | undefined },
): PlannedSource {
  const { onFull } = ruleFor(retention, config.stream);
  const { name, rateHz, timestampResolutionNanos } = config;
  const isSame = running !== undefined && isDeepStrictEqual(running.config, config);
  const driver = isSame ? lent(running.driver) : openedOrAway(config, onAway);
  return { name, rateHz, timestampResolutionNanos, onFull, driver, config };
}

function openedOrAway(config: SourceConfig, onAway: OnAway | undefined): OpenDriver {
  const { driver, options, name } = config;
  try {
    return openDriver(driver, options, name);
  } catch (error) {
    if (onAway === undefined || !isAway(error)) throw error;
    const known = driverOf(driver).known?.(options);
    if (known === undefined) throw error;
    onAway(config, error);
    return lent(known);
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

export function openDriver(
  kind: string,
  options: Record<string, unknown>,
  sourceName: string,
): OpenDriver {
  return driverOf(kind).open(options, { files: driverFiles, sourceName });
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
