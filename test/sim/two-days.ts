/**
 * Two days of a recorder at its budget: 48 simulated hours of 32 sources, whose data turns the
 * budget over several times, with kills, power cuts, failing and torn writes, and rot in between.
 *
 *   at any change of the disk   what lies under the store's directory is at most the budget and
 *                               two segments
 *   every record that goes      is read before, by a witness (`upkeep.ts`): it is there, byte for
 *                               byte, and the trim's sums are the harness's own
 *   every tick that stays       is a sample, or in a gap whose reason is true; what `verify` names
 *                               is what was damaged, and it names all of it
 *
 * What is not scaled: hours, sources, the shape of the store (16 segments to a budget, as the
 * configuration has it), production code. What is: a source samples once in some seconds,
 * not 1000 times in one, with wider samples, and is flushed every few minutes. Upkeep, retention,
 * recovery see bytes, blocks and segments, and of these there are as many as a fast source would
 * make. The short run has a twelfth of the bytes (budget, segments and data alike), so as many
 * segments are sealed, and the same part of the budget goes at once.
 */
import { KEEP_ALL } from '../../engine/base/retention.ts';
import { upkeepStep } from '../../engine/store/upkeep/upkeep.ts';
import { SeededRandom } from '../support/random.ts';
import type { Operation } from '../support/simulated-file-system.ts';
import { audit } from './audit.ts';
import { Oracle } from './oracle.ts';
import { DIR, recorderLife, type Work } from './owners.ts';
import { rot } from './rot.ts';
import { makeGroups, type KnownGroup } from './sources.ts';
import { Weather, type UpkeepWeather } from './weather.ts';
import { World, type Process } from './world.ts';

const HOUR_MS = 3_600_000;
const HOURS = 48;
const FLUSH_MS = 600_000;
/** A segment takes about an hour to fill; upkeep must come several times in it. */
const IDLE_MS = HOUR_MS / 2;
const SEGMENTS_OF_BUDGET = 16;
/** No life of the machine is busier than this. */
const EVENTS_MAX = 5_000_000;

export interface Scale {
  budgetBytes: number;
  /** of every source, one sample */
  periodMs: number;
  /** of every source; four bytes each that do not compress */
  channels: number;
}

/** A disk that fails now and then, in a life of hours; everything else as it is wanted. */
class LongWeather extends Weather {
  override readonly segmentBytes: number;
  override readonly newSegmentBytes: number;
  override readonly flushMs: number;
  override readonly foundationRotChance = 0;
  override readonly upkeep: UpkeepWeather;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom, { budgetBytes }: Scale) {
    super(random);
    this.#random = random;
    this.segmentBytes = budgetBytes / SEGMENTS_OF_BUDGET;
    this.newSegmentBytes = this.segmentBytes;
    this.flushMs = FLUSH_MS;
    const dropOldest = { ...KEEP_ALL, onFull: 'drop-oldest' as const };
    this.upkeep = {
      ...{ idleMs: IDLE_MS, pauseChance: 0.01, budgetBytes },
      retention: [
        { ...dropOldest, pattern: 'sim/g0s0', ageMs: 3 * HOUR_MS },
        { ...dropOldest, pattern: 'sim/g0s1', bytes: budgetBytes / 1000 },
        { ...dropOldest, pattern: 'sim/g1*', class: 'bulk' },
        { ...dropOldest, pattern: '*' },
      ],
    };
  }

  /** One in hundreds of lives of the other simulation's: this one is that much longer. */
  override fault(operation: Operation): string | undefined {
    return this.#random.next() < 0.005 ? super.fault(operation) : undefined;
  }
}

export interface TwoDaysOutcome {
  lives: number;
  kills: number;
  powerCuts: number;
  flips: number;
  sealed: number;
  tidied: number;
  samples: number;
  retired: number;
  peakBytes: number;
  budgetBytes: number;
}

export class TwoDays {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #oracle = new Oracle();
  readonly #groups: KnownGroup[];
  readonly #limitBytes: number;
  readonly #scale: Scale;
  #peakBytes = 0;
  #lives = 0;

