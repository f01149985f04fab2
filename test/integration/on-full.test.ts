/** A recorder at its budget: who rejects what is new, and who drops its oldest (`onFull`). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../../engine/base/errors.ts';
import type {
  GapsReport,
  RecorderStatus,
  StreamInfo,
  VerifyReport,
} from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

const NO_SPACE = ERRORS.NO_SPACE.exit;
const LIFE_MS = 900_000;
/** Of the stream that goes on while the other one is refused: more than a ring holds. */
const SAMPLES_MORE = 50_000;

/** Enough data to fill the smallest budget in half a minute. */
const CONFIG = `
store: {flush: 50ms, segmentSize: 1MiB, budget: {bytes: 16MiB}}
sources:
  - {source: synthetic, stream: plant/keep, rate: 5000, channels: 32, seed: 1}
  - {source: synthetic, stream: plant/drop, rate: 5000, channels: 32, seed: 2, onFull: drop-oldest}
`;

test(
  'the one is refused as gap(full), the other goes on as gap(retired), every tick accounted for',
  { timeout: LIFE_MS },
  async () => {
    const dir = temporaryDirectory();
    const config = join(dir, 'helicorder.yaml');
    writeFileSync(config, CONFIG);
    const dataDir = join(dir, 'store');
    const at = ['--data-dir', dataDir];
    const run = helicorder(['run', '--config', config, '--json', ...at], { lifeMs: LIFE_MS });
    const next = (test: (status: RecorderStatus) => boolean): Promise<string> =>
      run.stdout.next((line) => test(JSON.parse(line) as RecorderStatus));
    const isRefused = ({ warnings }: RecorderStatus): boolean =>
      warnings.some((warning) => warning.includes('reject what is new'));
    const endOf = async (stream: string): Promise<string> =>
      (await helicorderJson<StreamInfo>(['stream', 'info', stream, ...at])).lastOffset!;
    const first = JSON.parse(await next(isRefused)) as RecorderStatus;
    const goal = Number(await endOf('plant/drop')) + SAMPLES_MORE;
    // longer than its ring holds: what is refused from then on is gap(full)
    await next(({ uptimeSeconds }) => uptimeSeconds > first.uptimeSeconds + 10);
    const ticksOf = async (stream: string): Promise<Map<string, bigint>> => {
      const report = await helicorderJson<GapsReport>(['gaps', stream, ...at]);
      expect(report.balanced, stream).toBe(true);
      return new Map(report.gapsByReason.map(({ reason, ticks }) => [reason, BigInt(ticks)]));
    };
    while (Number(await endOf('plant/drop')) < goal) await next(() => true);
    const before = await ticksOf('plant/keep');
    expect(before.has('retired')).toBe(false);

    // a person makes room: what was refused is told
    const end = await endOf('plant/keep');
    await helicorderOut(['stream', 'trim', 'plant/keep', '--to', end, '--yes', ...at]);
    await next((status) => status.state === 'recording' && !isRefused(status));
    await next(({ state }) => state === 'recording');
    run.signal('SIGTERM');
    const { code, stderr } = await run.ended;
    // a machine that is too busy to seal what comes may have it wait for space at this moment
    expect([0, NO_SPACE], stderr).toContain(code);

    const keep = await ticksOf('plant/keep');
    expect(keep.get('full')).toBeGreaterThan(0n);
    const drop = await ticksOf('plant/drop');
    expect(drop.get('retired')).toBeGreaterThan(0n);
    // the trim has let go of what the log said by then, of times in which both had to wait
    const refused = (before.get('full') ?? 0n) + keep.get('full')!;
    expect(drop.get('full') ?? 0n).toBeLessThan(refused);
    const report = await helicorderJson<VerifyReport>(['verify', ...at]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  },
);
