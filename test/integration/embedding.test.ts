/** The example of docs/embedding.md, in a package of its own that depends on the built one. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { helicorderJson, Program, REPOSITORY } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

const example = readFileSync(join(REPOSITORY, 'examples/embedding.ts'), 'utf8');

/** A user's package: the example as JavaScript, and helicorder among its modules. */
function userPackage(): string {
  const dir = temporaryDirectory();
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(REPOSITORY, join(dir, 'node_modules/helicorder'));
  writeFileSync(join(dir, 'package.json'), '{"type": "module"}');
  const { outputText } = ts.transpileModule(example, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(dir, 'embedding.js'), outputText);
  return dir;
}

test('the page shows the example as it is', () => {
  const page = readFileSync(join(REPOSITORY, 'docs/embedding.md'), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${example}\`\`\`\n`);
});

test('the example records, appends and reads, and goes on where it was', async () => {
  const dir = userPackage();
  const dataDir = join(dir, 'store');
  for (const note of [1, 2]) {
    const program = new Program(process.execPath, ['embedding.js', dataDir], { cwd: dir });
    const { code, stdout, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`note has seq ${note} and offset ${note - 1}\n`);
    expect(stdout.endsWith(`note ${note}: bearing greased\n`)).toBe(true);
    const [, recorded] = /recorded (\d+) samples/.exec(stdout)!;
    const [, read] = /read (\d+) samples/.exec(stdout)!;
    if (note === 1) expect(read).toBe(recorded);
    else expect(Number(read)).toBeGreaterThan(Number(recorded));
  }
  expect(await helicorderJson(['verify', '--data-dir', dataDir])).toMatchObject({ ok: true });
});