  constructor(seed: number, scale: Scale) {
    this.#random = new SeededRandom(seed);
    this.#scale = scale;
    const weather = new LongWeather(this.#random, scale);
    this.#world = new World(this.#random, weather, (same) => same);
    this.#world.disk.makeDirectory(DIR);
    this.#limitBytes = scale.budgetBytes + 2 * weather.segmentBytes;
    const { channels, periodMs } = scale;
    const kind = { channels, type: 'i32' as const };
    this.#groups = makeGroups(this.#oracle, [
      { ...kind, sources: 24, periodMs },
      { ...kind, sources: 8, periodMs: 2 * periodMs },
    ]);
  }

  async run(): Promise<TwoDaysOutcome> {
    await this.#world.run(() => this.#scenario(), EVENTS_MAX);
    const { counts, disk } = this.#world;
    const { sealed, tidied } = this.#oracle.counts;
    const streams = [...this.#oracle.streams.values()];
    return {
      ...{ lives: this.#lives, kills: counts.kills, powerCuts: disk.stats.powerCuts },
      ...{ flips: disk.stats.flips, sealed, tidied, peakBytes: this.#peakBytes },
      samples: streams.reduce((sum, { taken }) => sum + taken.length, 0),
      retired: streams.reduce((sum, { retiredEnd }) => sum + retiredEnd, 0),
      budgetBytes: this.#scale.budgetBytes,
    };
  }

  async #scenario(): Promise<void> {
    const world = this.#world;
    world.onChange = () => this.#watch();
    while (world.now < HOURS * HOUR_MS * 1e6) {
      await this.#life();
      if (world.chance(0.3)) await this.#spawn('rot', rot);
      if (world.chance(0.06)) await this.#spawn('auditor', audit);
      await world.sleep(world.random.below(60_000));
    }
    await this.#quietEnd();
  }

  async #quietEnd(): Promise<void> {
    this.#world.isCalm = true;
    this.#world.weather.upkeep!.idleMs = IDLE_MS;
    const work = this.#work({ steps: 20, isClean: true, mustEnd: true });
    await this.#world.spawn('last owner', (process) => recorderLife(process, work)).finished;
    await this.#spawn('auditor', audit);
    this.#watch();
  }

  async #spawn(
    name: string,
    body: (process: Process, oracle: Oracle) => Promise<void>,
  ): Promise<void> {
    await this.#world.spawn(name, (process) => body(process, this.#oracle)).finished;
  }

  #work(how: Pick<Work, 'steps' | 'isClean' | 'mustEnd'>): Work {
    return { oracle: this.#oracle, groups: this.#groups, opaque: [], step: upkeepStep, ...how };
  }

  async #life(): Promise<void> {
    const { random, weather } = this.#world;
    this.#lives++;
    const lifeMs = random.below(4 * HOUR_MS);
    const isClean = random.next() < 0.2;
    // sometimes it does not come to its turn for long
    weather.upkeep!.idleMs = random.next() < 0.15 ? 10 * HOUR_MS : IDLE_MS;
    const steps = 1 + Math.floor(lifeMs / weather.flushMs);
    const work = this.#work({ steps, isClean, mustEnd: false });
    const owner = this.#world.spawn('owner', (process) => recorderLife(process, work));
    const cancel = isClean ? undefined : this.#crash(owner, lifeMs);
    await owner.finished;
    cancel?.();
  }

  /** A kill or a power cut: at a moment, or at one of the next changes of the disk behind it. */
  #crash(owner: Process, lifeMs: number): () => void {
    const world = this.#world;
    const crash = (): void => (world.chance(0.5) ? world.kill(owner) : world.powerCut());
    let left = world.random.below(60);
    return world.interruptIn(world.random.below(lifeMs) * 1e6, () => {
      if (left === 0) return crash();
      world.onChange = () => {
        this.#watch();
        if (--left > 0) return;
        world.onChange = () => this.#watch();
        if (owner.isAlive) crash();
      };
    });
  }

  #watch(): void {
    const bytes = this.#world.disk.usedUnder(DIR);
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
    if (bytes <= this.#limitBytes) return;
    const hours = (this.#world.now / 1e6 / HOUR_MS).toFixed(1);
    const message = `${bytes} bytes of disk at hour ${hours}, ${this.#limitBytes} allowed`;
    this.#world.fail(new Error(message));
  }
}
