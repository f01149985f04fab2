/** What must agree: error table and page, registries and folders, manifest and lockfile. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { errorsPage } from './errors-page.ts';
import { ROOT, engineFiles, parse, type SourceFile } from './tree.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

interface Lockfile {
  packages: Record<string, Manifest | undefined>;
}

/** Constants that a file exports for its registry: `: SomeCodec = …`, `= defineX(…)`. */
function entriesOf(file: SourceFile): string[] {
  return parse(file)
    .statements.filter((statement) => ts.isVariableStatement(statement))
    .filter(({ modifiers }) => modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
    .flatMap(({ declarationList }) => [...declarationList.declarations])
    .filter(({ type, initializer }) => {
      if (/(Codec|Driver|Target|Tool)$/.test(type?.getText() ?? '')) return true;
      return /^define[A-Z]/.test(initializer?.getText() ?? '');
    })
    .map(({ name }) => name.getText());
}

describe('registries', () => {
  const registries = engineFiles.filter(({ path }) => path.endsWith('/registry.ts'));

  it('are found', () => {
    expect(registries.map(({ path }) => path)).toContain('engine/codecs/registry.ts');
    expect(registries.map(({ path }) => path)).toContain('engine/drivers/registry.ts');
  });

  it.each(registries)('$path lists every sibling', (registry) => {
    const folder = registry.path.replace('registry.ts', '');
    const lists = registry.text
      .match(/\[[^\]]*\] as const/g)
      ?.flatMap((list) => list.slice(1, list.indexOf(']')).split(/[\s,]+/));
    const entries = engineFiles
      .filter(({ path }) => path.startsWith(folder) && path !== registry.path)
      .flatMap((file) => entriesOf(file).map((name) => ({ name, path: file.path })));
    expect(entries.length).toBeGreaterThan(0);
    const missing = entries.filter(({ name }) => !lists?.includes(name));
    expect(missing.map(({ name, path }) => `${path}: ${name} is not listed`)).toEqual([]);
  });
});

describe('manifest', () => {
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies };

  it('every version is exact', () => {
    const loose = Object.entries(wanted).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    expect(loose.map(([name, version]) => `package.json: ${name} ${version}`)).toEqual([]);
  });

  it('the lockfile agrees', () => {
    const root = (JSON.parse(read('package-lock.json')) as Lockfile).packages[''];
    expect({ ...root?.dependencies, ...root?.devDependencies }).toEqual(wanted);
  });

  it('is licensed as its licence file says', () => {
    expect(JSON.parse(read('package.json'))).toMatchObject({ license: 'Apache-2.0' });
    expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  });
});

describe('documentation', () => {
  it('docs/errors.md is what the error table says ("npm run docs" writes it)', async () => {
    await expect(errorsPage()).toMatchFileSnapshot('../../docs/errors.md');
  });
});
