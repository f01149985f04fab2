/** What must not be done is refused, with a sentence, the right exit code, and nothing touched. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPOSITORY, helicorder, helicorderOut, helicorderRun, nextOwner } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { skipLoudly } from '../support/skip.ts';
import { canMount, remountReadOnly, tmpfs } from '../support/tmpfs.ts';

const SYNTHETIC = ['--source', 'synthetic', '--stream', 'test/box'];

/** Every file of a store that only its owner changes when it opens or closes it. */
function contentOf(dir: string, names: readonly string[]): Record<string, string> {
  const hash = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(dir, name)))
      .digest('hex');
  return Object.fromEntries(names.map((name) => [name, hash(name)]));
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

describe('a second owner', () => {
  const second = {
    run: (dir: string): string[] => ['run', '--data-dir', dir, ...SYNTHETIC],
    'stream write': (dir: string): string[] => ['stream', 'write', 'test/lines', '--data-dir', dir],
  };

  test.each(Object.entries(second))('%s exits 75 and touches nothing', async (_, words) => {
    const dir = temporaryDirectory();
    // a stopped process holds its lock and changes no file
    const owner = helicorder(['run', '--data-dir', dir, ...SYNTHETIC, '--json']);
    await owner.stdout.next();
    owner.signal('SIGSTOP');
    const files = filesOf(dir);
    const before = contentOf('/', files);

    const { code, stdout, stderr } = await helicorderRun(words(dir), 'a line\n');
    expect(code, stderr).toBe(75);
    expect(stderr).toMatch(/(somebody else|another process) owns/);
    expect(stderr).toContain(dir);
    expect(stdout).toBe('');
    expect(filesOf(dir)).toEqual(files);
    expect(contentOf('/', files)).toEqual(before);

    owner.signal('SIGCONT');
    owner.signal('SIGTERM');
    expect((await owner.ended).code).toBe(0);
  });

  test('is told at once, and the first goes on recording', async () => {
    const dir = temporaryDirectory();
    const owned = nextOwner(dir);
    const owner = helicorder(['run', '--data-dir', dir, ...SYNTHETIC, '--json']);
    await owned;
    expect((await helicorderRun(second.run(dir))).code).toBe(75);
    const before = await owner.stdout.next();
    const after = await owner.stdout.next();
    expect(samplesOf(after)).toBeGreaterThan(samplesOf(before));
    owner.signal('SIGTERM');
    expect((await owner.ended).code).toBe(0);
  });
});

function samplesOf(status: string): number {
  return Number((JSON.parse(status) as { samples: string }).samples);
}

describe('a store that was copied from another machine', () => {
  const testCopied = skipLoudly(!canMount, 'another machine id: only root may mount one');

  testCopied('is told of by whoever has to own it', async () => {
    await expectTold(['stream', 'write', 'test/lines']);
    await expectTold(['cursor', 'set', 'mine', 'test/box', 'start']);
  });

  async function expectTold(words: readonly string[]): Promise<void> {
    const dir = temporaryDirectory();
    await helicorderOut(['run', '--data-dir', dir, ...SYNTHETIC, '--duration', '50ms']);
    const other = join(temporaryDirectory(), 'machine-id');
    writeFileSync(other, `${'0123456789abcdef'.repeat(2)}\n`);
    const script = `mount --bind ${other} /etc/machine-id && exec "$@" --data-dir ${dir}`;
    const program = [process.execPath, join(REPOSITORY, 'dist/cli/main.js'), ...words];
    const { status, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...program], {
      input: 'a line\n',
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('warning: this store was copied from another machine');
  }
});

describe('a place that cannot hold a store', () => {
  const testReadOnly = skipLoudly(!canMount, 'a read-only directory: only root may remount one');

  testReadOnly('read-only: exit 78, and it stays readable', async () => {
    const disk = tmpfs(64);
    const dir = join(disk, 'store');
    const run = ['run', '--data-dir', dir, ...SYNTHETIC, '--duration', '50ms'];
    await helicorderOut(run);
    remountReadOnly(disk);
    const write = ['stream', 'write', 'test/lines', '--data-dir', dir];
    const another = ['run', '--data-dir', join(disk, 'new/store'), ...SYNTHETIC];
    for (const words of [run, write, another]) {
      const { code, stderr } = await helicorderRun(words, 'a line\n');
      expect(code, stderr).toBe(78);
      expect(stderr).toContain(words[words.indexOf('--data-dir') + 1]);
      expect(stderr).toMatch(/EROFS|read-only/);
    }
    expect(await helicorderOut(['stream', 'ls', '--data-dir', dir])).toContain('test/box');
    await helicorderOut(['stream', 'cat', 'test/box', '--data-dir', dir]);
    await helicorderOut(['verify', '--data-dir', dir]);
  });

  test('a file where the directory should be: exit 64 and its name', async () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, 'not a store');
    const { code, stderr } = await helicorderRun(['run', '--data-dir', path, ...SYNTHETIC]);
    expect(code, stderr).toBe(64);
    expect(stderr).toContain(path);
    expect(readFileSync(path, 'utf8')).toBe('not a store');
  });

  test('reading where no store is: exit 64, and none is made', async () => {
    const dir = temporaryDirectory();
    const { code, stderr } = await helicorderRun(['stream', 'ls', '--data-dir', dir]);
    expect(code, stderr).toBe(64);
    expect(filesOf(dir)).toEqual([]);
  });
});

