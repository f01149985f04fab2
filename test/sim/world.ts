/**
 * Virtual time and the processes in it: one thread, one queue of events, one seed.
 *
 * A process is a body (an async function), an environment for production code (file system, clock,
 * randomness, sleeps) and what it has asked to be told later. Two kinds of events:
 *
 *   timers       end a `sleep`; they run one after the other, between calls of production code
 *   interrupts   what runs beside it on another core: samplers, readers in other processes, a
 *                crash. They also run inside a call, while an operation on the disk takes its time
 *
 * So between any two operations of the writer a reader may look and the power may go. A process
 * that is killed never runs again: an operation it stands in throws ProcessDied, what it waits for
 * never comes. The same seed gives the same sequence of everything, which `trace` holds a hash of.
 */
import type { Clock, ClockReading } from '../../engine/base/clock.ts';
import { NANOS_PER_MILLI } from '../../engine/base/constants.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import type { StoreEnvironment } from '../../engine/store/store.ts';
import type { SeededRandom } from '../support/random.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import {
  SimulatedFileSystem,
  type Host,
  type Operation,
} from '../support/simulated-file-system.ts';
import { EventQueue, type Event } from './event-queue.ts';
import { Trace } from './trace.ts';
import type { Weather } from './weather.ts';

/** Not an error of the system, so that no production code takes it for one. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
}

const CHANGES: ReadonlySet<Operation> = new Set([
  ...(['write', 'sync', 'names', 'sync-names', 'mark', 'commit'] as const),
]);

const UTC_START_NANOS = 1_700_000_000_000_000_000n;
/** No seed is this busy: whatever comes later does not end. */
const EVENTS_MAX = 200_000;

/** What processes run on, with a power of its own. A world is one, and may have more. */
export interface Machine {
  readonly disk: SimulatedDisk;
  readonly clock: MachineClock;
}

/** One life of the machine's kernel after the other. */
class MachineClock implements Clock {
  readonly #world: World;
  #boot = '';
  #bootedAt = 0;
  #suspendedNanos = 0;
  #utcOffsetNanos = UTC_START_NANOS;
  /** simulated ns: until then the machine stands still */
  asleepUntil = 0;

  constructor(world: World) {
    this.#world = world;
    this.reboot(0);
  }

