/**
 * Which flush interval, and how many samples per event: this machine measured, the load it is to
 * carry, and what each choice would cost. The table is a model; `docs/tuning.md` says how far to
 * trust it, and how to check it with `run` and `status`.
 */
import { dirname, resolve } from 'node:path';
import { openError } from '../base/errors.ts';
import { systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { measureBox } from './tune-measure.ts';
import { predict, recommend } from './tune-model.ts';
import type { BoxFacts, TuneLoad, TuneReport } from './types.ts';

const FLUSH_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const SAMPLES_PER_EVENT = [100, 1000, 10_000];

export interface TuneOptions {
  /** where the store is, or will be */
  dataDir: string;
  loads: readonly TuneLoad[];
  /** p99 from sample to disk that is good enough, ms */
  maxLatencyMs: number;
  /** what is configured now: shown beside the others */
  configured: { flushMs: number; samplesPerEvent: number };
  signal?: AbortSignal;
  environment?: StoreEnvironment;
}

/** @throws HelicorderError READ_ONLY, STORE_IO, NO_SPACE if the disk cannot be measured */
export async function tune(options: TuneOptions): Promise<TuneReport> {
  const { dataDir, environment = systemEnvironment, signal } = options;
  let box: BoxFacts;
  try {
    box = await measureBox(existing(environment, resolve(dataDir)), environment, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw openError(error, 'cannot measure', dataDir);
  }
  return reportOf(box, options);
}

/** The same with a machine that has been measured. */
export function reportOf(
  box: BoxFacts,
  { loads, maxLatencyMs, configured }: TuneOptions,
): TuneReport {
  const sorted = (values: readonly number[]): number[] =>
    [...new Set(values)].sort((a, b) => a - b);
  const flushes = sorted([...FLUSH_MS, configured.flushMs]);
  const events = sorted([...SAMPLES_PER_EVENT, configured.samplesPerEvent]);
  const table = flushes.flatMap((flushMs) =>
    events.map((samplesPerEvent) => predict(box, loads, flushMs, samplesPerEvent)),
  );
  const recommended = recommend(table, maxLatencyMs);
  return { box, loads: [...loads], maxLatencyMs, configured, table, recommended };
}

/** The store need not exist; its directory will be made in the nearest one above that does. */
function existing(environment: StoreEnvironment, dir: string): string {
  if (environment.fs.isDirectory(dir) || dirname(dir) === dir) return dir;
  return existing(environment, dirname(dir));
}
