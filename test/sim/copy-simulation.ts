/**
 * A copy in the simulation: production code of both stores, of their owners, of upkeep and of the
 * copier, on two machines and a network that are made up from a seed.
 *
 *   machine of the source                          machine of the target
 *     owner: samplers, writer, upkeep ─ store      owner: writer, upkeep ─ store
 *     copier ── StoreSource · Copier · StoreParticipant ══ line ══▶ ┘
 *
 *   copy-network.ts   connections that are late, cut, silent
 *   copy-actors.ts    one life of an owner, or of the copier
 *   copy-oracle.ts    what a witness has seen on both sides: the judge
 *
 * Whoever dies is begun anew, as a service manager does it. Processes are killed, each machine
 * loses its power or is suspended by itself, disks fail and are full, clocks jump (fault model:
 * simulation.ts). Then comes a quiet time in which everything must drain with no human act (I16);
 * the power goes once more, and the target holds what the source holds, record by record, each
 * once (I3). An alarm at any time is a failure: nothing here justifies one.
 *
 * `HELICORDER_SEED=n npx vitest run test/sim/copy-simulation.test.ts` replays one seed;
 * `HELICORDER_SIM_TRACE=1` prints its trace.
 */
import { MIB, SEGMENT_MIN_BYTES } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { Derivation } from '../../engine/derive/derivation.ts';
import { Where } from '../../engine/derive/where.ts';
import { storePaths, writeStoreJson } from '../../engine/store/log/files.ts';
import type { StoreEnvironment } from '../../engine/store/store.ts';
import type { CopyProgress } from '../../engine/txn/copier.ts';
import { SeededRandom } from '../support/random.ts';
import { SimulatedFileSystem } from '../support/simulated-file-system.ts';
import {
  copierLife,
  isPassing,
  ownerLife,
  type CopierWork,
  type OwnerWork,
} from './copy-actors.ts';
import { LOCAL, Site, drawLine, type LineWeather } from './copy-network.ts';
import { CopyOracle, LOCAL_WRITER } from './copy-oracle.ts';
import { Oracle } from './oracle.ts';
import { drawGroups, type KnownGroup } from './sources.ts';
import { Weather } from './weather.ts';
import { World, type Process } from './world.ts';
import { replayable } from './replay.ts';

const EVENTS_STREAM = 'sim/a';
/** Virtual time in which a backlog without faults must have drained. */
const DRAIN_MS = 600_000;
/** In this time an owner without faults has opened its store. */
const OPEN_MS = 2000;
const EVENTS_MAX = 1_000_000;
/** Of what is sent in one transaction of any size: nearly all of it is spilled. */
const SPILL_BYTES = 500;

export interface CopyCounts {
  lives: number;
  kills: number;
  powerCuts: number;
  /** of a machine, while the other goes on */
  suspends: number;
  operations: number;
  commits: number;
  /** open() was asked again: after a failure, or by a new copier */
  recoveries: number;
  /** commits behind which the target holds spilled transactions */
  spilled: number;
  records: number;
}

export interface CopyOutcome {
  /** of everything that happened, in order */
  traceHash: number;
  counts: CopyCounts;
}

export interface CopySimulationOptions {
  /** a bug, for the proof that the simulation would find it */
  mutate?: (environment: StoreEnvironment) => StoreEnvironment;
}

/** Plays one seed. @throws what broke, with the command that plays it again */
export function simulateCopy(
  seed: number,
  options: CopySimulationOptions = {},
): Promise<CopyOutcome> {
  return replayable(seed, 'copy-simulation', () => new CopySimulation(seed, options).run());
}

type Role = 'source' | 'target' | 'copier';

class CopySimulation {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #source: Site;
  readonly #target: Site;
  readonly #devices = new Oracle();
  readonly #groups: KnownGroup[];
  /** by role: what something appends to beside the samplers, or beside the copy */
  readonly #events: Partial<Record<Role, OwnerWork['events']>> = {};
  readonly #stream: string;
  readonly #oracle: CopyOracle;
  readonly #line: LineWeather;
  readonly #batchRecords: number;
  /** of a fourth of all seeds, and no draw: transactions of any size */
  readonly #batchBytes: number | undefined;
  /** of a fifth of all seeds, and no draw: the copier is stopped for seconds */
  readonly #isFrozen: boolean;
  /** of a seventh of all seeds, and no draw: a machine is suspended for seconds */
  readonly #isSuspended: boolean;
  /** of a third of all seeds, and no draw: the others are what they were */
  readonly #derivation: Derivation | undefined;
  readonly #counts = { lives: 0, suspends: 0, commits: 0, recoveries: 0, spilled: 0, records: 0 };
  readonly #alive = new Map<Role, Process>();
  #isQuiet = false;

