/** From the configuration to rate groups: drivers opened, rows laid out, rings and names given. */
import { isCode } from '../base/errors.ts';
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

/** Opens every driver; none, if the store is only kept. @throws HelicorderError CONFIG, DEVICE */
export function planGroups(config: RecorderConfig): RecordingPlan {
  const opened: PlannedSource[] = [];
  try {
    for (const source of config.sources) opened.push(openSource(source, config));
    const groups = makeRateGroups(opened, config.flushIntervalMs);
    return { groups: groups.map((group) => ({ group, spec: specOf(group) })) };
  } catch (error) {
    opened.forEach(({ driver }) => driver.close());
    throw error;
  }
}

function openSource(config: SourceConfig, { retention }: RecorderConfig): PlannedSource {
  const { onFull } = ruleFor(retention, config.stream);
  const { name, rateHz, timestampResolutionNanos } = config;
  const driver = openDriver(config.driver, config.options, name);
  return { name, rateHz, timestampResolutionNanos, onFull, driver, config };
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
