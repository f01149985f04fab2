/**
 * Configuration: from files, environment and flags to what the recorder runs with.
 *
 *   files ──────────┐  config-file.ts: YAML, TOML, ${VAR:-default}, the place of every key
 *   environment ────┤  layers.ts:      one tree, later over earlier, the origin of every key
 *   flags ──────────┤  settings.ts:    which keys are flags and variables
 *                   ▼
 *   schema.ts: validation, units, defaults        document.ts: reference and sample file
 *                   ▼
 *   resolveConfig(): RecorderConfig + every effective value with its origin
 *
 * Precedence: flag > environment > file > default. There is exactly one schema; what a flag
 * accepts, a file accepts, with the same words in the error. Errors about flags are USAGE (exit
 * 64), since the command is wrong; errors about files and the environment are CONFIG (exit 78),
 * since the command was right. Both name the place and what was expected, and an unknown key is
 * always an error: a misspelled `rate` that silently records at another rate is a loss of data.
 *
 * Keys that do nothing yet do not exist here, for the same reason.
 *
 * Drivers bring their own options (`DriverFace`); they are checked in one object with the common
 * keys of a source, and handed on as the driver's schema made them, defaults included.
 *
 * Nothing here touches the system: files, environment and host name are given by the caller.
 */
import { HelicorderError } from '../base/errors.ts';
import type { RetentionRule } from '../base/retention.ts';
import { DRIVERS } from '../drivers/registry.ts';
import { copyConfigs, copyValues, type CopyConfig } from './copies.ts';
import { expandEach, templateSchema } from './each.ts';
import type { ConfigFiles, Environment } from './config-file.ts';
import { DEFAULT_ORIGIN, findConfigFiles, isTree, pathText, readLayers } from './layers.ts';
import type { EffectiveValue, Layers, Origin, Tree } from './layers.ts';
import { generalRetention, retentionRules, sourceRetention } from './retention.ts';
import type { SourceRetention } from './retention.ts';
import {
  configSchema,
  DEFAULT_STREAM,
  schemaOfSource,
  SOURCES_MAX,
  sourceSchema,
  SPIN_DEFAULT,
} from './schema.ts';
import type { ConfigTree, DriverFace, SourceTree } from './schema.ts';
import { segmentBytesOf } from './segment-size.ts';
import { applySettings, checkVariables, driverOf, keysAt } from './settings.ts';
import { spinProblem } from './spin.ts';
import { parseTexts } from './texts.ts';
import { formatDuration, formatDurationMs, formatSize } from './units.ts';

/** One device to record, ready to be opened by its driver. */
export interface SourceConfig {
  /** unique among the sources */
  name: string;
  /** kind of the driver */
  driver: string;
  /** checked by the driver's own schema, its defaults filled in */
  options: Record<string, unknown>;
  /** `scope/name`, unique among the sources */
  stream: string;
  rateHz: number;
  samplesPerEvent: number;
  timestampResolutionNanos: bigint;
  routingKey: string;
  /** identity under which samples are numbered; stays the same when the host is renamed */
  writer: string;
}

export interface RecorderConfig {
  dataDir: string;
  flushIntervalMs: number;
  segmentBytes: number;
  /** bytes of everything in the store, undefined: no limit; bytes left free on its disk */
  budget: { bytes: number | undefined; minFreeBytes: number };
  /** undefined: in the store */
  chunksDir: string | undefined;
  /** the first that matches a stream counts (`ruleFor`); the last one matches all */
  retention: RetentionRule[];
  realtime: 'auto' | 'off' | 'require';
  /** −1: not pinned */
  cpu: number;
  /** how long native threads poll the clock before a tick; less than half of each period */
  spinNanos: number;
  /** the longest that a processor may take to wake, µs; undefined: as the kernel decides */
  cpuDmaLatencyMicros: number | undefined;
  /** undefined: until told to stop */
  durationMs: number | undefined;
  /** streams that are copied into other stores while they are recorded */
  copies: CopyConfig[];
  sources: SourceConfig[];
}

export interface ConfigRequest {
  files: ConfigFiles;
  environment: Environment;
  hostName: string;
  /** those of Helicorder, or fewer */
  drivers: readonly DriverFace[];
  /** `--config`; undefined: search */
  path?: string | undefined;
  /** flag without dashes → text as given; any other key is an error, as on the command line */
  flags?: Readonly<Record<string, string>>;
}

export interface ResolvedConfig {
  config: RecorderConfig;
  values: EffectiveValue[];
  /** the files that were read */
  paths: string[];
}

/**
 * @throws HelicorderError USAGE if a flag or a driver, CONFIG if a file or the environment is at
 * fault; the message names flag, variable or file and line
 */
