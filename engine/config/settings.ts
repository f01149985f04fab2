/**
 * The keys that can also be given as a flag of `run` or an environment variable: all scalar ones.
 * A flag is the kebab-case of its key, without `store`, `defaults` and `sources` before it; only
 * `--data-dir` and `--flush-ms` have names of their own. The environment variable is HELICORDER_
 * and the flag in capitals: HELICORDER_SAMPLES_PER_EVENT.
 */
import * as z from 'zod';
import { HelicorderError } from '../base/errors.ts';
import { configError, type Environment, type Path } from './config-file.ts';
import type { Layers, Origin, Tree } from './layers.ts';
import { hintOf, isTree } from './layers.ts';
import { singleKeys, schemaOfSource, sourceSchema, type DriverFace } from './schema.ts';

export interface Setting {
  /** without the dashes */
  flag: string;
  variable: string;
  description: string;
  /** what the flag takes, as in `--rate <rate>` */
  takes: string;
  /** key path of a setting of the whole recorder, or within a source */
  at: { path: string[] } | { inSource: string[] };
  defaultText: string | undefined;
}

/** One key of the schema as people read about it. */
export interface KeyFacts {
  /** `budget.bytes`: the keys of `path` */
  key: string;
  path: string[];
  description: string;
  type: string;
  defaultText: string | undefined;
}

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** Describes the keys of an object schema, in its order, those of groups within it one by one. */
export function factsOf(shape: Shape, within: readonly string[] = []): KeyFacts[] {
  return Object.entries(shape).flatMap(([key, field]) => {
    const { schema, defaultValue } = unwrap(field);
    const path = [...within, key];
    const keys = shapeOf(schema);
    if (keys) return factsOf(keys, path);
    const meta = z.globalRegistry.get(field) ?? z.globalRegistry.get(schema) ?? {};
    return {
      key: path.join('.'),
      path,
      description: typeof meta.description === 'string' ? meta.description : '',
      type: typeof meta.type === 'string' ? meta.type : typeName(schema),
      defaultText: defaultValue === undefined ? undefined : plainText(defaultValue),
    };
  });
}

/** The same for what stands in its lists of objects: `channels[].name`. */
export function factsOfElements(shape: Shape): KeyFacts[] {
  return Object.entries(shape).flatMap(([key, field]) => {
    const { schema } = unwrap(field);
    const keys = schema instanceof z.ZodArray ? shapeOf(unwrap(schema.element).schema) : undefined;
    return keys ? factsOf(keys).map((fact) => ({ ...fact, key: `${key}[].${fact.key}` })) : [];
  });
}

function shapeOf(schema: z.core.$ZodType): Shape | undefined {
  return schema instanceof z.ZodObject ? schema.shape : undefined;
}

/** The field at a path of a schema, through optional ones, defaults and lists. */
function fieldAt(field: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return field;
  const { schema } = unwrap(field);
  const next = schema instanceof z.ZodArray ? schema.element : shapeOf(schema)?.[key];
  return next === undefined ? undefined : fieldAt(next, rest);
}

