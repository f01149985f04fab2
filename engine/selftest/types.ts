/** What the self-test reports. 64-bit values are quoted strings. */
import type { Percentiles } from '../tools/types.ts';

/** Never more than is known: that a sync is honest cannot be proved without cutting the power. */
export type Verdict = 'looks honest' | 'suspicious' | 'cannot tell';

export interface SyncReport {
  verdict: Verdict;
  /** sentences: what the verdict rests upon */
  reasons: string[];
  fileSystem: string;
  /** of the disk that the kernel names; null: it names none */
  device: string | null;
  /** as sysfs says it: `write back` is a cache that forgets when the power goes */
  writeCache: string | null;
  /** what the disk was asked to flush while so many syncs were made; null: not counted */
  flushes: { syncs: string; flushes: string } | null;
  /** one durable write, µs; direct is O_DIRECT|O_DSYNC, null where the file system has it not */
  micros: {
    bytes: number;
    direct: Percentiles | null;
    fdatasync: Percentiles;
  }[];
}

export interface StepReport {
  name: string;
  /** what is put to the test, as a sentence */
  promise: string;
  ok: boolean;
  seconds: number;
  /** what was done and found, as sentences */
  found: string[];
  /** how often what was done */
  counts: Record<string, string>;
  /** the sentence that says which promise broke, and how */
  broken: string | null;
}

export interface SelfTestReport {
  ok: boolean;
  version: string;
  /** with the same one the same moments are chosen; what happens in them is up to the machine */
  seed: string;
  dir: string;
  seconds: number;
  sync: SyncReport | null;
  steps: StepReport[];
  /** where the stores of a broken promise lie; null: nothing is left behind */
  kept: string | null;
}
