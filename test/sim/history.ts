/**
 * Random histories of two stores against a plain model: what streams, writers, copies, cursors,
 * trims and upkeep make of each other when they meet in any order, which the simulations of one
 * store and of one copy never try.
 *
 *   step ─▶ production code of both stores ─▶ acknowledged: the model has it
 *                     │                        refused: with the error that the manual tells, and
 *               the power goes                          nothing has changed
 *                     └▶ it has happened or not, whole: the model learns which
 *
 *   history-model.ts    what must be there           history-view.ts   what is there
 *   history-home.ts     a store, its machine, its owner, the comparison
 *   history-steps.ts    what happens to one store    history-copies.ts   what happens between two
 *   history-plan.ts     what becomes of a copy       history-readers.ts  who stands and reads on
 *
 * Streams of the same names in both stores have several writers, of which some have the same name
 * on both sides; they are copied to and fro, removed and made again. One thing happens at a time:
 * what happens at once is for the other simulations. The disks are sound, but lose what was not
 * synced when the power goes, in the middle of anything.
 *
 * `HELICORDER_SEED=n npx vitest run test/sim/histories.test.ts` replays one seed;
 * `HELICORDER_SIM_TRACE=1` prints its trace.
 */
import type { StoreEnvironment } from '../../engine/store/store.ts';
import { SeededRandom } from '../support/random.ts';
import { COPY_STEPS } from './history-copies.ts';
import { Home } from './history-home.ts';
import { STORE_STEPS, STREAMS } from './history-steps.ts';
import { Weather } from './weather.ts';
import { ProcessDied, World } from './world.ts';
import { replayable } from './replay.ts';

const STEPS_MAX = 60;
/** A step of which the power goes: at one of so many changes to a disk. */
const CUT_WITHIN = 40;
const EVENTS_MAX = 100_000;

/** What may happen, how often, and how. */
export interface HistoryStep {
  weight: number;
  /** @returns false if it can not happen now. @throws ProcessDied if somebody died meanwhile */
  take: (history: History) => Promise<boolean | void> | boolean | void;
}

export interface HistoryOutcome {
  /** of everything that happened, in order */
  traceHash: number;
  /** how often each step was taken, and what became of it */
  counts: Readonly<Record<string, number>>;
}

export interface HistoryOptions {
  /** a bug, for the proof that the histories would find it */
  mutate?: (environment: StoreEnvironment) => StoreEnvironment;
}

/** Plays one seed. @throws what broke, with the command that plays it again */
export function playHistory(seed: number, options: HistoryOptions = {}): Promise<HistoryOutcome> {
  return replayable(seed, 'histories', () => new History(seed, options).run());
}

/** Some of production code takes it for an error of the disk. */
function isDeath(error: unknown): boolean {
  return error instanceof ProcessDied || (error instanceof Error && isDeath(error.cause));
}

export class History {
  readonly random: SeededRandom;
  readonly world: World;
  readonly homes: readonly [Home, Home];
  /** of those that there may be: the fewer, the more happens to each */
  readonly streams: readonly string[];
  readonly counts: Record<string, number> = { 'power cut': 0 };
  /** by step: how often it comes */
  readonly #weights: readonly [name: string, step: HistoryStep, weight: number][];
  #lastId = 0;

  constructor(seed: number, { mutate = (same) => same }: HistoryOptions) {
    this.random = new SeededRandom(seed);
    this.world = new World(this.random, new Weather(this.random), mutate);
    this.world.isCalm = true;
    const other = this.world.addMachine();
    this.streams = this.#some(Object.keys(STREAMS));
    this.#weights = Object.entries({ ...STORE_STEPS, ...COPY_STEPS }).map(([name, step]) => {
      // each seed has a mix of its own, so that what is rare comes often in some
      return [name, step, step.weight * this.any([1, 1, 1, 3, 0.2])];
    });
    this.homes = [new Home(this.world, 'A', this.world), new Home(this.world, 'B', other)];
  }

  /** Of streams and sources, in both stores. */
  newId(): number {
    return ++this.#lastId;
  }

  any<T>(all: readonly T[]): T {
    return all[this.random.below(all.length)]!;
  }

  #some<T>(all: readonly T[]): T[] {
    const found = all.filter(() => this.random.next() < 0.5);
    return found.length > 1 ? found : this.#some(all);
  }

  note(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.tell(what);
  }

  /** For the trace. */
  tell(what: string): void {
    this.world.trace.add(`${this.world.now} ${what}`);
  }

  async run(): Promise<HistoryOutcome> {
    await this.world.run(() => this.#scenario(), EVENTS_MAX);
    return { traceHash: this.world.trace.hash, counts: this.counts };
  }

  async #scenario(): Promise<void> {
    for (let left = 10 + this.random.below(STEPS_MAX); left > 0; left--) {
      await this.#step();
      await this.world.sleep(1 + this.random.below(1000));
      const isWhole = this.random.next() < 0.1;
      if (isWhole || this.random.next() < 0.3) await this.#check(isWhole);
    }
    for (const home of this.homes) {
      home.close();
      this.world.powerCut(home.machine);
    }
    await this.#check(true);
  }

  async #check(isWhole: boolean): Promise<void> {
    for (const home of this.homes) await home.check(isWhole);
  }

  async #step(): Promise<void> {
    const isCut = this.random.next() < 0.15;
    const victim = this.any(this.homes);
    let left = 1 + this.random.below(CUT_WITHIN);
    if (isCut) {
      this.world.onChange = () => {
        if (--left === 0) this.#strike(victim);
      };
    }
    const survived = await this.#take();
    this.world.onChange = undefined;
    if (survived && left > 0) return;
    for (const home of this.homes) await home.settle();
  }

  /** @returns false if somebody died on the way */
  async #take(): Promise<boolean> {
    const all = this.#weights.reduce((sum, [, , weight]) => sum + weight, 0);
    let dice = all * this.random.next();
    const [name, { take }] = this.#weights.find(([, , weight]) => (dice -= weight) < 0)!;
    try {
      if ((await take(this)) !== false) this.note(name);
      return true;
    } catch (error) {
      if (!isDeath(error)) throw new Error(`${name}: ${String(error)}`, { cause: error });
      return false;
    }
  }

  #strike(victim: Home): void {
    if (this.random.next() < 0.3) return victim.kill();
    this.counts['power cut']!++;
    this.world.powerCut(victim.machine);
  }
}
