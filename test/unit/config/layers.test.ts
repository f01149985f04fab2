import { expect, test } from 'vitest';
import { configuredStoreDir } from '../../../engine/config/store-dir.ts';
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
    configuredStoreDir(holding(texts), { DISK: '/mnt/disk', N: '7' });
  expect(dirOf({})).toBeUndefined();
  expect(dirOf({ './helicorder.yaml': 'sources: []' })).toBeUndefined();
  const system = { [`${SYSTEM}/helicorder.yaml`]: 'store: {dir: "${DISK}/a"}' };
  expect(dirOf(system)).toBe('/mnt/disk/a');
  const more = { ...system, [`${SYSTEM}/conf.d/50.toml`]: '[store]\ndir = "b"' };
  expect(dirOf(more)).toBe('b');
  expect(dirOf({ ...more, './helicorder.yaml': 'store: {dir: c}' })).toBe('c');
  expect(dirOf({ './helicorder.yaml': 'store: {dir: "${N}"}' })).toBe('7');
});

test.each([
  ['no YAML', 'store: [', ''],
  ['a section that is none', 'stroe: {dir: c}', ':1: stroe: unknown key, did you mean "store"?'],
  [
    'a key of it that is none',
    'store: {dri: c}',
    ':1: store.dri: unknown key, did you mean "dir"?',
  ],
  ['a section that has no keys', 'store: c', ':1: store: '],
  ['no text', 'store: {dir: [c]}', ':1: store.dir: '],
])('%s is an error: the store may be another one', (_, text, message) => {
  const dirOf = (): unknown => configuredStoreDir(holding({ './helicorder.yaml': text }), {});
  expect(dirOf).toThrow(expect.objectContaining({ code: 'CONFIG' }));
  expect(dirOf).toThrow(`./helicorder.yaml${message}`);
});

test('what is wrong elsewhere keeps nobody from reading', () => {
  const text = 'store: {dir: c}\nrealtime: 5\nsources: [{source: nothing}]\ncopies: no list\n';
  expect(configuredStoreDir(holding({ './helicorder.yaml': text }), {})).toBe('c');
});
