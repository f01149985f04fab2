/**
 * The configuration as one plain tree, put together from files, environment and flags, with the
 * origin of every key in it: what an error points at, and what `config show` prints.
 */
import type * as z from 'zod';
import { HelicorderError, nearest } from '../base/errors.ts';
import { configError, readConfigFile } from './config-file.ts';
import type { ConfigFile, ConfigFiles, Environment, Path } from './config-file.ts';

export interface Origin {
  kind: 'flag' | 'environment' | 'file' | 'default';
  /** `--rate`, `HELICORDER_RATE`, `helicorder.yaml:3` or `default` */
  name: string;
}

/** A value as it counts, and where it comes from. */
export interface EffectiveValue {
  key: string;
  value: unknown;
  origin: string;
}

export const DEFAULT_ORIGIN: Origin = { kind: 'default', name: 'default' };

export type Tree = Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Lists that files have in common. */
const JOINED_LISTS: readonly string[] = ['sources', 'streams', 'copies'];

export class Layers {
  readonly tree: Tree = {};
  /** those that values of files name */
  readonly variables = new Set<string>();
  readonly #origins = new Map<string, Origin>();

  /** Puts `value` at `path`, over what is there. */
  set(path: Path, value: unknown, origin: Origin): void {
    let parent: Tree | unknown[] = this.tree;
    for (const key of path.slice(0, -1)) {
      const tree = parent;
      if (typeof tree[key] !== 'object' || tree[key] === null) tree[key] = {};
      parent = tree[key] as Tree;
    }
    parent[path[path.length - 1]!] = value;
    this.#origins.set(path.join('.'), origin);
  }

  /** Lays a file over what is there: groups key by key, lists after those of earlier files. */
  addFile(file: ConfigFile): void {
    for (const name of file.variables) this.variables.add(name);
    const add = (value: unknown, inFile: Path, inTree: Path): void => {
      const place: Origin = { kind: 'file', name: file.place(inFile) };
      this.#origins.set(inTree.join('.'), place);
      const isGroup = isTree(value) && Object.keys(value).length > 0;
      if (!isGroup) return this.set(inTree, value, place);
      for (const [key, item] of Object.entries(value))
        add(item, [...inFile, key], [...inTree, key]);
    };
    for (const [key, value] of Object.entries(file.tree)) {
      if (!JOINED_LISTS.includes(key) || !Array.isArray(value)) {
        add(value, [key], [key]);
        continue;
      }
      const before = this.tree[key];
      const known = Array.isArray(before) ? before.length : 0;
      if (known === 0) this.set([key], [], { kind: 'file', name: file.place([key]) });
      value.forEach((item, i) => add(item, [key, i], [key, known + i]));
    }
  }