/** The keys that may stand at a path of a schema; none where it is no object. */
export function keysAt(field: z.core.$ZodType, path: Path): string[] {
  const found = fieldAt(field, path);
  return Object.keys((found && shapeOf(unwrap(found).schema)) ?? {});
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

interface WrapperDef {
  type: string;
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  defaultValue?: unknown;
  options?: readonly z.core.$ZodType[];
}

function unwrap(field: z.core.$ZodType): { schema: z.core.$ZodType; defaultValue: unknown } {
  let schema = field;
  let defaultValue: unknown;
  for (;;) {
    const def = schema._zod.def as WrapperDef;
    if (def.type === 'default' || def.type === 'prefault') defaultValue ??= def.defaultValue;
    const inner = def.innerType ?? def.in;
    if (!inner) return { schema, defaultValue };
    schema = inner;
  }
}

function typeName(field: z.core.$ZodType): string {
  const { schema } = unwrap(field);
  const def = schema._zod.def as WrapperDef;
  if (def.type === 'union') return (def.options ?? []).map(typeName).join(' or ');
  if (def.type === 'literal' || def.type === 'enum') return [...schema._zod.values!].join(' or ');
  return TYPE_NAMES[def.type] ?? def.type;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  boolean: 'true or false',
  array: 'list',
};

/** `chunks.dir` → `chunks-dir` */
function kebab(key: string): string {
  return key.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

const OWN_NAMES: Readonly<Record<string, string>> = {
  'store.dir': 'data-dir',
  'store.flush': 'flush-ms',
};

/** All settings, those of the recorder first; a key that several drivers share appears once. */
export function settingsOf(drivers: readonly DriverFace[]): Setting[] {
  const { store, defaults, ...top } = singleKeys;
  const inDefaults = factsOf(defaults.def.innerType.shape);
  const all: Setting[] = [];
  const add = (facts: KeyFacts, at: Setting['at']): void => {
    const own = 'path' in at ? OWN_NAMES[at.path.join('.')] : undefined;
    const flag = own ?? kebab(facts.key);
    if (all.some((setting) => setting.flag === flag)) return;
    const variable = `HELICORDER_${flag.toUpperCase().replaceAll('-', '_')}`;
    const isMillis = flag === 'flush-ms';
    const { description } = facts;
    const defaultText = isMillis ? facts.defaultText?.replace('ms', '') : facts.defaultText;
    const takes = isMillis ? 'milliseconds' : facts.type.replace(/,? or |, /g, '|');
    all.push({ flag, variable, description, takes, at, defaultText });
  };
  for (const facts of factsOf(store.def.innerType.shape)) {
    add(facts, { path: ['store', ...facts.path] });
  }
  for (const facts of factsOf(sourceSchema.shape)) {
    const shared = inDefaults.find(({ key }) => key === facts.key);
    add(shared ?? facts, { inSource: facts.path });
  }
  for (const { options } of drivers) {
    for (const facts of factsOf(options.shape)) add(facts, { inSource: facts.path });
  }
  for (const facts of factsOf(top)) add(facts, { path: facts.path });
  return all;
}

/** Those of the project's own tests and benchmarks. */
const OTHER_VARIABLES: readonly string[] = [
  ...['FAILPOINT', 'SIM_TRACE', 'CORPUS', 'DATA'],
  ...['SOAK', 'SOAK_MS', 'SEED', 'SEEDS', 'COPY_SEEDS', 'TRACES'],
].map((name) => `HELICORDER_${name}`);
/** Kubernetes puts these into every pod beside a service with the name of this program. */
const OF_A_SERVICE = /^HELICORDER_(SERVICE|PORT)(_|$)/;

/** @throws CONFIG for a variable that would do nothing: it is a misspelled setting */
export function checkVariables(
  layers: Layers,
  drivers: readonly DriverFace[],
  environment: Environment,
): void {
  const settings = settingsOf(drivers).map(({ variable }) => variable);
  const known = new Set([...settings, ...OTHER_VARIABLES, ...layers.variables]);
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('HELICORDER_') || !value || known.has(name)) continue;
    if (OF_A_SERVICE.test(name)) continue;
    throw configError(name, `unknown variable, ${hintOf(name, settings)}`);
  }
}

interface Given {
  setting: Setting;
  text: string;
  origin: Origin;
}

/**
 * Lays environment and flags, in this order, over the files.
 * @throws HelicorderError USAGE for a flag that is none
 */
export function applySettings(
  layers: Layers,
  drivers: readonly DriverFace[],
  environment: Environment,
  flags: Readonly<Record<string, string>>,
): void {
  const given: Given[] = [];
  const settings = settingsOf(drivers);
  checkFlags(settings, flags);
  for (const setting of settings) {
    const text = environment[setting.variable];
    const origin: Origin = { kind: 'environment', name: setting.variable };
    if (text !== undefined && text !== '') given.push({ setting, text, origin });
  }
  for (const setting of settings) {
    const text = flags[setting.flag];
    if (text !== undefined) given.push({ setting, text, origin: flagOrigin(setting) });
  }
  for (const item of given) if ('path' in item.setting.at) applyGlobal(layers, item);
  applyToSources(
    layers,
    drivers,
    given.filter(({ setting }) => 'inSource' in setting.at),
  );
}

