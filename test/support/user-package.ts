/** A package of a user's own that depends on the built one. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { REPOSITORY } from './cli.ts';
import { temporaryDirectory } from './directory.ts';

/** The example as JavaScript, `NAME.js`, and helicorder among its modules. */
export function userPackage(name: string): string {
  const dir = temporaryDirectory();
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(REPOSITORY, join(dir, 'node_modules/helicorder'));
  writeFileSync(join(dir, 'package.json'), '{"type": "module"}');
  const example = readFileSync(join(REPOSITORY, `examples/${name}.ts`), 'utf8');
  const { outputText } = ts.transpileModule(example, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(dir, `${name}.js`), outputText);
  return dir;
}
