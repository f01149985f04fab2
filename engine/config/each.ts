/**
 * One source that stands for many: `each` names what differs and lists its values, and `{name}` in
 * any text of the source stands for one of them. Every combination is a source.
 *
 *   each: {rack: [a, b], probe: 0..511}       stream: "plant/{rack}-{probe}"       1024 sources
 *
 * A text that is nothing but `{name}` becomes the value itself, so a number stays a number.
 */
import * as z from 'zod';
import type { Path } from './config-file.ts';
import { hintOf, isTree, REPORT_INPUT, type Layers, type Tree } from './layers.ts';
import { SOURCES_MAX } from './schema.ts';
import { parseRange, rangeLength } from './units.ts';

/** What `{name}` in the texts of a source stands for. */
export type EachValue = string | number;

const eachList = z
  .array(z.union([z.string().min(1), z.number()]), {
    error: ({ input }) => {
      const many = typeof input === 'string' ? rangeLength(input) : 0;
      return many > SOURCES_MAX
        ? `has ${many} numbers, at most ${SOURCES_MAX}`
        : 'expected a list such as [a, b], or numbers such as 0..511';
    },
  })
  .min(1)
  .max(SOURCES_MAX);

/** What makes one entry of `sources` stand for many. */
export const templateSchema = z.strictObject({
  each: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'must be a name such as probe'),
      z.preprocess(
        (given) => (typeof given === 'string' ? (parseRange(given, SOURCES_MAX) ?? given) : given),
        eachList,
      ),
      { error: ({ code }) => (code === 'invalid_type' ? 'expected {probe: 0..511}' : undefined) },
    )
    .meta({
      description:
        'As many sources as there are combinations of these values; in their texts, {rack} and ' +
        '{probe} stand for one of each: {rack: [a, b], probe: 0..511}.',
      type: 'names with values',
    }),
});

type Chosen = ReadonlyMap<string, EachValue>;

const PLACEHOLDER = /\{([^{}]*)\}/g;
const ONLY_PLACEHOLDER = /^\{([^{}]*)\}$/;

/**
 * The sources that one entry of the list stands for: itself, if it has no `each`.
 * @throws HelicorderError CONFIG that names the key and its line
 */
export function expandEach(layers: Layers, source: Tree, path: Path): Tree[] {
  const { each, ...template } = source;
  if (each === undefined) return [source];
  const result = templateSchema.safeParse({ each }, REPORT_INPUT);
  if (!result.success) throw layers.errorOf(result.error, path, () => []);
  const lists = Object.entries(result.data.each);
  const many = lists.reduce((product, [, values]) => product * values.length, 1);
  if (many > SOURCES_MAX) {
    throw layers.error([...path, 'each'], `stands for ${many} sources, at most ${SOURCES_MAX}`);
  }
  checkStream(layers, template, path, Object.keys(result.data.each));
  return combinations(lists).map((chosen) => filled(layers, template, path, chosen) as Tree);
}

/** Streams are what tells sources apart. */
function checkStream(layers: Layers, { stream }: Tree, path: Path, names: string[]): void {
  const missing = names.filter((name) => !String(stream).includes(`{${name}}`));
  if (missing.length === 0) return;
  const wanted = missing.map((name) => `{${name}}`).join(' and ');
  const why = `must contain ${wanted}: each source needs a stream of its own`;
  throw layers.error([...path, 'stream'], why);
}

/** The last name of `each` changes fastest. */
function combinations(lists: [string, EachValue[]][]): Chosen[] {
  return lists.reduce<Chosen[]>(
    (all, [name, values]) =>
      all.flatMap((chosen) => values.map((value) => new Map([...chosen, [name, value]]))),
    [new Map()],
  );
}

function filled(layers: Layers, value: unknown, path: Path, chosen: Chosen): unknown {
  if (typeof value === 'string') return filledText(layers, value, path, chosen);
  if (Array.isArray(value))
    return value.map((item, i) => filled(layers, item, [...path, i], chosen));
  if (!isTree(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    filled(layers, item, [...path, key], chosen),
  ]);
  return Object.fromEntries(entries) as Tree;
}

function filledText(layers: Layers, text: string, path: Path, chosen: Chosen): EachValue {
  const valueOf = (name: string): EachValue => {
    const value = chosen.get(name);
    if (value !== undefined) return value;
    throw layers.error(path, `{${name}} is not in each, ${hintOf(name, [...chosen.keys()])}`);
  };
  const [, only] = ONLY_PLACEHOLDER.exec(text) ?? [];
  if (only !== undefined) return valueOf(only);
  return text.replace(PLACEHOLDER, (_, name: string) => String(valueOf(name)));
}
