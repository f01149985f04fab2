/**
 * Where configuration files are. It loads no parser: every command asks, and most find nothing.
 */
import type { ConfigFiles, Environment } from './config-file.ts';

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

/**
 * `store.dir` of the configuration that `run` would find here, for commands that take no other
 * part in it. @returns undefined if no file says it
 * @throws HelicorderError CONFIG if a file cannot be read or parsed
 */
export async function configuredStoreDir(
  files: ConfigFiles,
  environment: Environment,
): Promise<string | undefined> {
  const paths = findConfigFiles(files, undefined);
  if (paths.length === 0) return undefined;
  const { isTree, readLayers } = await import('./layers.ts');
  const { store } = readLayers(files, paths, environment).tree;
  return isTree(store) && typeof store['dir'] === 'string' ? store['dir'] : undefined;
}
