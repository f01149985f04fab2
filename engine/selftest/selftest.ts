/**
 * The self-test: a user's own proof, on his own machine and disk, in about a minute, without root.
 *
 *   sync         how long a durable write takes here, and whether the syncs look like some
 *   kill         a recorder and a producer killed −9 at random
 *   torn tail    a write of which the disk has a part
 *   full budget  a store that may take no more, and is given more
 *   clock step   the wall clock set ahead and back
 *   copy         `stream cp --follow` with either side, or itself, killed, and connections cut
 *
 * What kills and is killed is the program itself, as children; what it left behind is read by the
 * library and held against an oracle outside of the store: what producers were told is durable
 * (`pen.ts`), what a reader has seen accepted, and what the source of a copy holds. Everything is
 * done in a directory of its own, in the one that is given: no store of the user's is touched.
 *
 * What it cannot show: that acknowledged data outlasts a power cut. A kill does not cut the power;
 * the disk is only asked what it says of itself. `docs/durability.md` says what shows it.
 */
import { resolve } from 'node:path';
import { monotonicMs, randomUint32 } from '../base/clock.ts';
import { MIB } from '../base/constants.ts';
import { HelicorderError, openError, messageOf } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { removeIfEmpty, removeTree } from '../files/remove-tree.ts';
import { hex } from '../base/bytes.ts';
import { systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { Chance } from './chance.ts';
import { clockStep } from './clock-step.ts';
import { copyUnderFire } from './copy.ts';
import { fullBudget } from './full-budget.ts';
import { killLoop } from './kill.ts';
import { Lab, type StepResult } from './lab.ts';
import { measureSync } from './sync.ts';
import { tornTail } from './torn-tail.ts';
import type { SelfTestReport, StepReport, SyncReport } from './types.ts';

export interface SelfTestOptions {
  /** on the disk that is tested; made if it does not exist, and then removed again if empty */
  dataDir: string;
  /** the words that start the program under test */
  program: readonly string[];
  /** about how long it takes, ms; each step does its least in any case */
  durationMs: number;
  seed?: number;
  /** names of the steps that are wanted; default: all */
  only?: readonly string[];
  onSync?: (sync: SyncReport) => void;
  onStep?: (step: StepReport) => void;
  /** what is being done */
  onProgress?: (text: string) => void;
  signal?: AbortSignal;
  environment?: StoreEnvironment;
}

interface Step {
  name: string;
  promise: string;
  /** of the time that steps share */
  share: number;
  run: (lab: Lab) => Promise<StepResult>;
}

const STEPS: readonly Step[] = [
  {
    name: 'kill',
    promise: 'what was acknowledged outlasts a kill −9, once and in order, and ticks balance',
    share: 0.55,
    run: killLoop,
  },
  {
    name: 'torn tail',
    promise: 'a write that the disk has in part counts as a whole or not at all',
    share: 0,
    run: tornTail,
  },
  {
    name: 'full budget',
    promise: 'a store keeps to its budget, waits, loses nothing and goes on by itself',
    share: 0,
    run: fullBudget,
  },
  {
    name: 'clock step',
    promise: 'order and identity do not depend on the wall clock',
    share: 0,
    run: clockStep,
  },
  {
    name: 'copy',
    promise: 'a copy holds what its source holds, once, whatever is killed or cut off',
    share: 0.45,
    run: copyUnderFire,
  },
];

/** What all stores of the self-test take at most, with room to spare. */
const NEEDED_BYTES = 512 * MIB;
/** What steps take whose length is no matter of choice, and the sync measurement. */
const FIXED_MS = 15_000;

/**
 * @returns `ok: false` if a promise broke; then the stores are kept, else nothing is left behind
 * @throws HelicorderError USAGE, READ_ONLY, NO_SPACE, STORE_IO if the disk cannot be tested; the
 *   signal's reason
 */
export async function selfTest(options: SelfTestOptions): Promise<SelfTestReport> {
  const { environment = systemEnvironment, signal, only } = options;
  checkNames(only ?? []);
  const { fs, clock, random } = environment;
  const seed = options.seed ?? randomUint32(random);
  const startMs = monotonicMs(clock);
  // the children have another working directory
  const dataDir = resolve(options.dataDir);
  const isNew = !fs.isDirectory(dataDir);
  const dir = `${dataDir}/selftest-${hex(random.bytes(6))}`;
  const report: SelfTestReport = {
    ...{ ok: true, version: VERSION, seed: String(seed), dir: dataDir, seconds: 0 },
    ...{ sync: null, steps: [], kept: null },
  };
  const cleanUp = (): void => {
    removeTree(dir);
    // no more than that: somebody may have begun a store in it meanwhile
    if (isNew) removeIfEmpty(dataDir);
  };
  makeRoom(environment, dir, cleanUp);
  try {
    report.sync = await measureSync(dir, environment, signal);
    options.onSync?.(report.sync);
    for (const [i, step] of STEPS.entries()) {
      if (only && !only.includes(step.name)) continue;
      const done = await take(step, dir, new Chance(seed + i), options);
      report.steps.push(done);
      options.onStep?.(done);
    }
    report.ok = report.steps.every(({ ok }) => ok);
    report.seconds = secondsSince(startMs, environment);
    if (!report.ok) report.kept = dir;
    return report;
  } finally {
    if (report.kept === null) cleanUp();
  }
}

function checkNames(only: readonly string[]): void {
  const names = STEPS.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new HelicorderError('USAGE', `--only ${unknown}: the steps are ${names.join(', ')}`);
}

function makeRoom({ fs }: StoreEnvironment, dir: string, cleanUp: () => void): void {
  try {
    fs.makeDirectory(dir);
  } catch (error) {
    throw openError(error, 'cannot make', dir);
  }
  const { freeBytes } = fs.info(dir);
  if (freeBytes >= NEEDED_BYTES) return;
  cleanUp();
  throw new HelicorderError(
    'NO_SPACE',
    `the self-test needs ${NEEDED_BYTES / MIB} MiB in ${dir}: it has ${Math.floor(freeBytes / MIB)}`,
  );
}

async function take(
  step: Step,
  dir: string,
  chance: Chance,
  options: SelfTestOptions,
): Promise<StepReport> {
  const { environment = systemEnvironment, program, signal, durationMs, onProgress } = options;
  const startMs = monotonicMs(environment.clock);
  const lab = new Lab({
    ...{ dir, program, environment, chance },
    budgetMs: step.share * Math.max(0, durationMs - FIXED_MS),
    onProgress: (text) => onProgress?.(`${step.name}: ${text}`),
    ...(signal && { signal }),
  });
  const { name, promise } = step;
  try {
    lab.progress('begins');
    const { found, counts } = await step.run(lab);
    const quoted = Object.entries(counts).map(([key, value]) => [key, String(value)]);
    const seconds = secondsSince(startMs, environment);
    const done = { found, counts: Object.fromEntries(quoted) as Record<string, string> };
    return { name, promise, ok: true, seconds, ...done, broken: null };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = messageOf(error);
    const seconds = secondsSince(startMs, environment);
    const broken = `the promise "${promise}" does not hold here: ${reason}`;
    return { name, promise, ok: false, seconds, found: [], counts: {}, broken };
  } finally {
    await lab.killAll();
  }
}

function secondsSince(startMs: number, { clock }: StoreEnvironment): number {
  return Math.round((monotonicMs(clock) - startMs) / 100) / 10;
}
