/** From the configuration to rate groups: drivers opened, rows laid out, rings and names given. */
import { isDeepStrictEqual } from 'node:util';
import { HelicorderError, isCode } from '../base/errors.ts';
import { ruleFor, type OnFull } from '../base/retention.ts';
import type { RecorderConfig, SourceConfig } from '../config/config.ts';
import type { OpenDriver } from '../drivers/driver.ts';
import { driverOf } from '../drivers/registry.ts';
import { makeRateGroups, type RateGroup } from '../sampler/rate-group.ts';
import { driverFiles } from './driver-files.ts';
import type { GroupSpec } from './group-spec.ts';

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
  /** what of a configuration that was read again is not heeded */
  warnings?: string[];
}

export function closeDrivers(groups: readonly PlannedGroup[]): void {
  for (const { group } of groups) group.sources.forEach(({ driver }) => driver.close());
}

/**
 * Opens every driver; none, if the store is only kept.
 * @param running a source that is the same in it is not opened: its device may be away just now
 * @throws HelicorderError CONFIG, DEVICE, REALTIME_REFUSED
 */
export function planGroups(
  config: RecorderConfig,
  running: RecordingPlan = { groups: [] },
): RecordingPlan {
  refuseRealtime(config);
  const known = running.groups.flatMap(({ group }) => group.sources);
  const byName = new Map(known.map((source) => [source.name, source]));
  const opened: PlannedSource[] = [];
  try {
    for (const source of config.sources) {
      opened.push(openSource(source, config, byName.get(source.name)));
    }
    const groups = makeRateGroups(opened, config.flushIntervalMs);
    return { groups: groups.map((group) => ({ group, spec: specOf(group) })) };
  } catch (error) {
    opened.forEach(({ driver }) => driver.close());
    throw error;
  }
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
  running: PlannedSource | undefined,
): PlannedSource {
  const { onFull } = ruleFor(retention, config.stream);
  const { name, rateHz, timestampResolutionNanos } = config;
  const isSame = running !== undefined && isDeepStrictEqual(running.config, config);
  const driver = isSame ? lent(running.driver) : openDriver(config.driver, config.options, name);
  return { name, rateHz, timestampResolutionNanos, onFull, driver, config };
}

/** What main knows of a driver that is open; it is closed by whoever has opened it. */
function lent({ channels, attributes, native }: OpenDriver): OpenDriver {
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
      attributes: [['RemoteAddr', config.routingKey], ...driver.attributes],
      channels: layout.sources[i]!.channels,
    })),
  };
}
