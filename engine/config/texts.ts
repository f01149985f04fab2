/** Parsing a part of the configuration, where a number may stand for its digits. */
import type * as z from 'zod';
import { isTree, REPORT_INPUT, type Tree } from './layers.ts';

/**
 * Checks a part of the tree. What comes out of `${VAR}` or `{n}` may be a number where a key takes
 * text, as in a routing key 7: then the text is its digits.
 */
export function parseTexts<T extends z.ZodType>(
  schema: T,
  tree: Tree,
): z.ZodSafeParseResult<z.output<T>> {
  const result = schema.safeParse(tree, REPORT_INPUT);
  const numbers = (result.error?.issues ?? []).filter(
    (issue) =>
      issue.code === 'invalid_type' &&
      issue.expected === 'string' &&
      typeof issue.input === 'number',
  );
  if (numbers.length === 0) return result;
  const copy = structuredClone(tree);
  for (const { path, input } of numbers) setText(copy, path, String(input));
  return schema.safeParse(copy, REPORT_INPUT);
}

function setText(tree: Tree, path: readonly PropertyKey[], text: string): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Tree)[String(key)], tree);
  if (isTree(parent) || Array.isArray(parent)) (parent as Tree)[String(path.at(-1))] = text;
}