export function resolveConfig(request: ConfigRequest): ResolvedConfig {
  const { files, environment, drivers } = request;
  checkDrivers(drivers);
  const paths = findConfigFiles(files, request.path);
  const layers = readLayers(files, paths, environment);
  if (layers.tree.sources === undefined) {
    layers.replaceSources({ source: 'network' }, DEFAULT_ORIGIN);
  }
  checkVariables(layers, drivers, environment);
  applySettings(layers, drivers, environment, request.flags ?? {});
  const tree = checkTree(layers);
  const segmentBytes = segmentBytesOf(layers, tree);
  const values = globalValues(layers, tree, segmentBytes);
  const sources = resolveSources({ request, layers, tree, values });
  if (sources.length === 0) throw layers.error(['sources'], 'there is nothing to record');
  checkUnique(layers, sources);
  const unfit = spinProblem(
    tree.spin,
    sources.map(({ config: source }) => source),
  );
  if (unfit !== undefined) throw layers.error(['spin'], unfit);
  const config: RecorderConfig = {
    dataDir: tree.store.dir,
    flushIntervalMs: tree.store.flush,
    segmentBytes,
    budget: { bytes: tree.store.budget.bytes, minFreeBytes: tree.store.budget.minFree },
    chunksDir: tree.chunks.dir,
    retention: retentionRules(
      tree,
      sources.map(({ retention }) => retention),
    ),
    realtime: tree.realtime,
    cpu: tree.cpu,
    spinNanos: tree.spin,
    cpuDmaLatencyMicros: tree.cpuDmaLatency,
    durationMs: tree.duration,
    copies: copyConfigs(
      layers,
      tree.copies,
      sources.map(({ config: { stream } }) => stream),
      tree.store.dir,
    ),
    sources: sources.map(({ config: source }) => source),
  };
  return { config, values, paths };
}

/** A sampler is a thread of its own, and has the drivers of the source tree: it takes no other. */
function checkDrivers(drivers: readonly DriverFace[]): void {
  const known: string[] = DRIVERS.map(({ kind }) => kind);
  const other = drivers.find(({ kind }) => !known.includes(kind));
  if (other === undefined) return;
  throw new HelicorderError(
    'USAGE',
    `drivers: a recorder has none of the kind "${other.kind}", only ${known.join(', ')}; ` +
      'one more is added in the source tree, see docs/adding-a-driver.md',
  );
}

function checkTree(layers: Layers): ConfigTree {
  const result = parseTexts(configSchema, layers.tree);
  if (result.success) return result.data;
  throw layers.errorOf(result.error, [], (path) => keysAt(configSchema, path));
}

function globalValues(layers: Layers, tree: ConfigTree, segmentBytes: number): EffectiveValue[] {
  const value = (path: string[], fallback: unknown): EffectiveValue => ({
    key: pathText(path),
    value:
      path.reduce<unknown>((at, key) => (isTree(at) ? at[key] : undefined), layers.tree) ??
      fallback,
    origin: originOfKey(layers, path).name,
  });
  return [
    value(['store', 'dir'], tree.store.dir),
    value(['store', 'flush'], formatDurationMs(tree.store.flush)),
    value(['store', 'segmentSize'], formatSize(segmentBytes)),
    value(['store', 'budget', 'bytes'], null),
    value(['store', 'budget', 'minFree'], formatSize(tree.store.budget.minFree)),
    value(['chunks', 'dir'], null),
    value(['realtime'], tree.realtime),
    value(['cpu'], tree.cpu),
    value(['spin'], SPIN_DEFAULT),
    value(['cpuDmaLatency'], null),
    value(['duration'], null),
    ...generalRetention(layers, tree),
    ...tree.copies.flatMap((copy, i) => copyValues(layers, copy, i)),
  ];
}

function originOfKey(layers: Layers, path: (string | number)[]): Origin {
  return layers.has(path) ? layers.originOf(path) : DEFAULT_ORIGIN;
}

interface SourcesContext {
  request: ConfigRequest;
  layers: Layers;
  tree: ConfigTree;
  values: EffectiveValue[];
}

interface SourceContext extends SourcesContext {
  source: unknown;
  index: number;
}

interface ResolvedSource {
  config: SourceConfig;
  retention: SourceRetention;
  /** place in `sources` */
  index: number;
}

function resolveSources(context: SourcesContext): ResolvedSource[] {
  const all: ResolvedSource[] = [];
  for (const [index, source] of (context.tree.sources ?? []).entries()) {
    const found = resolveSource({ ...context, source, index });
    if (all.length + found.length > SOURCES_MAX) {
      const why = `with it there are more than ${SOURCES_MAX} sources`;
      throw context.layers.error(['sources', index], why);
    }
    all.push(...found);
  }
  return all;
}

function resolveSource(context: SourceContext): ResolvedSource[] {
  const { layers, tree, source, index, values } = context;
  const path = ['sources', index];
  if (!isTree(source)) throw layers.error(path, 'expected keys such as {source: network}');
  const named = expandEach(layers, source, path).map((one) => checkSource(context, one));
  const many = named.reduce((sum, { given }) => sum + (given.count ?? 1), 0);
  if (many > SOURCES_MAX) {
    throw layers.error(path, `stands for ${many} sources, at most ${SOURCES_MAX}`);
  }
  const all = named.flatMap(({ config, given }) =>
    multiply(config, given.count).map((one) => ({
      config: one,
      retention: { stream: one.stream, own: given },
      index,
    })),
  );
  const [{ config, given }] = named as [CheckedSource];
  values.push(...sourceValues(layers, asWritten(config, source), given.count, index));
  values.push(...sourceRetention(layers, tree, all[0]!.retention, index));
  return all;
}

