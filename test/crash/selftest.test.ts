/** `helicorder selftest`: it holds on this machine, and it fails where a promise does not hold. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { selfTest } from '../../engine/selftest/selftest.ts';
import type { SelfTestReport } from '../../engine/selftest/types.ts';
import { REPOSITORY, helicorder } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';

const LIFE_MS = 580_000;
const MAIN = join(REPOSITORY, 'dist/cli/main.js');

/** The program, with something done to it before it begins. */
function spoilt(code: string): string[] {
  const path = join(temporaryDirectory(), 'spoilt.mjs');
  const begin = `
    import { closeSync, readdirSync, openSync, writeSync } from 'node:fs';
    const words = process.argv.slice(2);
    const dir = words[words.indexOf('--data-dir') + 1];
    ${code}
    await import(${JSON.stringify(MAIN)});`;
  writeFileSync(path, begin);
  return [process.execPath, path];
}

async function selfTestOf(program: string[], step: string): Promise<SelfTestReport> {
  const dataDir = temporaryDirectory();
  return selfTest({ dataDir, program, durationMs: 1, seed: 1, only: [step] });
}

/** Tells a wrong offset for one event. */
const LIAR = `
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text, ...rest) =>
    write(String(text).replace('{"seq":"1","offset":"0"}', '{"seq":"1","offset":"7"}'), ...rest);`;

/** A disk that rots: when a recorder starts, blocks of each segment and chunk are others. */
const ROT = `
  const rot = (directory, pattern) => {
    let names = [];
    try { names = readdirSync(dir + directory).filter((name) => pattern.test(name)); } catch {}
    for (const name of names) {
      const file = openSync(dir + directory + '/' + name, 'r+');
      writeSync(file, Buffer.alloc(4 * 4096, 0xee), 0, 4 * 4096, 3 * 4096);
      closeSync(file);
    }
  };
  if (words[0] === 'run') {
    rot('/log', /^[0-9]+\\.seg$/);
    rot('/chunks', /\\.chunk$/);
  }`;

describe('selftest', () => {
  it(
    'every promise holds, one object is printed, and nothing is left behind',
    async () => {
      const dir = temporaryDirectory();
      const words = ['selftest', '--data-dir', join(dir, 'new'), '--duration', '1s', '--json'];
      const run = helicorder(words, { lifeMs: LIFE_MS });
      const { code, stdout, stderr } = await run.ended;
      const report = JSON.parse(stdout) as SelfTestReport;
      expect([code, report.steps.map(({ broken }) => broken)], stderr).toEqual([
        0,
        [null, null, null, null, null],
      ]);
      expect(report).toMatchObject({ ok: true, kept: null });
      expect(report.sync!.micros.map(({ bytes }) => bytes)).toEqual([4096, 65536]);
      for (const { counts } of report.steps) count('kills', Number(counts['kills'] ?? 0));
      expect(Number(report.steps.at(-1)!.counts['cuts'])).toBeGreaterThanOrEqual(10);
      expect(readdirSync(dir)).toEqual([]);
    },
    LIFE_MS,
  );

  it(
    'a relative data directory, as the default one is, holds as any other',
    async () => {
      const cwd = temporaryDirectory();
      const words = ['selftest', '--only', 'clock step', '--duration', '1s', '--json'];
      for (const more of [[], ['--data-dir', 'here']]) {
        const run = helicorder([...words, ...more], { cwd, lifeMs: LIFE_MS });
        const { code, stdout, stderr } = await run.ended;
        expect([code, (JSON.parse(stdout) as SelfTestReport).steps[0]?.broken], stderr).toEqual([
          0,
          null,
        ]);
        expect(readdirSync(cwd)).toEqual([]);
      }
    },
    LIFE_MS,
  );

  it(
    'a program that tells a wrong offset breaks the promise of acknowledgements',
    async () => {
      const report = await selfTestOf(spoilt(LIAR), 'kill');
      expect(report.ok).toBe(false);
      expect(report.steps.map(({ broken }) => broken)).toEqual([
        expect.stringMatching(/acknowledged outlasts a kill.*event 1 was told offset 7, and has 0/),
      ]);
      expect(existsSync(report.kept!), 'the stores are kept').toBe(true);
    },
    LIFE_MS,
  );

  it(
    'a disk that rots between two steps is found',
    async () => {
      const report = await selfTestOf(spoilt(ROT), 'kill');
      expect(report.ok).toBe(false);
      expect(report.steps[0]!.broken).toMatch(/does not hold here/);
    },
    LIFE_MS,
  );

  it('a step that does not exist is refused by name: exit 64', async () => {
    const { code, stderr } = await helicorder(['selftest', '--only', 'kil'], {}).ended;
    expect([code, stderr]).toEqual([64, expect.stringMatching(/--only kil: the steps are kill/)]);
  });
});
