/** A transform from its file: loaded, checked, and with the options that it is to run with. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { HelicorderError, nearest, type ErrorCode, messageOf } from '../base/errors.ts';
import type { Transform, TransformOptions } from './transform.ts';

export interface TransformFile {
  /** path of an ES module */
  file: string;
  options?: TransformOptions | undefined;
}

export interface LoadedTransform {
  file: string;
  transform: Transform;
  /** the defaults, with the user's own over them */
  options: TransformOptions;
}

const callable = z.custom<() => unknown>((value) => typeof value === 'function', 'not a function');
const shape = z.strictObject({
  kind: z.enum(['samples', 'events']).optional(),
  name: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'not 1 to 100 of A-Z a-z 0-9 . _ -'),
  options: z.record(z.string(), z.unknown()),
  schema: callable.optional(),
  batch: callable,
});
const NO_SCHEMA = 'its schema: what it gives for the channels of its input';

/**
 * @param code of the errors: whose fault they are
 * @throws HelicorderError of that code
 */
export async function loadTransform(
  { file, options = {} }: TransformFile,
  code: ErrorCode,
): Promise<LoadedTransform> {
  const module = await imported(file, code);
  const transform = module.default;
  const wrong = whatIsWrong(transform);
  if (wrong !== undefined) {
    const message = `transform ${file}: its default export is not one of defineTransform: ${wrong}`;
    throw new HelicorderError(code, message);
  }
  const checked = transform as Transform;
  return { file, transform: checked, options: merged(checked, file, options, code) };
}

function whatIsWrong(transform: unknown): string | undefined {
  const { data, error } = shape.safeParse(transform);
  if (data) return data.kind === 'events' || data.schema ? undefined : NO_SCHEMA;
  const [issue] = error.issues;
  return issue?.path.length ? `its ${issue.path.join('.')}: ${issue.message}` : 'not there';
}

async function imported(file: string, code: ErrorCode): Promise<{ default?: unknown }> {
  const url = pathToFileURL(resolve(file)).href;
  try {
    return (await import(url)) as { default?: unknown };
  } catch (error) {
    throw new HelicorderError(code, `transform ${file}: ${reasonOf(error, url)}`, { cause: error });
  }
}

function reasonOf(error: unknown, url: string): string {
  const failed = error as NodeJS.ErrnoException & { url?: string };
  if (failed.code !== 'ERR_MODULE_NOT_FOUND') return messageOf(error);
  if (failed.url === url) return 'there is no such file';
  return (
    `${messageOf(error)}; packages are looked for beside the file, ` +
    'and a transform may also be exported without defineTransform'
  );
}

function merged(
  { name, options: defaults }: Transform,
  file: string,
  given: TransformOptions,
  code: ErrorCode,
): TransformOptions {
  const names = Object.keys(defaults);
  for (const [key, value] of Object.entries(given)) {
    const what = `transform ${file}: option ${key}`;
    if (!names.includes(key)) {
      const suggestion = nearest(key, names);
      const hint = suggestion ? `did you mean ${suggestion}?` : `${name} has ${list(names)}`;
      throw new HelicorderError(code, `${what} is unknown; ${hint}`);
    }
    const [expected, found] = [kindOf(defaults[key]), kindOf(value)];
    if (expected !== found && expected !== 'null') {
      throw new HelicorderError(code, `${what}: expected a ${expected}, not a ${found}`);
    }
  }
  return Object.freeze({ ...defaults, ...given });
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'no options' : names.join(', ');
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}
