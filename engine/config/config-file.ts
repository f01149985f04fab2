/**
 * Reading configuration files. YAML and TOML become the same plain tree; `${VAR}` and
 * `${VAR:-default}` are expanded in values after parsing, so that a variable can never change a
 * file's structure. Every key remembers its place, for errors and for `config show`.
 */
import { createRequire } from 'node:module';
import type { Document, LineCounter } from 'yaml';
import { HelicorderError, messageOf } from '../base/errors.ts';

const require = createRequire(import.meta.url);
/** Loaded for the first file: they are a sixth of all modules, and most starts read none. */
const yaml = () => require('yaml') as typeof import('yaml');
const toml = () => require('smol-toml') as typeof import('smol-toml');

/** The part of `FileSystem` that configuration needs. */
export interface ConfigFiles {
  readText(path: string): string;
  exists(path: string): boolean;
  list(dir: string): string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;
export type Path = readonly (string | number)[];

export interface ConfigFile {
  path: string;
  tree: Record<string, unknown>;
  /** the variables that its values name */
  variables: Set<string>;
  /** `file:line` of a key in YAML, `file` in TOML, whose parser keeps no places. */
  place(path: Path): string;
}

export function configError(place: string, why: string, cause?: unknown): HelicorderError {
  return new HelicorderError('CONFIG', `${place}: ${why}`, { cause, details: { file: place } });
}

/** @throws HelicorderError CONFIG if the file cannot be read, parsed or expanded */
export function readConfigFile(
  files: ConfigFiles,
  path: string,
  environment: Environment,
): ConfigFile {
  let text: string;
  try {
    text = files.readText(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw configError(path, `cannot be read: ${reason}`, error);
  }
  const file = path.endsWith('.toml') ? fromToml(path, text) : fromYaml(path, text);
  const expand = (value: unknown, at: Path): unknown => expandValue(file, environment, value, at);
  return { ...file, tree: expand(file.tree, []) as Record<string, unknown> };
}

function fromToml(path: string, text: string): ConfigFile {
  const { parse, TomlError } = toml();
  try {
    return { path, tree: parse(text), variables: new Set(), place: () => path };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason] = error.message.split('\n');
    throw configError(`${path}:${error.line}`, reason ?? 'is not TOML', error);
  }
}

function fromYaml(path: string, text: string): ConfigFile {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  checkNesting(path, text);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw configError(`${path}:${lines.linePos(error.pos[0]).line}`, error.message, error);
  checkAliases(path, document, lines);
  const tree = plainTree(path, document) ?? {};
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    throw configError(`${path}:1`, 'expected keys such as "sources:"');
  }
  return {
    path,
    tree: tree as Record<string, unknown>,
    variables: new Set(),
    place: (at) => `${path}:${lineOf(document, lines, at)}`,
  };
}

/** More than any key has; an alias within its own anchor has no end. */
const DEPTH_MAX = 20;
/** Brackets and list items that one line may open. */
const NESTING_MAX = 100;

/**
 * The parser calls itself for each level, and takes minutes over two thousand; the lexer does not,
 * and tells before.
 */
function checkNesting(path: string, text: string): void {
  const { Lexer } = yaml();
  let [line, open, items] = [1, 0, 0];
  for (const token of new Lexer().lex(text)) {
    if (token === '\n') [line, items] = [line + 1, 0];
    if (token === '[' || token === '{') open++;
    if (token === ']' || token === '}') open--;
    if (token === '-' || token === '?') items++;
    if (open + items > NESTING_MAX) throw configError(`${path}:${line}`, 'is nested too deeply');
  }
}

/** @throws HelicorderError CONFIG for an alias without its anchor before it */
function checkAliases(path: string, document: Document, lines: LineCounter): void {
  yaml().visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      const { line } = lines.linePos(alias.range?.[0] ?? 0);
      throw configError(
        `${path}:${line}`,
        `*${alias.source} stands for nothing: no &${alias.source}`,
      );
    },
  });
}

/** @throws HelicorderError CONFIG for too many aliases */
function plainTree(path: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw configError(path, messageOf(error), error);
  }
}

/** Line of the key at `path`, or of the nearest thing around it that stands in the file. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  const { isMap, isNode, isScalar } = yaml();
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => (isScalar(item.key) ? item.key.value : item.key) === key)
      : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function expandValue(file: ConfigFile, env: Environment, value: unknown, at: Path): unknown {
  if (at.length > DEPTH_MAX) throw configError(file.place(at), 'is nested too deeply');
  // a key like any other that is unknown, but the one by which objects get other keys
  if (at.at(-1) === '__proto__') throw configError(file.place(at), '__proto__: unknown key');
  if (Array.isArray(value)) return value.map((item, i) => expandValue(file, env, item, [...at, i]));
  if (typeof value === 'string') return expandText(file, env, value, at);
  if (typeof value !== 'object' || value === null) return value;
  // TOML has dates of its own, and no key takes one
  if (value instanceof Date) return value.toISOString();
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [key, expandValue(file, env, item, [...at, key])]),
  );
}

const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

function expandText(file: ConfigFile, env: Environment, text: string, at: Path): unknown {
  if (!text.includes('${')) return text;
  const expanded = text.replace(REFERENCE, (_, name: string, otherwise: string | undefined) => {
    if (otherwise?.includes('${')) throw unknownForm(file, text, at);
    file.variables.add(name);
    // an empty variable counts as unset, as in the shell's own ${VAR:-default}
    const value = env[name] || otherwise;
    if (value !== undefined) return value;
    throw configError(file.place(at), `\${${name}} is not set; give a default: \${${name}:-…}`);
  });
  const rest = text.replace(REFERENCE, '');
  if (rest.includes('${')) throw unknownForm(file, text, at);
  return rest === '' ? scalarOf(expanded) : expanded;
}

/** What a shell would know, and would not be what is meant if it were taken as it stands. */
function unknownForm(file: ConfigFile, text: string, at: Path): HelicorderError {
  const forms = 'known are ${VAR} and ${VAR:-default}';
  return configError(file.place(at), `"${text}" has a form of \${…} that is not known; ${forms}`);
}

/** A variable's text as the number or boolean that it would be if it stood in the file. */
function scalarOf(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text;
}