interface CheckedSource {
  config: SourceConfig;
  given: SourceTree & Tree;
}

function checkSource({ request, layers, tree, index }: SourceContext, source: Tree): CheckedSource {
  const path = ['sources', index];
  const driver = driverOf(layers, request.drivers, source, index);
  const schema = schemaOfSource(driver);
  const result = parseTexts(schema, source);
  if (!result.success) {
    throw layers.errorOf(result.error, path, (at) => [...keysAt(schema, at), ...templateKeys(at)]);
  }
  const given = result.data as SourceTree & Tree;
  if (given.count !== undefined && driver.kind !== 'synthetic') {
    throw layers.error([...path, 'count'], 'only synthetic sources can be multiplied');
  }
  const stream = given.stream ?? DEFAULT_STREAM;
  const name = given.name ?? lastPart(stream);
  const config: SourceConfig = {
    name,
    driver: driver.kind,
    options: driverOptions(given),
    stream,
    rateHz: given.rate ?? tree.defaults.rate,
    samplesPerEvent: given.samplesPerEvent ?? tree.defaults.samplesPerEvent,
    timestampResolutionNanos: given.timestampResolution ?? tree.defaults.timestampResolution,
    routingKey: given.routingKey ?? tree.defaults.routingKey ?? request.hostName,
    writer: given.writer ?? name,
  };
  return { config, given };
}

const templateKeys = (path: readonly unknown[]): string[] =>
  path.length === 0 ? Object.keys(templateSchema.shape) : [];

function lastPart(stream: string): string {
  return stream.slice(stream.indexOf('/') + 1);
}

/** One of the sources that an entry with `each` stands for, with the texts of the entry. */
function asWritten(config: SourceConfig, source: Tree): SourceConfig & Tree {
  if (source.each === undefined) return { ...config };
  const text = (key: string, other: string): string =>
    typeof source[key] === 'string' ? source[key] : other;
  const stream = text('stream', config.stream);
  const name = text('name', lastPart(stream));
  const options = Object.keys(config.options).map((key) => [
    key,
    source[key] ?? config.options[key],
  ]);
  return {
    ...config,
    ...{ each: source.each, name, stream, writer: text('writer', name) },
    routingKey: text('routingKey', config.routingKey),
    options: Object.fromEntries(options) as Tree,
  };
}

function driverOptions(given: Tree): Record<string, unknown> {
  const entries = Object.entries(given).filter(([key]) => !(key in sourceSchema.shape));
  return Object.fromEntries(entries);
}

/** `count` synthetic sources, each with a seed of its own so that no two are alike. */
function multiply(config: SourceConfig, count: number | undefined): SourceConfig[] {
  if (count === undefined) return [config];
  const seed = typeof config.options.seed === 'number' ? config.options.seed : undefined;
  return Array.from({ length: count }, (_, i) => ({
    ...config,
    name: `${config.name}-${i}`,
    stream: `${config.stream}-${i}`,
    writer: `${config.writer}-${i}`,
    options: { ...config.options, ...(seed === undefined ? {} : { seed: seed + i }) },
  }));
}

function sourceValues(
  layers: Layers,
  config: SourceConfig & Tree,
  count: number | undefined,
  index: number,
): EffectiveValue[] {
  const facts: [string, unknown][] = [
    ['source', config.driver],
    ...(config.each === undefined ? [] : ([['each', config.each]] satisfies [string, unknown][])),
    ['name', config.name],
    ['stream', config.stream],
    ['writer', config.writer],
    ...(count === undefined ? [] : ([['count', count]] satisfies [string, unknown][])),
    ['rate', config.rateHz],
    ['samplesPerEvent', config.samplesPerEvent],
    ['timestampResolution', formatDuration(config.timestampResolutionNanos)],
    ['routingKey', config.routingKey],
    ...Object.entries(config.options),
  ];
  return facts.map(([key, value]) => {
    const path = ['sources', index, key];
    const own = originOfKey(layers, path);
    // a single source that only flags describe has its kind from where the list comes from
    const inherited =
      key === 'source' ? layers.originOf(path) : originOfKey(layers, ['defaults', key]);
    return { key: pathText(path), value, origin: (own.kind === 'default' ? inherited : own).name };
  });
}

function checkUnique(layers: Layers, sources: ResolvedSource[]): void {
  for (const key of ['stream', 'name'] as const) {
    const seen = new Set<string>();
    for (const { config, index } of sources) {
      if (seen.has(config[key])) {
        throw layers.error(['sources', index, key], `"${config[key]}" is used by another source`);
      }
      seen.add(config[key]);
    }
  }
}