describe('a wrong word', () => {
  const run = (dir: string, words: readonly string[]): string[] => [
    'run',
    '--data-dir',
    dir,
    ...words,
  ];

  test.each([
    ['an interface that is not there', ['--interface', 'loo'], 78, /loo.*\blo\b/s],
    ['a rate of zero', ['--rate', '0'], 64, /--rate.*0\.1/s],
    ['a rate beyond the limit', ['--rate', '20001'], 64, /--rate.*20000/s],
    ['a rate that is no number', ['--rate', 'fast'], 64, /--rate.*fast/s],
    ['a driver that is not there', ['--source', 'synthetik'], 64, /synthetik.*synthetic/s],
    ['a flag that is not there', ['--rat', '1000'], 64, /--rat.*--rate/s],
    ['a stream without a scope', ['--stream', 'box'], 64, /--stream.*scope\/name/s],
    ['a counter that is not there', ['--statistics', 'rx_bites'], 64, /--statistics.*rx_bytes/s],
  ])('%s', async (_, words, expected, sentence) => {
    const dir = join(temporaryDirectory(), 'store');
    const { code, stdout, stderr } = await helicorderRun(run(dir, words));
    expect(code, stderr).toBe(expected);
    expect(stderr).toMatch(sentence);
    expect(stdout).toBe('');
  });

  test.each([
    ['store: {flsh: 10ms}', /wrong\.yaml:1.*flsh.*flush/s],
    ['sources:\n  - {source: synthetic, rat: 10}', /wrong\.yaml:2.*rat.*rate/s],
    ['sources:\n  - {source: network, rate: 30000}', /wrong\.yaml:2.*rate.*20000/s],
    ['sourcez: []', /wrong\.yaml:1.*sourcez.*sources/s],
  ])('in a file: %j', async (content, sentence) => {
    const dir = temporaryDirectory();
    const file = join(dir, 'wrong.yaml');
    writeFileSync(file, `${content}\n`);
    for (const words of [
      ['run', '--config', file],
      ['validate', file],
    ]) {
      const { code, stderr } = await helicorderRun([...words, '--data-dir', join(dir, 'store')]);
      expect(code, stderr).toBe(78);
      expect(stderr).toMatch(sentence);
    }
    expect(filesOf(dir)).toEqual([file]);
  });

  test('a stream that is not there: exit 64 and the nearest name', async () => {
    const dir = temporaryDirectory();
    await helicorderOut(['stream', 'write', 'test/lines', '--data-dir', dir], 'a line\n');
    for (const words of [['stream', 'cat'], ['stream', 'info'], ['gaps']]) {
      const { code, stderr } = await helicorderRun([...words, 'test/linse', '--data-dir', dir]);
      expect(code, stderr).toBe(64);
      expect(stderr).toContain('test/lines');
    }
  });
});
