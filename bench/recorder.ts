/**
 * The recorder as a subject: the real program, started as a user starts it, watched from outside.
 * What it says of itself (`--json`, one status a second) is used only for what cannot be seen from
 * outside; ticks, samples, gaps and lateness are read back from the store it has written, which is
 * verified first. CPU and memory come from /proc.
 */
import { join } from 'node:path';
import { defined } from '../engine/base/assert.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { monotonicMs } from '../engine/base/clock.ts';
import { Store } from '../engine/store/store.ts';
import type { RecorderStatus, VerifyReport } from '../engine/tools/types.ts';
import { verify } from '../engine/tools/verify.ts';
import { CLI } from './files.ts';
import { processCpuSeconds, processRssMib } from './machine.ts';
import { runProgram } from './process.ts';

export interface RecorderOptions {
  /** for `run`, without --data-dir, --duration, --json */
  args: readonly string[];
  dir: string;
  /** left out of CPU and memory: starting, compiling, making the first segments */
  warmUpSeconds: number;
  seconds: number;
}

export interface Recording {
  dataDir: string;
  /** the last one */
  status: RecorderStatus;
  /** of one processor, in the time after the warm-up */
  cpuPercent: number;
  rssMib: number;
  /** between the middle and the end of the time after the warm-up */
  rssGrowthMib: number;
}

interface Reading {
  atMs: number;
  cpuSeconds: number;
  rssMib: number;
}

const READING_INTERVAL_MS = 250;
/** Starting, draining and closing on a busy machine. */
const GRACE_MS = 30_000;

/** @throws HelicorderError if the program fails, or says nothing of itself */
export async function record(options: RecorderOptions): Promise<Recording> {
  const { args, dir, warmUpSeconds, seconds } = options;
  const dataDir = join(dir, 'store');
  const totalSeconds = warmUpSeconds + seconds;
  const words = [...args, '--data-dir', dataDir, '--duration', `${totalSeconds}s`, '--json'];
  const readings: Reading[] = [];
  const { stdout } = await runProgram(process.execPath, [CLI, 'run', ...words], {
    timeoutMs: totalSeconds * 1000 + GRACE_MS,
    during: async (child) => {
      while (child.exitCode === null && child.signalCode === null) {
        const [cpuSeconds, rssMib] = [processCpuSeconds(child.pid!), processRssMib(child.pid!)];
        if (cpuSeconds !== undefined && rssMib !== undefined) {
          readings.push({ atMs: monotonicMs(), cpuSeconds, rssMib });
        }
        await new Promise((resolve) => setTimeout(resolve, READING_INTERVAL_MS));
      }
    },
  });
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (last === '') throw new HelicorderError('ASSERTION', 'the recorder printed no status');
  const status = JSON.parse(last) as RecorderStatus;
  return { dataDir, status, ...footprint(readings, warmUpSeconds * 1000) };
}

/** CPU and memory from readings taken at even intervals. */
export function footprint(
  readings: readonly Reading[],
  warmUpMs: number,
): Pick<Recording, 'cpuPercent' | 'rssMib' | 'rssGrowthMib'> {
  const steady = readings.filter(({ atMs }) => atMs - readings[0]!.atMs >= warmUpMs);
  const [first, last] = [steady[0], steady.at(-1)];
  if (first === undefined || last === undefined || first === last) {
    throw new HelicorderError('ASSERTION', 'the recorder ended before it was warm');
  }
  const middle = steady[steady.length >> 1]!;
  const cpuSeconds = last.cpuSeconds - first.cpuSeconds;
  return {
    cpuPercent: (100_000 * cpuSeconds) / (last.atMs - first.atMs),
    rssMib: last.rssMib,
    rssGrowthMib: last.rssMib - middle.rssMib,
  };
}

/** Verifies a store. @throws HelicorderError if anything in it is not as it should be */
export async function verified(dataDir: string): Promise<VerifyReport> {
  const report = await verify(dataDir);
  if (report.ok) return report;
  const { file, what } = defined(report.damage[0], 'the damage of a store that is not ok');
  throw new HelicorderError('DAMAGED', `${file}: ${what}`);
}

const NOT_YET = new Set(['NOT_A_STORE', 'NO_SUCH_STREAM', 'STORE_IN_USE']);
const WAIT_MS = 20;

/**
 * The store, once its owner has made it and the stream in it.
 * @throws HelicorderError NO_SUCH_STREAM if that takes longer than an owner may need to begin
 */
export async function storeWith(dataDir: string, stream: string): Promise<Store> {
  const endMs = monotonicMs() + GRACE_MS;
  while (monotonicMs() < endMs) {
    try {
      const store = Store.open(dataDir);
      if (store.streamNames().includes(stream)) return store;
      store.close();
    } catch (error) {
      if (!(error instanceof HelicorderError) || !NOT_YET.has(error.code)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  throw new HelicorderError('NO_SUCH_STREAM', `${dataDir}: no stream ${stream} in time`);
}

/** Lateness of every sample of a stream, ns, ascending. */
export async function latenessNanos(dataDir: string, stream: string): Promise<Float64Array> {
  const store = Store.open(dataDir);
  const lateness: number[] = [];
  try {
    for await (const item of store.read(stream)) {
      if (item.kind === 'samples') lateness.push(...item.batch.latenessNanos);
    }
  } finally {
    store.close();
  }
  return Float64Array.from(lateness).sort();
}

/** The processor that samplers are pinned to: not the first one, where interrupts arrive. */
export function samplerCpu(cores: number): number {
  return cores > 1 ? 1 : 0;
}
