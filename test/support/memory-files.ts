import type { ConfigFiles } from '../../engine/config/config-file.ts';

/** Files that exist only in a test: path → text. */
export function memoryFiles(texts: Readonly<Record<string, string>>): ConfigFiles {
  return {
    readText(path) {
      const text = texts[path];
      if (text !== undefined) return text;
      throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    },
    exists: (path) =>
      Object.keys(texts).some((known) => known === path || known.startsWith(`${path}/`)),
    list: (dir) =>
      Object.keys(texts)
        .filter((path) => path.startsWith(`${dir}/`))
        .map((path) => path.slice(dir.length + 1)),
  };
}
