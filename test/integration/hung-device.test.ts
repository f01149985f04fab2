/**
 * A device whose read never returns, or that is away when recording begins: it is told, the others
 * are recorded, and the recorder still ends.
 */
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SIGNAL_REPEAT_MS } from '../../engine/base/constants.ts';
import type { GapsReport, RecorderStatus } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { shimEnvironment } from '../support/io-shim.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { buildShim, canShim } from '../support/shims.ts';
import { skipLoudly } from '../support/skip.ts';

const testOnShim = skipLoudly(!canShim, 'a device that hangs: no C compiler for the shim');
/** Of the reads of its file: a tick makes two of them, the second finds the end. */
const HANGING_READ = 101;
const LIFE_MS = 120_000;

interface Box {
  dir: string;
  config: string;
  environment: Record<string, string>;
}

function box(): Box {
  const dir = temporaryDirectory();
  const device = join(dir, 'device');
  const other = join(dir, 'other');
  for (const path of [device, other]) writeFileSync(path, '42\n');
  const config = join(dir, 'config.yaml');
  const sysfs = (name: string, rate: number, path: string): string =>
    `  - {source: sysfs, stream: s/${name}, rate: ${rate}, channels: [{name: V, path: ${path}}]}\n`;
  writeFileSync(
    config,
    `store: {flush: 20ms}\nsources:\n${sysfs('hung', 100, device)}${sysfs('waiting', 20, other)}` +
      '  - {source: synthetic, stream: s/native}\n',
  );
  const environment = shimEnvironment({
    shim: buildShim('io-shim', dir),
    dir: device,
    log: join(dir, 'calls'),
    strike: { kind: 'pread', nth: HANGING_READ, fault: 'hang' },
  });
  return { dir, config, environment };
}

function started({ dir, config }: Box, env: Record<string, string>): Program {
  return helicorder(['run', '--config', config, '--data-dir', join(dir, 'store'), '--json'], {
    env,
  });
}

const parsed = (line: string): RecorderStatus => JSON.parse(line) as RecorderStatus;

testOnShim(
  'it is named, the others are recorded on, and SIGTERM ends the recorder well',
  async () => {
    const its = box();
    const run = started(its, its.environment);
    const warning = 'no answer from the device of hung, with it is not sampled: waiting';
    const told = parsed(await run.stdout.next((line) => parsed(line).warnings.includes(warning)));
    await run.stdout.next((line) => Number(parsed(line).samples) > Number(told.samples) + 500);
    run.signal('SIGTERM');
    const { code, stderr } = await run.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('stopped cleanly')]);
    expect(stderr).toContain(`warning: ${warning}; its thread was left behind`);

    const next = started(its, {});
    await next.stdout.next((line) => Number(parsed(line).samples) > 500);
    next.signal('SIGTERM');
    expect((await next.ended).code).toBe(0);
    const words = ['stream', 'cat', 's/hung', '--format', 'ndjson-records'];
    const text = await helicorderOut([...words, '--data-dir', join(its.dir, 'store')]);
    const account = checkSamples(parseRecords(text.split('\n')));
    expect(account.between.map(({ reason }) => reason)).toEqual(['stopped']);
    expect(Number(account.between[0]!.ticks), 'from the read that hung').toBeGreaterThan(500);
  },
  LIFE_MS,
);

testOnShim(
  'a second SIGTERM ends it at once',
  async () => {
    const its = box();
    const run = started(its, its.environment);
    // long after the read that hangs
    await run.stdout.next((line) => Number(parsed(line).samples) > 2000);
    run.signal('SIGTERM');
    setTimeout(() => run.signal('SIGTERM'), 2 * SIGNAL_REPEAT_MS);
    const { code, signal } = await run.ended;
    expect([code, signal]).toEqual([143, null]);
  },
  LIFE_MS,
);

test(
  'one that is away at the start is in gap(device) until it comes',
  async () => {
    const { dir, config } = box();
    const device = join(dir, 'device');
    unlinkSync(device);
    const run = started({ dir, config, environment: {} }, {});
    const isTold = (line: string): boolean =>
      parsed(line).warnings.some((warning) => warning.includes(`cannot open ${device}`));
    await run.stdout.next((line) => isTold(line) && Number(parsed(line).missed.device) > 100);
    writeFileSync(device, '42\n');
    const gaps = (): Promise<GapsReport> =>
      helicorderJson(['gaps', 's/hung', '--data-dir', join(dir, 'store')]);
    while ((await gaps()).samples === '0');
    run.signal('SIGTERM');
    expect((await run.ended).code).toBe(0);
    const { gapsByReason, balanced } = await gaps();
    expect([gapsByReason[0]!.reason, balanced]).toEqual(['device', true]);
    expect(Number(gapsByReason[0]!.ticks)).toBeGreaterThan(100);
  },
  LIFE_MS,
);
