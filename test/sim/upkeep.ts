/**
 * The store's upkeep beside an owner, as the recorder runs it: a thread of the same process, which
 * makes one step after the other and lets the owner carry out what it has found. It dies with the
 * owner; what a step throws is its own affair, as long as the disk is to blame for it.
 *
 * Before a trim is carried out, a witness reads what it lets go of: every record is held against
 * the oracle once more, and the sums of the trim against the harness's own.
 */
import { HelicorderError, errnoCode } from '../../engine/base/errors.ts';
import type { TrimEntry } from '../../engine/store/entries/control-entries.ts';
import { Store } from '../../engine/store/store.ts';
import type { RetentionEntry } from '../../engine/store/entries/retention-entry.ts';
import type { upkeepStep } from '../../engine/store/upkeep/upkeep.ts';
import { type UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import type { Oracle, StreamOracle } from './oracle.ts';
import type { Process, World } from './world.ts';

export type Step = typeof upkeepStep;

export interface UpkeepOf {
  dir: string;
  oracle: Oracle;
  /** what makes a step: production code, or a mutant of it */
  step: Step;
  /** by the owner, between two commits */
  apply: (result: UpkeepResult) => void;
}

export class UpkeepThread {
  readonly #process: Process;
  readonly #upkeep: UpkeepOf;
  #isOver = false;
  #after: UpkeepResult['did'] | undefined;

  constructor(process: Process, upkeep: UpkeepOf) {
    this.#process = process;
    this.#upkeep = upkeep;
  }

  start(): void {
    if (this.#process.world.weather.upkeep === undefined) return;
    const { world } = this.#process;
    this.#run().catch((error: unknown) => {
      if (this.#process.isAlive) world.fail(error);
    });
  }

  /** What a step still finds is not carried out. */
  stop(): void {
    this.#isOver = true;
  }

  async #run(): Promise<void> {
    const { random, world } = this.#process;
    for (;;) {
      await this.#process.sleep(random.below(world.weather.upkeep!.idleMs));
      while (!this.#isOver && (await this.#step()));
      if (this.#isOver) return;
    }
  }

  /** @returns whether there may be more to do */
  async #step(): Promise<boolean> {
    const { oracle, apply } = this.#upkeep;
    const result = await this.#attempt();
    if (result === undefined || this.#isOver) return false;
    if (result.did === 'planned') await witness(this.#process, this.#upkeep, result.trims);
    this.#process.check();
    if (this.#isOver || !this.#isApplied(() => apply(result))) return false;
    this.#after = result.did;
    if (result.did === 'sealed') oracle.counts.sealed++;
    if (result.did === 'tidied') oracle.counts.tidied++;
    return result.did !== 'nothing';
  }

  async #attempt(): Promise<UpkeepResult | undefined> {
    const { world, environment, random } = this.#process;
    const { dir, step } = this.#upkeep;
    const { retention, pauseChance } = world.weather.upkeep!;
    const { budgetBytes } = world;
    const pause = async (): Promise<void> => {
      this.#process.check();
      if (world.chance(pauseChance)) await this.#process.sleep(random.below(20));
    };
    const rules = { budgetBytes, minFreeBytes: 0, retention };
    const options = { dataDir: dir, after: this.#after, ...rules };
    try {
      return await step(options, environment, pause);
    } catch (error) {
      this.#process.check();
      if (!this.#isOfTheDisk(error)) throw error;
      return undefined;
    } finally {
      this.#process.check();
    }
  }

  #isOfTheDisk(error: unknown): boolean {
    const errno = errnoCode(error);
    if (!(error instanceof HelicorderError)) return errno === 'EIO' || errno === 'ENOSPC';
    if (error.code === 'DAMAGED') return this.#upkeep.oracle.hasRot;
    return error.code === 'STORE_IO' || error.code === 'STORE_IN_USE';
  }

  /** @returns false if there is no space: it will be found again. What is final ends the owner. */
  #isApplied(apply: () => void): boolean {
    try {
      apply();
      return true;
    } catch (error) {
      this.#process.check();
      const isKnown = error instanceof HelicorderError || errnoCode(error) !== undefined;
      if (!isKnown) throw error;
      if (error instanceof HelicorderError && error.code === 'NO_SPACE') return false;
      if (this.#process.world.isCalm) throw error;
      this.#process.world.end(this.#process);
      return false;
    }
  }
}

async function witness(
  { world }: Process,
  upkeep: UpkeepOf,
  trims: readonly TrimEntry[],
): Promise<void> {
  await world.spawn('witness', async (process) => {
    process.isSpared = true;
    const store = Store.open(upkeep.dir, process.environment);
    for (const trim of trims) await readGoing(store, trim, upkeep.oracle);
    store.close();
  }).finished;
}

async function readGoing(store: Store, trim: TrimEntry, oracle: Oracle): Promise<void> {
  const { stream: id, lowWater, writers } = trim;
  const name = store.reader.state.streams.get(id)?.name;
  if (name === undefined) return;
  const stream = oracle.stream(name);
  const from = Math.min(lastPlanned(stream, lowWater), store.reader.state.lowWaterOf(id));
  const pass = oracle.pass(name);
  for await (const item of store.read(name, { from, to: lowWater })) pass.see(item);
  if (oracle.isLenient) return void stream.trims.set(lowWater, { samples: 0, ticks: NaN });
  const seen = stream.plan(lowWater);
  const told = writers.reduce(
    (sum, { records, samples, ticks }) => ({
      records: sum.records + records,
      samples: sum.samples + samples,
      ticks: sum.ticks + ticks,
    }),
    { records: 0, samples: 0, ticks: 0 },
  );
  const isSame = told.records === lowWater && told.samples === seen.samples;
  if (isNaN(seen.ticks) ? told.records === lowWater : isSame && told.ticks === seen.ticks) return;
  throw new Error(
    `${name}: the trim to ${lowWater} says ${JSON.stringify(told)}, ` +
      `there were ${JSON.stringify(seen)}`,
  );
}

function lastPlanned({ trims }: StreamOracle, before: number): number {
  return [...trims.keys()].filter((end) => end < before).reduce((a, b) => Math.max(a, b), 0);
}

/** What recorders tell the store to keep. */
export function retentionOf({ budgetBytes, weather }: World): RetentionEntry {
  const budget = { bytes: budgetBytes, minFreeBytes: 0 };
  return { budget, rules: weather.upkeep?.retention ?? [] };
}
