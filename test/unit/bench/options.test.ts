import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BASELINE_PATH, RESULTS_DIR, ROOT } from '../../../bench/files.ts';
import { HELP, parseOptions } from '../../../bench/options.ts';
import { resultName, type Report } from '../../../bench/report.ts';

describe('the options', () => {
  it('--compare takes a file, or none: then it is the committed baseline', () => {
    const compared = (...args: string[]): unknown => parseOptions(args).compare;
    expect(compared()).toBeUndefined();
    expect(compared('--compare', 'old.json')).toBe('old.json');
    expect(compared('--compare=old.json')).toBe('old.json');
    expect(compared('--compare')).toBe(BASELINE_PATH);
    expect(parseOptions(['--compare', '--filter', '8', '--json'])).toMatchObject({
      ...{ compare: BASELINE_PATH, filter: '8', json: true },
    });
    expect(parseOptions(['--filter', '8', '--compare', 'old.json', '--quick'])).toMatchObject({
      ...{ compare: 'old.json', filter: '8', quick: true },
    });
  });

  it.each([['--quick'], ['--filter', '1'], ['--growth'], ['--micro']])(
    'a run with %s is no baseline',
    (...args) => {
      expect(() => parseOptions(['--save-baseline', ...args])).toThrow(/takes all rows/);
      expect(() => parseOptions([...args, '--save-baseline'])).toThrow(/takes all rows/);
    },
  );

  it.each([['--micro', '--compare'], ['--fast'], ['a-word'], ['--compare', 'old.json', 'a-word']])(
    '%s %s is a misuse',
    (...args) => {
      expect(() => parseOptions(args)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});

describe('what is said of them', () => {
  const texts = ['docs/performance.md', 'README.md'].map((path) => ({
    ...{ path, text: readFileSync(join(ROOT, path), 'utf8') },
  }));
  const all = [{ path: '--help', text: HELP }, ...texts];
  const QUICKEST = '--filter 7-dense-x';

  it.each(all)('$path shows how to have an object alone on stdout', ({ text }) => {
    const commands = text.match(/npm run [^\n`]*bench -- [^\n`]*--json/g) ?? [];
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) expect(command).toMatch(/^npm run -s bench -- /);
  });

  it('the command of --help writes one object, and nothing else, to stdout', () => {
    const dir = mkdtempSync(join(tmpdir(), 'helicorder-bench-json-'));
    const [command] = /npm run .*--json(?= > )/.exec(HELP)!;
    // the scripts before it build what is stale, which "npm test" has done
    const words = `${command} ${QUICKEST} --dir ${dir}`.replace('npm', 'npm --ignore-scripts');
    try {
      const stdout = execFileSync('sh', ['-c', words], { cwd: ROOT, stdio: 'pipe' });
      const report = JSON.parse(stdout.toString()) as Report;
      expect(report.rows.map(({ id }) => id)).toEqual(['7-dense-x']);
      const kept = join(RESULTS_DIR, resultName(report));
      for (const end of ['json', 'svg']) rmSync(`${kept}.${end}`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }, 60_000);

  it.each(all.slice(0, 2))('$path gives the time that a run of all rows takes', ({ text }) => {
    expect(text.replaceAll(/\s+/g, ' ')).toMatch(/about three quarters of an hour/i);
  });
});