  read(): ClockReading {
    const monotonic = Math.max(this.#world.now, this.asleepUntil) - this.#bootedAt;
    const awake = BigInt(Math.round(this.#world.now));
    return {
      monotonicNanos: BigInt(Math.round(monotonic)),
      boottimeNanos: BigInt(Math.round(monotonic + this.#suspendedNanos)),
      utcNanos: awake + this.#utcOffsetNanos,
      uncertaintyNanos: 100n,
    };
  }

  bootId(): string {
    return this.#boot;
  }

  kernelClock(): { synchronized: boolean; maxErrorMicros: number } {
    return { synchronized: true, maxErrorMicros: 500 };
  }

  /** The kernel is up again after some seconds, and its monotonic clock begins anew. */
  reboot(downNanos: number): void {
    const { random } = this.#world;
    this.#bootedAt = this.#world.now + downNanos;
    this.#world.now = this.#bootedAt + 2e9 + random.below(10e9);
    this.#suspendedNanos = 0;
    this.asleepUntil = 0;
    const digits = Buffer.from(random.bytes(6)).toString('hex');
    this.#boot = `b0070000-0000-4000-8000-${digits}`;
  }

  stepWall(nanos: number): void {
    this.#utcOffsetNanos += BigInt(Math.round(nanos));
  }

  /** It has stood still, and so has all the world. */
  suspend(nanos: number): void {
    this.#suspendedNanos += nanos;
    this.stepWall(nanos);
  }

  /** It stands still from now on, while the world goes on. */
  sleepFor(nanos: number): void {
    this.asleepUntil = this.#world.now + nanos;
    this.#bootedAt += nanos;
    this.#suspendedNanos += nanos;
  }
}

export class World implements Machine {
  readonly random: SeededRandom;
  readonly disk = new SimulatedDisk();
  readonly weather: Weather;
  readonly clock: MachineClock;
  readonly trace = new Trace();
  readonly counts = { kills: 0, operations: 0 };
  /** changes what processes get, for the proof that the simulation would notice */
  readonly mutate: (environment: StoreEnvironment) => StoreEnvironment;
  now = 0;
  /** faults of the disk are off */
  isCalm = false;
  /** told of each operation that changes the disk, before it takes effect */
  onChange: (() => void) | undefined;
  readonly #timers = new EventQueue();
  readonly #interrupts = new EventQueue();
  readonly #processes = new Set<Process>();
  #isInterrupted = false;
  #failure: { error: unknown } | undefined;

  constructor(
    random: SeededRandom,
    weather: Weather,
    mutate: (environment: StoreEnvironment) => StoreEnvironment,
  ) {
    this.random = random;
    this.weather = weather;
    this.mutate = mutate;
    this.clock = new MachineClock(this);
  }

  /** In the end it must not stand in the way: then it holds only where all streams make room. */
  get budgetBytes(): number | undefined {
    const { budgetBytes, retention } = this.weather.upkeep ?? { retention: [] };
    const makesRoom = retention.every(({ onFull }) => onFull === 'drop-oldest');
    return this.isCalm && !makesRoom ? undefined : budgetBytes;
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  /** Runs everything until `scenario` has ended. @throws what failed in any process */
  async run(scenario: () => Promise<void>, eventsMax = EVENTS_MAX): Promise<void> {
    let isOver = false;
    scenario().then(
      () => (isOver = true),
      (error: unknown) => this.fail(error),
    );
    await settled();
    for (let events = 0; !isOver && !this.#failure; events++) {
      if (events > eventsMax) throw new Error('the simulation does not come to an end');
      await this.#next();
    }
    if (this.#failure) throw this.#failure.error;
  }

  async #next(): Promise<void> {
    const isInterrupt = this.#interrupts.nextAt <= this.#timers.nextAt;
    const queue = isInterrupt ? this.#interrupts : this.#timers;
    if (queue.nextAt === Infinity) throw new Error('nothing is left that could happen');
    const event = queue.take();
    this.now = Math.max(this.now, event.at);
    if (isInterrupt) this.#interrupt(event);
    else event.action();
    await settled();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  at(delayNanos: number, action: () => void, owner?: Process): () => void {
    return this.#add(this.#timers, delayNanos, action, owner);
  }

  interruptIn(delayNanos: number, action: () => void, owner?: Process): () => void {
    return this.#add(this.#interrupts, delayNanos, action, owner);
  }

  #add(queue: EventQueue, delayNanos: number, action: () => void, owner?: Process): () => void {
    // one that has caught its own death, as the catalog does, sleeps for ever
    if (owner?.isAlive === false) return () => {};
    const earliest = owner?.frozenUntil ?? 0;
    const event = { at: Math.max(this.now + Math.max(0, delayNanos), earliest), action, owner };
    queue.add(event);
    return () => queue.remove((one) => one === event);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(ms * NANOS_PER_MILLI, resolve));
  }

  /** Time passes inside a call: what runs beside it runs now. */
  spend(nanos: number): void {
    const end = this.now + nanos;
    while (!this.#isInterrupted && this.#interrupts.nextAt <= end) {
      const event = this.#interrupts.take();
      this.now = Math.max(this.now, event.at);
      this.#interrupt(event);
    }
    this.now = Math.max(this.now, end);
  }

  #interrupt(event: Event): void {
    const isNested = this.#isInterrupted;
    this.#isInterrupted = true;
    try {
      event.action();
    } catch (error) {
      if (!(error instanceof ProcessDied)) this.fail(error);
    } finally {
      this.#isInterrupted = isNested;
    }
  }

  /** Another machine in the same time. */
  addMachine(): Machine {
    return { disk: new SimulatedDisk(), clock: new MachineClock(this) };
  }

  spawn(name: string, body: (process: Process) => Promise<void>, machine: Machine = this): Process {
    const started = new Process(this, name, machine);
    started.frozenUntil = machine.clock.asleepUntil;
    this.#processes.add(started);
    this.trace.add(`${this.now} start ${name}`);
    body(started).then(
      () => this.end(started),
      (error: unknown) => {
        if (!(error instanceof ProcessDied)) this.fail(error);
        this.end(started);
      },
    );
    return started;
  }

  /** kill −9, or the end of the process by itself: the page cache survives, locks do not. */
  end(ended: Process): void {
    if (!ended.isAlive) return;
    this.trace.add(`${this.now} end ${ended.name}`);
    this.#processes.delete(ended);
    for (const queue of [this.#timers, this.#interrupts]) queue.remove((e) => e.owner === ended);
    ended.die();
  }

  kill(victim: Process): void {
    if (!victim.isAlive) return;
    this.counts.kills++;
    this.end(victim);
  }

  /** SIGSTOP, and SIGCONT after a while: what it waits for comes no sooner. */
  freeze(victim: Process, nanos: number): void {
    this.trace.add(`${this.now} freeze ${victim.name} ${nanos}`);
    victim.frozenUntil = this.now + nanos;
    for (const queue of [this.#timers, this.#interrupts]) queue.delay(victim, victim.frozenUntil);
  }

  /** All on the machine stand still, and so does its monotonic clock. */
  suspend(machine: Machine, nanos: number): void {
    if (machine.clock.asleepUntil > this.now) return;
    for (const one of this.#processes) if (one.machine === machine) this.freeze(one, nanos);
    machine.clock.sleepFor(nanos);
  }

  /** All on the machine die, the disk keeps what it happens to, and the kernel starts again. */
  powerCut(machine: Machine = this): void {
    this.trace.add(`${this.now} power cut`);
    for (const one of [...this.#processes]) if (one.machine === machine) this.end(one);
    machine.disk.powerCut(this.random, this.weather.namesAreOrdered);
    machine.clock.reboot(this.random.below(100e9));
  }
}

/** Once everything that was due at this moment has run: promises only, no clock is waited for. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Process implements Host {
  readonly name: string;
  readonly world: World;
  readonly machine: Machine;
  readonly random: SeededRandom;
  readonly environment: StoreEnvironment;
  readonly finished: Promise<void>;
  isAlive = true;
  /** simulated ns: until then it has been stopped */
  frozenUntil = 0;
  /** the disk never fails this one: for those that check */
  isSpared = false;
  readonly #fs: SimulatedFileSystem;
  #finish!: () => void;

  constructor(world: World, name: string, machine: Machine) {
    this.world = world;
    this.machine = machine;
    this.name = name;
    this.random = world.random;
    this.#fs = new SimulatedFileSystem(machine.disk, this);
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.environment = world.mutate({
      fs: this.#fs,
      clock: machine.clock,
      random: world.random,
      pause: (ms) => this.#pause(ms),
      sleep: (ms) => this.sleep(ms),
      version: 'simulated',
    });
  }

  get fs(): FileSystem {
    return this.environment.fs;
  }

  get isDirect(): boolean {
    return this.world.weather.isDirect;
  }

  get hasDatabases(): boolean {
    return this.world.weather.catalog !== undefined;
  }

  get evictsFailedPages(): boolean {
    return this.world.weather.evictsFailedPages;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  after(ms: number, action: () => void): () => void {
    return this.world.at(ms * NANOS_PER_MILLI, action, this);
  }

  /** A thread of this process that runs beside the others. */
  interrupt(ms: number, action: () => void): void {
    this.world.interruptIn(ms * NANOS_PER_MILLI, action, this);
  }

  step(operation: Operation, path: string, bytes: number): void {
    this.check();
    const { world } = this;
    world.counts.operations++;
    world.trace.add(`${world.now} ${this.name} ${operation} ${path} ${bytes}`);
    if (CHANGES.has(operation)) world.onChange?.();
    this.check();
    world.spend(world.isCalm ? 1000 : world.weather.latencyNanos(operation));
    this.check();
  }

  fault(operation: Operation): string | undefined {
    this.check();
    if (this.world.isCalm || this.isSpared) return undefined;
    return this.world.weather.fault(operation);
  }

  die(): void {
    this.isAlive = false;
    this.#fs.die();
    this.#finish();
  }

  #pause(ms: number): void {
    this.check();
    this.world.spend(ms * NANOS_PER_MILLI);
    this.check();
  }

  /** For who has caught everything: the process may have died on the way. */
  check(): void {
    if (!this.isAlive) throw new ProcessDied(this.name);
  }
}
