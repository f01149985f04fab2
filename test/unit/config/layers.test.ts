import { expect, test } from 'vitest';
import { configuredStoreDir } from '../../../engine/config/layers.ts';
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

test('the directory of the store is what run would find', () => {
  const dirOf = (texts: Record<string, string>): string | undefined =>
    configuredStoreDir(holding(texts), { DISK: '/mnt/disk' });
  expect(dirOf({})).toBeUndefined();
  expect(dirOf({ './helicorder.yaml': 'sources: []' })).toBeUndefined();
  const system = { [`${SYSTEM}/helicorder.yaml`]: 'store: {dir: "${DISK}/a"}' };
  expect(dirOf(system)).toBe('/mnt/disk/a');
  const more = { ...system, [`${SYSTEM}/conf.d/50.toml`]: '[store]\ndir = "b"' };
  expect(dirOf(more)).toBe('b');
  expect(dirOf({ ...more, './helicorder.yaml': 'store: {dir: c}' })).toBe('c');
  const bad = (): unknown => dirOf({ './helicorder.yaml': 'store: [' });
  expect(bad).toThrow(expect.objectContaining({ code: 'CONFIG' }));
});