  /** Forgets the sources of all files. */
  replaceSources(source: Tree, origin: Origin): void {
    for (const key of [...this.#origins.keys()]) {
      if (/^sources(\.|$)/.test(key)) this.#origins.delete(key);
    }
    this.set(['sources'], [source], origin);
  }

  /** Where the value at `path` comes from; of a key that is not there, its surroundings. */
  originOf(path: Path): Origin {
    for (let length = path.length; length > 0; length--) {
      const origin = this.#origins.get(path.slice(0, length).join('.'));
      if (origin) return origin;
    }
    return DEFAULT_ORIGIN;
  }

  /** Was this very key given? */
  has(path: Path): boolean {
    return this.#origins.has(path.join('.'));
  }

  /** An error about the value at `path`: a flag's is a misuse (64), all others' are CONFIG (78). */
  error(path: Path, why: string): HelicorderError {
    const origin = this.originOf(path);
    if (origin.kind === 'flag') {
      return new HelicorderError('USAGE', `${origin.name}: ${why}`, {
        details: { option: origin.name },
      });
    }
    const isNamed = origin.kind === 'environment';
    return configError(origin.name, isNamed ? why : `${pathText(path)}: ${why}`);
  }

  /**
   * The first thing that is wrong with a part of the tree, as the error that tells a user; parse
   * with `REPORT_INPUT`, or no word can be named with its nearest.
   */
  errorOf(error: z.ZodError, base: Path, keys: (path: Path) => string[]): HelicorderError {
    // a key that is not known may be the one that is missing
    const unknownKey = error.issues.find(({ code }) => code === 'unrecognized_keys');
    const issue = deepestOf(unknownKey ?? error.issues[0]);
    if (!issue) return this.error(base, 'is not valid');
    const path = [...base, ...(issue.path as (string | number)[])];
    if (issue.code !== 'unrecognized_keys') return this.error(path, this.#reasonAt(path, issue));
    const [unknown = ''] = issue.keys;
    const candidates = keys(issue.path as Path);
    if (candidates.length === 0) return this.error([...path, unknown], 'unknown key');
    return this.error([...path, unknown], `unknown key, ${hintOf(unknown, candidates)}`);
  }

  /** Of a source that a flag or a variable has begun, its name does not say what is missing. */
  #reasonAt(path: Path, issue: z.core.$ZodIssue): string {
    const reason = reasonOf(issue);
    const { kind } = this.originOf(path);
    const isWithin = (kind === 'flag' || kind === 'environment') && !this.has(path);
    return isWithin && reason === MISSING ? `"${String(path.at(-1))}" is missing` : reason;
  }
}

/** Zod keeps what was given out of its issues unless it is asked for it. */
export const REPORT_INPUT = { reportInput: true } as const;

/** `did you mean "rate"?`, or all there are if none is near. */
export function hintOf(word: string, known: readonly string[]): string {
  const suggestion = nearest(word, known);
  return suggestion === undefined ? `known: ${known.join(', ')}` : `did you mean "${suggestion}"?`;
}

/** Of a choice of shapes the one that got furthest is meant: a list with a wrong word is a list. */
function deepestOf(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union') return issue;
  const inner = issue.errors.flatMap(([first]) => deepestOf(first) ?? []);
  const [deepest] = inner.filter(({ path }) => path.length > 0);
  return deepest ? { ...deepest, path: [...issue.path, ...deepest.path] } : issue;
}

function reasonOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return issue.errors.flatMap(([first]) => (first ? [reasonOf(first)] : [])).join('; or ');
  }
  if (issue.code === 'invalid_value' && typeof issue.input === 'string') {
    return `"${issue.input}" is unknown, ${hintOf(issue.input, issue.values.map(String))}`;
  }
  const text = issue.message.replace(/^Invalid (input|option): /, '');
  if (/^(Too (small|big)|Invalid input): /.test(issue.message)) return boundOf(issue) ?? text;
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const MISSING = 'is missing';

/** What is expected instead of what is too small, too large or no number at all. */
function boundOf(issue: z.core.$ZodIssue): string | undefined {
  const unit = { string: ' characters', array: ' elements' }[
    String('origin' in issue && issue.origin)
  ];
  const verb = unit ? 'must have' : 'must be';
  switch (issue.code) {
    case 'too_small':
      return `${verb} at least ${issue.minimum}${unit ?? ''}`;
    case 'too_big':
      return `${verb} at most ${issue.maximum}${unit ?? ''}`;
    case 'invalid_type':
      if (issue.input === undefined) return MISSING;
      if (issue.expected === 'int') return `must be a whole number, not ${String(issue.input)}`;
      return issue.expected === 'number' && typeof issue.input === 'string'
        ? `"${issue.input}" is no number`
        : undefined;
    default:
      return undefined;
  }
}

/** `['sources', 0, 'rate']` → `sources[0].rate` */
export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

const SYSTEM_DIR = '/etc/helicorder';

/** The files to read, in order; later ones lie over earlier ones. */
export function findConfigFiles(files: ConfigFiles, given: string | undefined): string[] {
  if (given !== undefined) return [given];
  const local = './helicorder.yaml';
  if (files.exists(local)) return [local];
  const main = [`${SYSTEM_DIR}/helicorder.yaml`, `${SYSTEM_DIR}/helicorder.toml`];
  const first = main.find((path) => files.exists(path));
  const dir = `${SYSTEM_DIR}/conf.d`;
  const parts = files.exists(dir) ? files.list(dir) : [];
  const more = parts.filter((name) => /^[^.].*\.(ya?ml|toml)$/.test(name)).sort();
  return [...(first ? [first] : []), ...more.map((name) => `${dir}/${name}`)];
}

export function readLayers(files: ConfigFiles, paths: string[], environment: Environment): Layers {
  const layers = new Layers();
  for (const path of paths) layers.addFile(readConfigFile(files, path, environment));
  return layers;
}