/** The command line knows its flags; a program may misspell one, or give a number. */
function checkFlags(settings: readonly Setting[], flags: Readonly<Record<string, unknown>>): void {
  const known = settings.map(({ flag }) => flag);
  for (const [flag, text] of Object.entries(flags)) {
    const isKnown = known.includes(flag);
    if (isKnown && (text === undefined || typeof text === 'string')) continue;
    const longer = known.filter((one) => one.startsWith(`${flag}-`));
    const hint = longer.length > 0 ? `known: ${longer.join(', ')}` : hintOf(flag, known);
    const why = isKnown ? 'expected text, as on the command line' : `unknown flag, ${hint}`;
    const option = `--${flag.replace(/^-+/, '')}`;
    throw new HelicorderError('USAGE', `${option}: ${why}`, { details: { option } });
  }
}

function flagOrigin(setting: Setting): Origin {
  return { kind: 'flag', name: `--${setting.flag}` };
}

function applyGlobal(layers: Layers, { setting, text, origin }: Given): void {
  if (!('path' in setting.at)) return;
  const { path } = setting.at;
  if (setting.flag !== 'flush-ms') {
    const isNumber = setting.takes === 'number' && /^-?\d+(\.\d+)?$/.test(text);
    return layers.set(path, isNumber ? Number(text) : text, origin);
  }
  layers.set(path, text, origin);
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw layers.error(path, `"${text}" is not a number of milliseconds such as 100`);
  }
  layers.set(path, `${text}ms`, origin);
}

/** Keys that may be given once for several sources. */
const SHARED_KEYS = [
  ...['rate', 'samplesPerEvent', 'timestampResolution', 'routingKey'],
  ...['retain', 'onFull', 'class'],
];

/**
 * `--source` describes a whole source and takes the place of the files'. Without it a single
 * source is changed key by key; several can only be given what they share.
 */
function applyToSources(layers: Layers, drivers: readonly DriverFace[], given: Given[]): void {
  const named = given.findLast(({ setting }) => setting.flag === 'source');
  if (named) layers.replaceSources({ source: named.text }, named.origin);
  const { sources } = layers.tree;
  if (!Array.isArray(sources)) return;
  for (const { setting, text, origin } of given) {
    if (setting === named?.setting || !('inSource' in setting.at)) continue;
    const path = setting.at.inSource;
    if (sources.length > 1 && !SHARED_KEYS.includes(path[0]!)) {
      layers.set(path, text, origin);
      throw layers.error(path, `is for one source, the configuration has ${sources.length}`);
    }
    sources.forEach((source: unknown, i) => {
      if (!isTree(source)) return;
      layers.set(['sources', i, ...path], valueOf(source, path, text, drivers), origin);
    });
  }
}

/** A flag's text as the number, text or list that the source's schema takes. */
function valueOf(source: Tree, path: Path, text: string, drivers: readonly DriverFace[]): unknown {
  const driver = drivers.find(({ kind }) => kind === source.source);
  const field = driver && fieldAt(schemaOfSource(driver), path);
  const asNumber = text.trim() === '' ? [] : [Number(text)].filter(Number.isFinite);
  const candidates: unknown[] = [...asNumber, text, text.split(',')];
  if (text === 'true' || text === 'false') candidates.push(text === 'true');
  const results = candidates.map((value) => field && z.safeParse(field, value));
  const fitting = results.findIndex((result) => result?.success);
  // a list with an unknown word in it is told about as a list
  const nearly = results.findIndex((result) => result?.error?.issues.some(isInside));
  return candidates[fitting] ?? candidates[nearly] ?? asNumber[0] ?? text;
}

/** Was the shape of the value right, and something in it wrong? */
function isInside(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return true;
  return issue.code === 'invalid_union' && issue.errors.flat().some(isInside);
}

/** The driver of this kind. @throws HelicorderError USAGE or CONFIG with the nearest kind */
export function driverOf(
  layers: Layers,
  drivers: readonly DriverFace[],
  source: Tree,
  index: number,
): DriverFace {
  const kinds = drivers.map(({ kind }) => kind);
  const found = drivers.find(({ kind }) => kind === source.source);
  if (found) return found;
  if (source.source === undefined) {
    throw layers.error(['sources', index], `"source" is missing, one of ${kinds.join(', ')}`);
  }
  const hint = hintOf(String(source.source), kinds);
  throw layers.error(['sources', index, 'source'], `no driver "${String(source.source)}", ${hint}`);
}
