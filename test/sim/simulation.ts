/**
 * The simulation: production code of the store on a machine that is entirely made up.
 *
 *   seed ─▶ weather   which faults, how often, how slow, how large          (weather.ts)
 *        └▶ scenario  lives of owners, one after the other, each ended by a clean stop, a kill, a
 *                     power cut; readers beside them; rot in between; then a quiet end (below)
 *
 *   world.ts     virtual time, processes, the machine's clocks and boots
 *   support/simulated-disk.ts, -file-system.ts   page cache, pending writes and names
 *   owners.ts    the recorder's Collector over real rings and samplers; a program that appends
 *   upkeep.ts    sealing, retention, tidying: a thread of the owner's process
 *   readers.ts   followers and peekers;   rot.ts   flipped bits
 *   oracle.ts, pass.ts   what was acknowledged and shown: the judge
 *   audit.ts, catalog-audit.ts   everything read and verified
 *
 * Fault model. Process kill: the page cache survives, locks and rings do not; a write in progress
 * leaves a beginning. Power cut: each write that was not synced is kept, lost, or torn at 512 bytes
 * in any order, a sector may be shredded; names not synced are kept in order or at random; the boot
 * id changes. A failed sync drops the dirty pages and reports it once. EIO on any operation, a disk
 * that is full for a while, stalls of seconds, steps of the wall clock, suspends, and bits that
 * flip at rest in any file. SQLite is the real one, in memory (support/simulated-database.ts): a
 * power cut leaves the catalog as it was at any of its last commits, or empty. Not simulated:
 * native threads, a disk that lies about syncs, and rot while a process holds the store.
 *
 * What must hold is in oracle.ts. One more actor is an async function of a Process: spawn it beside
 * the readers in `#life`, let it use nothing but `process.environment`, and tell the oracle what it
 * was promised. Copies have a world of their own: copy-simulation.ts.
 *
 * `HELICORDER_SEED=n npx vitest run test/sim/simulation.test.ts` replays one seed;
 * `HELICORDER_SIM_TRACE=1` prints its trace.
 */
import type { StoreEnvironment } from '../../engine/store/store.ts';
import { SeededRandom } from '../support/random.ts';
import type { DiskStats } from '../support/simulated-disk.ts';
import { GIB, MIB, SEGMENT_MIN_BYTES } from '../../engine/base/constants.ts';
import { audit } from './audit.ts';
import { upkeepStep } from '../../engine/store/upkeep/upkeep.ts';
import { Oracle, StreamOracle, type OracleCounts } from './oracle.ts';
import { DIR, appenderLife, intruder, recorderLife, type Work } from './owners.ts';
import { Peeker, follower } from './readers.ts';
import { rot } from './rot.ts';
import { drawGroups, type KnownGroup } from './sources.ts';
import { Weather } from './weather.ts';
import type { Step } from './upkeep.ts';
import { makeSmallStore } from './small-store.ts';
import { World, type Process } from './world.ts';
import { replayable } from './replay.ts';

export interface Outcome {
  /** of everything that happened, in order */
  traceHash: number;
  counts: Counts;
}

export interface Counts extends DiskStats, OracleCounts {
  lives: number;
  kills: number;
  operations: number;
}

export interface SimulationOptions {
  /** a bug, for the proof that the simulation would find it */
  mutate?: (environment: StoreEnvironment) => StoreEnvironment;
  /** the same for what makes a step of upkeep */
  step?: Step;
  /** owners that append events only */
  isOpaqueOnly?: boolean;
}

/** One seed in so many has a catalog: to open and to compare databases costs. */
const CATALOG_EVERY = 5;

/** Plays one seed. @throws what broke, with the command that plays it again */
export function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  return replayable(seed, 'simulation', () => new Simulation(seed, options).run());
}

class Simulation {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #oracle = new Oracle();
  readonly #groups: KnownGroup[];
  readonly #opaque: string[];
  readonly #isOpaqueOnly: boolean;
  readonly #step: Step;
  #lives = 0;

