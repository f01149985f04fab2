import { expect, test } from 'vitest';
import { configuredStoreDir } from '../../../engine/config/find.ts';
import type { ConfigFiles } from '../../../engine/config/config-file.ts';

function holding(texts: Record<string, string>): ConfigFiles {
  return {
    readText: (path) => texts[path]!,
    exists: (path) => Object.keys(texts).some((known) => known.startsWith(path)),
    list: (dir) =>
      Object.keys(texts).flatMap((path) => {
        return path.startsWith(`${dir}/`) ? [path.slice(dir.length + 1)] : [];
      }),
  };
}

const SYSTEM = '/etc/helicorder';

test('the directory of the store is what run would find', async () => {
  const dirOf = (texts: Record<string, string>): Promise<string | undefined> =>
    configuredStoreDir(holding(texts), { DISK: '/mnt/disk' });
  expect(await dirOf({})).toBeUndefined();
  expect(await dirOf({ './helicorder.yaml': 'sources: []' })).toBeUndefined();
  const system = { [`${SYSTEM}/helicorder.yaml`]: 'store: {dir: "${DISK}/a"}' };
  expect(await dirOf(system)).toBe('/mnt/disk/a');
  const more = { ...system, [`${SYSTEM}/conf.d/50.toml`]: '[store]\ndir = "b"' };
  expect(await dirOf(more)).toBe('b');
  expect(await dirOf({ ...more, './helicorder.yaml': 'store: {dir: c}' })).toBe('c');
  const bad = dirOf({ './helicorder.yaml': 'store: [' });
  await expect(bad).rejects.toMatchObject({ code: 'CONFIG' });
});