  constructor(seed: number, { mutate = (same) => same }: CopySimulationOptions) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#world = new World(random, new Weather(random), mutate);
    this.#source = this.#site(new Site(this.#world, '/source'));
    this.#target = this.#site(new Site(this.#world.addMachine(), '/target'));
    this.#groups = drawGroups(random, this.#devices);
    this.#stream = this.#groups[0]!.sources[0]!.stream;
    if (random.next() < 0.5) {
      this.#stream = EVENTS_STREAM;
      this.#events.source = { stream: EVENTS_STREAM, writer: 'producer' };
      const isShared = random.next() < 0.4;
      if (isShared) this.#events.target = { stream: EVENTS_STREAM, writer: LOCAL_WRITER };
    }
    const isDerived = seed % 3 === 0 && this.#stream !== EVENTS_STREAM;
    this.#derivation = isDerived
      ? new Derivation({ where: new Where('c0 % 2 == 0') }, 'USAGE')
      : undefined;
    this.#oracle = new CopyOracle(this.#stream);
    this.#line = drawLine(random);
    this.#batchRecords = [1, 20, 300, 10_000][random.below(4)]!;
    this.#batchBytes = seed % 4 === 0 ? Infinity : undefined;
    this.#isFrozen = seed % 5 === 0;
    this.#isSuspended = seed % 7 === 0;
  }

  /** Segments may be smaller than a user may ask for. */
  #site(site: Site): Site {
    const { random, weather } = this.#world;
    const { disk } = site.machine;
    disk.shownFreeBytes = MIB;
    if (weather.segmentBytes >= SEGMENT_MIN_BYTES) return site;
    writeStoreJson(new SimulatedFileSystem(disk), storePaths(site.dir).storeJson, {
      ...{ storeId: random.bytes(16), machineId: new Uint8Array(16), createdNanos: 1n },
      ...{ segmentBytes: weather.segmentBytes, origin: undefined },
    });
    return site;
  }

  async run(): Promise<CopyOutcome> {
    const world = this.#world;
    await world.run(() => this.#scenario(), EVENTS_MAX);
    const powerCuts = this.#source.powerCuts + this.#target.powerCuts;
    const counts = { ...this.#counts, ...world.counts, powerCuts };
    return { traceHash: world.trace.hash, counts };
  }

  async #scenario(): Promise<void> {
    const roles = (['source', 'target', 'copier'] as const).map((role) => this.#keep(role));
    for (let troubles = 2 + this.#random.below(5); troubles > 0; troubles--) {
      await this.#world.sleep(this.#random.below(600));
      if (this.#isFrozen) this.#freezeCopier();
      if (this.#isSuspended) this.#suspend();
      this.#trouble();
    }
    await this.#world.sleep(this.#random.below(500));
    await this.#quietEnd(roles);
  }

  /** Begins it anew whenever it has ended, until the quiet time. */
  async #keep(role: Role): Promise<void> {
    while (!this.#isQuiet) {
      const process = role === 'copier' ? this.#spawnCopier() : this.#spawnOwner(role);
      this.#alive.set(role, process);
      this.#counts.lives++;
      await process.finished;
      await this.#world.sleep(10 + this.#random.below(600));
    }
  }

  #spawnOwner(role: 'source' | 'target', isQuiet = false): Process {
    const isSource = role === 'source' && !isQuiet;
    const site = role === 'source' ? this.#source : this.#target;
    const work = {
      ...{ site, oracle: this.#oracle, groups: isSource ? this.#groups : [] },
      devices: this.#devices,
      events: isQuiet ? undefined : this.#events[role],
      isOver: isQuiet ? () => this.#isDrained : () => this.#isQuiet,
      spillBytes: this.#batchBytes && SPILL_BYTES,
    };
    return this.#world.spawn(role, (process) => ownerLife(process, work), site.machine);
  }

  #isDrained = false;

  #copierWork(how: Pick<CopierWork, 'isOneShot' | 'line'>): CopierWork {
    return {
      ...{ source: this.#source, target: this.#target, stream: this.#stream, ...how },
      ...{ batchRecords: this.#batchRecords, batchBytes: this.#batchBytes },
      derivation: this.#derivation,
      onProgress: (progress) => this.#note(progress),
    };
  }

  #note(progress: CopyProgress): void {
    if (progress.kind === 'committed') {
      this.#counts.commits++;
      const { dir, machine } = this.#target;
      const fs = new SimulatedFileSystem(machine.disk);
      if (fs.list(storePaths(dir).spills).length > 0) this.#counts.spilled++;
    }
    if (progress.kind === 'opened') this.#counts.recoveries++;
  }

  #spawnCopier(): Process {
    const work = this.#copierWork({ isOneShot: this.#random.next() < 0.3, line: this.#line });
    return this.#world.spawn('copier', async (process) => {
      try {
        await copierLife(process, work);
      } catch (error) {
        const isThere = !(error instanceof HelicorderError) || !isNotYet(error);
        if (isThere && !isPassing(error)) throw error;
      }
    });
  }

  /** While it stands, what it reads is sealed, let go of and written anew. */
  #freezeCopier(): void {
    const copier = this.#alive.get('copier');
    if (copier) this.#world.freeze(copier, this.#random.below(20e9));
  }

  /** Its lid is closed. What the other machine waits for does not come. */
  #suspend(): void {
    const { machine } = [this.#source, this.#target][this.#random.below(2)]!;
    this.#counts.suspends++;
    this.#world.suspend(machine, this.#random.below(20e9));
  }

  /** Something dies, at a moment or at an operation on a disk; or the machine does odd things. */
  #trouble(): void {
    const random = this.#random;
    const world = this.#world;
    const site = [this.#source, this.#target][random.below(2)]!;
    const dice = random.next();
    const { clock, disk } = site.machine;
    if (dice < 0.15) return clock.stepWall((random.next() - 0.5) * 8e12);
    if (dice < 0.25 && world.weather.fullChance > 0) {
      disk.capacity = disk.used + random.below(MIB);
      return void world.at(random.below(2e9), () => (disk.capacity = Infinity));
    }
    const role = (['source', 'target', 'copier'] as const)[random.below(3)]!;
    const strike = (): void => {
      const victim = this.#alive.get(role);
      if (dice < 0.6) site.cutPower(world);
      else if (victim) world.kill(victim);
    };
    if (random.next() < 0.4) return strike();
    let left = 1 + Math.floor(2 ** (7 * random.next()));
    world.onChange = () => {
      if (--left > 0) return;
      world.onChange = undefined;
      strike();
    };
  }

  /** I16: without faults everything drains, with nobody's help. */
  async #quietEnd(roles: readonly Promise<void>[]): Promise<void> {
    const world = this.#world;
    this.#isQuiet = world.isCalm = true;
    world.onChange = undefined;
    for (const { machine } of [this.#source, this.#target]) machine.disk.capacity = Infinity;
    const copier = this.#alive.get('copier');
    if (copier) world.kill(copier);
    await Promise.all(roles);
    for (const { machine } of [this.#source, this.#target]) {
      const { asleepUntil } = machine.clock;
      if (asleepUntil > world.now) await world.sleep((asleepUntil - world.now) / 1e6);
    }
    const owners = (['source', 'target'] as const).map((role) => this.#spawnOwner(role, true));
    await world.sleep(OPEN_MS);
    // a source may never have come so far as to begin a run
    if ((await this.#oracle.look(world, this.#source)) > 0) await this.#drain();
    this.#isDrained = true;
    await Promise.all(owners.map((owner) => owner.finished));
    for (const site of [this.#source, this.#target]) {
      site.cutPower(world);
      await this.#oracle.look(world, site);
    }
    this.#counts.records += this.#oracle.compare(
      this.#source,
      this.#target,
      this.#derivation ? withoutOdd : (record) => record,
    );
  }

  async #drain(): Promise<void> {
    const work = this.#copierWork({ isOneShot: true, line: LOCAL });
    let ended = 'nothing';
    const last = this.#world.spawn('last copier', async (process) => {
      ended = (await copierLife(process, work)).ended;
    });
    await Promise.race([last.finished, this.#world.sleep(DRAIN_MS)]);
    if (ended !== 'done') throw new Error(`the backlog does not drain: ${ended}`);
  }
}

/** The source has not come so far that there is anything to copy. */
function isNotYet({ code }: HelicorderError): boolean {
  return code === 'NOT_A_STORE' || code === 'NO_SUCH_STREAM';
}

/** What a derived copy makes of a record, as text (`recordTexts`). */
function withoutOdd(record: string): string {
  const found = /^(.*) sample (\d+) (\d+) \S+ \S+ (\S+)/.exec(record);
  if (!found) return record;
  const [, identity, ordinal, tick, value] = found;
  return Number(value) % 2 === 0 ? record : `${identity} filtered ${ordinal} ${tick}`;
}
