/** The example of docs/embedding.md, in a package of its own that depends on the built one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { helicorderJson, Program, REPOSITORY } from '../support/cli.ts';
import { userPackage } from '../support/user-package.ts';

test.each([
  ['embedding', 'embedding'],
  ['rolling-rms', 'embedding'],
  ['magnitude', 'derived-copies'],
])('the example %s is shown as it is by the page %s', (name, document) => {
  const example = readFileSync(join(REPOSITORY, `examples/${name}.ts`), 'utf8');
  const page = readFileSync(join(REPOSITORY, `docs/${document}.md`), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${example}\`\`\`\n`);
});

test('the example records, appends and reads, and goes on where it was', async () => {
  const dir = userPackage('embedding');
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

test('what a program is given has types that it can name', () => {
  const dir = userPackage('embedding');
  const program = join(dir, 'program.ts');
  writeFileSync(
    program,
    `import { Appender, Store } from 'helicorder';
import type { Appended, EventsItem, FaultItem, GapItem, RawItem, RunInfo } from 'helicorder';
import type { SamplesItem, StoreEnvironment, StreamItem, StreamSnapshot } from 'helicorder';
export const open = (dir: string, environment: StoreEnvironment): Store =>
  Store.open(dir, environment);
export const stream = (store: Store): StreamSnapshot => store.stream('a/b');
export const append = (to: Appender): Promise<Appended> => to.append([]);
export const items = (store: Store): AsyncGenerator<StreamItem> => store.read('a/b');
export const raw = (store: Store): AsyncGenerator<RawItem | FaultItem> => store.readRaw('a/b');
export const info = (item: SamplesItem | GapItem | EventsItem): RunInfo => item.info;
`,
  );
  const checked = ts.createProgram([program], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    typeRoots: [join(REPOSITORY, 'node_modules/@types')],
    types: ['node'],
  });
  const problems = ts.getPreEmitDiagnostics(checked);
  expect(problems.map(({ messageText }) => messageText)).toEqual([]);
});
