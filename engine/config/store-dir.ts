/** Where the store is, for commands that take no other part in the configuration. */
import * as z from 'zod';
import type { ConfigFiles, Environment } from './config-file.ts';
import { findConfigFiles, readLayers } from './layers.ts';
import { configSchema } from './schema.ts';
import { keysAt } from './settings.ts';
import { parseTexts } from './texts.ts';

const { store, ...others } = configSchema.shape;
const unchecked = Object.keys(others).map((key) => [key, z.unknown().optional()] as const);
const placeSchema = z.strictObject({ ...Object.fromEntries(unchecked), store });

/**
 * `store.dir` of the configuration that `run` would find here. A key that is none, of the whole or
 * of `store`, may be the one that was to say it: then it is an error, since the default would be
 * another store. What else is wrong keeps nobody from reading.
 * @returns undefined if no file says it
 * @throws HelicorderError CONFIG if a file cannot be read or parsed, or has a key that is none
 */
export function configuredStoreDir(
  files: ConfigFiles,
  environment: Environment,
): string | undefined {
  const layers = readLayers(files, findConfigFiles(files, undefined), environment);
  const { data, error } = parseTexts(placeSchema, layers.tree);
  if (error) throw layers.errorOf(error, [], (path) => keysAt(configSchema, path));
  return layers.has(['store', 'dir']) ? data.store.dir : undefined;
}
