/**
 * Row 2, together: 32 sources at 1 kHz beside everything else that a recorder may have to do, in
 * the same process and beside it: a copy of all streams into a second store, sealing of one segment
 * after the other, and a `cat --follow` that prints what arrives. The reference is the recorder
 * alone.
 *
 * Counted are the ticks behind a warm-up, up to the last sample. Most misses come in stalls of the
 * machine, several ticks at once, and a run has few of them: the same program twice gives two. So
 * the reference is what was missed alone and an **allowance**: stalls are taken as Poisson events,
 * and what was seen as one draw of them; the upper 95 % bound of their mean (three where none was
 * seen) is allowed, each stall as long as those seen, or one tick. The gate is about the median of
 * five pairs, so a machine that stalls one side of a pair by chance does not miss it.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { HelicorderError } from '../engine/base/errors.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { storePaths } from '../engine/store/log/files.ts';
import { Store } from '../engine/store/store.ts';
import { CLI, writeFile } from './files.ts';
import type { Arm, Context, Experiment, Metrics } from './harness.ts';
import { runProgram } from './process.ts';
import { record, samplerCpu, storeWith, verified } from './recorder.ts';
import { MISSED_PANEL } from './schedule.ts';
import { poissonUpperBound } from './stats.ts';

const RATE_HZ = 1000;
const SOURCES = 32;
const STREAM = 'bench/rig';
const FIRST = `${STREAM}-0`;
const WARM_UP_SECONDS = 3;
/** How sure the allowance is. */
const CONFIDENCE = 0.95;

const secondsOf = ({ quick }: Context): number => (quick ? 3 : 10);

/** @param more of the configuration */
function configOf(dir: string, more: object): string {
  const source = { source: 'synthetic', stream: STREAM, count: SOURCES, rate: RATE_HZ };
  const path = join(dir, 'helicorder.yaml');
  // JSON is YAML
  writeFile(path, JSON.stringify({ sources: [source], ...more }));
  return path;
}

async function recorded(context: Context, more: object): Promise<string> {
  const cpu = ['--cpu', String(samplerCpu(cpus().length))];
  const config = ['--config', configOf(context.dir, more)];
  const { dataDir } = await record({
    args: [...config, ...cpu, '--flush-ms', '10', '--realtime', 'auto'],
    dir: context.dir,
    warmUpSeconds: WARM_UP_SECONDS,
    seconds: secondsOf(context),
  });
  await verified(dataDir);
  return dataDir;
}

const alone: Arm = {
  name: 'recorder alone',
  measure: async (context) => missesOf(await recorded(context, {})),
};

const together: Arm = {
  name: 'recorder, copier, sealer and reader',
  measure: async (context) => {
    const far = join(context.dir, 'far');
    const more = {
      store: { segmentSize: '1MiB' },
      copies: [{ from: 'bench/*', to: far, follow: true }],
    };
    const limitMs = 1000 * (WARM_UP_SECONDS + secondsOf(context)) + 40_000;
    const [dataDir, lines] = await Promise.all([
      recorded(context, more),
      catWhile(join(context.dir, 'store'), limitMs),
    ]);
    await allWorked(dataDir, far, lines);
    return missesOf(dataDir);
  },
};

/** Follows one stream from when it is there until its owner has gone. @returns lines printed */
async function catWhile(dataDir: string, timeoutMs: number): Promise<number> {
  (await storeWith(dataDir, FIRST)).close();
  const words = ['stream', 'cat', FIRST, '--follow', '--data-dir', dataDir];
  const { stdout } = await runProgram(process.execPath, [CLI, ...words], { timeoutMs });
  return stdout.split('\n').length - 1;
}

/** @throws HelicorderError unless there was a copy, a sealed segment and a reader beside it */
async function allWorked(dataDir: string, far: string, lines: number): Promise<void> {
  const { chunks } = storePaths(dataDir);
  const sealed = nodeFileSystem.exists(chunks) ? nodeFileSystem.list(chunks).length : 0;
  const { streams } = await verified(far);
  const copied = streams.filter(({ records }) => Number(records) > 0).length;
  if (sealed > 0 && copied === SOURCES && lines > 0) return;
  const found = `${sealed} chunks, ${copied} streams copied, ${lines} events read`;
  throw new HelicorderError('ASSERTION', `not everything was done beside the recorder: ${found}`);
}

/** Percent of the ticks; the sources of a rate group share theirs, so one stream tells. */
async function missesOf(dataDir: string): Promise<Metrics> {
  const store = Store.open(dataDir);
  try {
    const ticks: number[] = [];
    for await (const item of store.read(FIRST)) {
      if (item.kind === 'samples') ticks.push(...item.batch.ticks);
    }
    return missedTicks(ticks.filter((tick) => tick >= ticks[0]! + WARM_UP_SECONDS * RATE_HZ));
  } finally {
    store.close();
  }
}

/** @param ticks of all samples, ascending, not empty */
export function missedTicks(ticks: readonly number[]): Metrics {
  const scheduled = ticks.at(-1)! - ticks[0]! + 1;
  const missed = scheduled - ticks.length;
  const stalls = ticks.filter((tick, i) => i > 0 && tick > ticks[i - 1]! + 1).length;
  const stallTicks = stalls === 0 ? 1 : missed / stalls;
  const allowed = (poissonUpperBound(stalls, CONFIDENCE) - stalls) * stallTicks;
  const percent = (count: number): number => (100 * count) / scheduled;
  return { missedPercent: percent(missed), allowancePercent: percent(allowed) };
}

export const beside: Experiment = {
  name: 'together',
  // in turn, like all arms: a round is one pair
  arms: [together, alone],
  rows: [
    {
      id: '2-together',
      name: 'ticks missed with copy, sealing and reader, to alone + bound',
      ...{ unit: '%', better: 'lower', gate: 1, stretch: null, fullOnly: true },
      figure: { panel: MISSED_PANEL, at: 'beside a copy, sealing, a reader' },
      subject: together.name,
      value: (metrics) => metrics.missedPercent!,
      reference: {
        arm: alone.name,
        value: (metrics) => metrics.missedPercent! + metrics.allowancePercent!,
      },
    },
  ],
};