  constructor(seed: number, options: SimulationOptions) {
    const { mutate = (same) => same, step = upkeepStep, isOpaqueOnly = false } = options;
    this.#step = step;
    this.#random = new SeededRandom(seed);
    const weather = new Weather(this.#random);
    if (seed % CATALOG_EVERY === 0) weather.drawCatalog();
    this.#world = new World(this.#random, weather, mutate);
    this.#world.disk.shownFreeBytes = weather.hasBallast ? GIB : MIB;
    this.#world.disk.makeDirectory(DIR);
    if (weather.segmentBytes < SEGMENT_MIN_BYTES) makeSmallStore(this.#world);
    this.#isOpaqueOnly = isOpaqueOnly;
    this.#groups = isOpaqueOnly ? [] : drawGroups(this.#random, this.#oracle);
    this.#opaque = ['sim/a', 'sim/b'].slice(0, 1 + this.#random.below(2));
    for (const name of this.#opaque) this.#oracle.add(new StreamOracle(name));
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    await world.run(() => this.#scenario());
    const counts = { lives: this.#lives, ...world.counts, ...this.#oracle.counts };
    return { traceHash: world.trace.hash, counts: { ...world.disk.stats, ...counts } };
  }

  async #scenario(): Promise<void> {
    const random = this.#random;
    const lives = 1 + random.below(4);
    for (let i = 0; i < lives; i++) {
      await this.#life();
      if (random.next() < 0.1) this.#world.powerCut();
      if (random.next() < 0.3) await this.#spawn('auditor', audit).finished;
      if (random.next() < 0.2) this.#world.powerCut();
      if (random.next() < this.#world.weather.rotChance) await this.#rot();
      await this.#world.sleep(random.below(2000));
    }
    await this.#quietEnd();
  }

  /** I16: without faults everything drains, and everything that was promised is there. */
  async #quietEnd(): Promise<void> {
    this.#world.isCalm = true;
    this.#world.disk.capacity = Infinity;
    for (const life of this.#isOpaqueOnly ? [appenderLife] : [recorderLife, appenderLife]) {
      const work = this.#work({ steps: 3, isClean: true, mustEnd: true });
      await this.#world.spawn('last owner', (process) => life(process, work)).finished;
    }
    await this.#spawn('auditor', audit).finished;
  }

  #work(how: Pick<Work, 'steps' | 'isClean' | 'mustEnd'>): Work {
    const what = { oracle: this.#oracle, groups: this.#groups, opaque: this.#opaque };
    return { ...what, step: this.#step, ...how };
  }

  #spawn(name: string, body: (process: Process, oracle: Oracle) => Promise<void>): Process {
    return this.#world.spawn(name, (process) => body(process, this.#oracle));
  }

  async #life(): Promise<void> {
    const random = this.#random;
    this.#lives++;
    const isRecorder = !this.#isOpaqueOnly && random.next() < 0.6;
    const isClean = random.next() < 0.3;
    const steps = 1 + random.below((isRecorder ? 12 : 30) * this.#world.weather.labour);
    const work = this.#work({ steps, isClean, mustEnd: false });
    const life = isRecorder ? recorderLife : appenderLife;
    const owner = this.#world.spawn('owner', (process) => life(process, work));
    const cancel = [this.#troubles(steps), isClean ? undefined : this.#crash(owner, steps)];
    for (let i = random.below(this.#world.weather.readers + 1); i > 0; i--) this.#reader();
    if (random.next() < 0.1) this.#spawn('auditor', audit);
    if (random.next() < 0.1) this.#spawn('intruder', intruder);
    await owner.finished;
    for (const one of cancel) one?.();
  }

  #reader(): void {
    if (this.#random.next() < 0.5) return void this.#spawn('follower', follower);
    this.#spawn('peeker', async (process, oracle) => {
      new Peeker(process, oracle).start();
      await process.sleep(1500);
    });
  }

  async #rot(): Promise<void> {
    await this.#spawn('rot', rot).finished;
  }

  /** The owner is killed or the power cut, at an operation of the disk or at a moment. */
  #crash(owner: Process, steps: number): () => void {
    const random = this.#random;
    const world = this.#world;
    const isKill = random.next() < 0.4;
    const crash = (): void => (isKill ? world.kill(owner) : world.powerCut());
    if (random.next() < 0.3) {
      return world.interruptIn(random.below(steps * world.weather.flushMs) * 1e6, crash);
    }
    let left = 1 + Math.floor(2 ** (7.5 * random.next()));
    world.onChange = () => {
      if (--left === 0) crash();
    };
    return () => (world.onChange = undefined);
  }

  /** What the machine does to all who run on it during one life. */
  #troubles(steps: number): () => void {
    const { disk, weather, clock } = this.#world;
    const random = this.#random;
    const lifeNanos = steps * weather.flushMs * 1e6;
    const some = (chance: number, action: () => void): (() => void) | undefined =>
      random.next() < chance ? this.#world.interruptIn(random.below(lifeNanos), action) : undefined;
    const planned = [
      some(weather.stepChance, () => clock.stepWall((random.next() - 0.5) * 8e12)),
      some(weather.suspendChance, () => clock.suspend(random.below(60e9))),
      some(weather.fullChance, () => {
        disk.capacity = disk.used + random.below(MIB);
        const fullNanos = random.below(lifeNanos);
        this.#world.interruptIn(fullNanos, () => (disk.capacity = Infinity));
      }),
    ];
    return () => planned.forEach((cancel) => cancel?.());
  }
}
