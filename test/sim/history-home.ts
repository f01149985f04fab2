/**
 * One store of a history: its machine, whoever owns it, its model, and the look that holds the one
 * against the other. An owner is begun when somebody needs one, as `OwnerLink` does it.
 */
import { SEGMENT_MIN_BYTES } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { errorOf, type Answer, type Question } from '../../engine/control/protocol.ts';
import { ControlService, type StoreRequest } from '../../engine/control/service.ts';
import { storePaths, writeStoreJson } from '../../engine/store/log/files.ts';
import { Store } from '../../engine/store/store.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import type { Requests } from '../../engine/targets/store-participant.ts';
import { verify } from '../../engine/tools/verify.ts';
import { SimulatedFileSystem } from '../support/simulated-file-system.ts';
import { ModelStore } from './history-model.ts';
import { difference, look, type Seen } from './history-view.ts';
import { SMALL_SEGMENT_BYTES } from './weather.ts';
import { ProcessDied, type Machine, type Process, type World } from './world.ts';

/** A transaction of more is spilled: few are less than this, and few are far more. */
const SPILL_BYTES = 3000;
const NONE: Uint8Array = new Uint8Array(0);

/** A run that is open: who appends asks for more by its number. */
export interface OpenRun {
  stream: string;
  writer: string;
  /** of events; its connection is `connection` */
  run: number;
  epoch: number;
  nextSeq: number;
  connection: number;
  /** its writer was opened again since */
  isFenced: boolean;
  /** of samples */
  sampled: OpenedRun | undefined;
}

/** One life of the process that owns the store. */
export interface Owner {
  process: Process;
  writer: StoreWriter;
  service: ControlService;
  answers: Map<number, Answer>;
  runs: OpenRun[];
}

export class Home {
  readonly name: string;
  readonly dir: string;
  readonly machine: Machine;
  readonly world: World;
  model = new ModelStore();
  /** what the store may hold as well, as long as nobody has acknowledged it */
  maybe: (seen: Seen) => readonly ModelStore[] = () => [];
  #owner: Owner | undefined;
  /** a reader that stays, and looks again each time */
  #standing: { process: Process; store: Store } | undefined;
  #keys = 0;
  #connections = 0;

  constructor(world: World, name: string, machine: Machine) {
    this.name = name;
    this.dir = `/${name}`;
    this.machine = machine;
    this.world = world;
    machine.disk.makeDirectory(this.dir);
    // smaller segments than a user may ask for
    writeStoreJson(new SimulatedFileSystem(machine.disk), storePaths(this.dir).storeJson, {
      ...{ storeId: world.random.bytes(16), machineId: new Uint8Array(16), createdNanos: 1n },
      ...{ segmentBytes: SMALL_SEGMENT_BYTES, origin: undefined },
    });
  }

  /** @throws ProcessDied if it dies while it opens the store */
  owner(): Owner {
    if (this.#owner?.process.isAlive) return this.#owner;
    const process = this.spawn('owner', () => new Promise(() => undefined));
    const options = { segmentBytes: SEGMENT_MIN_BYTES, spillBytes: SPILL_BYTES };
    const writer = StoreWriter.open(this.dir, { ...process.environment, ...options });
    const answers = new Map<number, Answer>();
    const service = new ControlService(writer, process.environment, {
      answer: (key, answer) => answers.set(key, answer),
      waiting: (message) => this.world.fail(new Error(message)),
    });
    this.#owner = { process, writer, service, answers, runs: [] };
    return this.#owner;
  }

  spawn(what: string, body: (process: Process) => Promise<void>): Process {
    return this.world.spawn(`${what} ${this.name}`, body, this.machine);
  }

  /** Runs open now, if anybody has the store. */
  get runs(): readonly OpenRun[] {
    return this.#owner?.process.isAlive ? this.#owner.runs : [];
  }

  close(): void {
    const { service, writer, process } = this.owner();
    service.close();
    writer.close();
    this.world.end(process);
  }

  kill(): void {
    if (this.#owner) this.world.kill(this.#owner.process);
  }

  newConnection(): number {
    return ++this.#connections;
  }

  /** @throws ProcessDied */
  ask(connection: number, question: Question, payload = NONE): Answer {
    const { process, service, answers } = this.owner();
    process.check();
    const key = this.#keys++;
    service.submit(connection, key, { ...question, id: 0 } as StoreRequest, payload.slice());
    while (service.serve());
    process.check();
    return answers.get(key)!;
  }

  /** The way of a copier to the owner, who may die and be followed by another one. */
  link(client: Process): Requests {
    let connection = this.newConnection();
    let known = this.#owner;
    const ask = (question: Question, _: unknown, payload?: Uint8Array): Promise<unknown> => {
      return this.#reached(client, () => {
        if (known !== this.owner()) throw disconnected('the owner has gone');
        const answer = this.ask(connection, question, payload);
        if (answer.type === 'failed') throw errorOf(answer);
        return { ...answer, id: 0 };
      });
    };
    let connected = { ask: ask as never };
    const drop = (): void => {
      if (known?.process.isAlive) known.service.gone(connection);
      connection = this.newConnection();
      known = undefined;
    };
    return {
      drop,
      client: () =>
        this.#reached(client, () => {
          const owner = this.owner();
          if (known !== owner) connected = { ask: ask as never };
          known = owner;
          return connected;
        }),
    };
  }

  /** A client is told of the death of somebody else, not of its own. */
  async #reached<T>(client: Process, work: () => T): Promise<T> {
    client.check();
    try {
      return work();
    } catch (error) {
      client.check();
      // some of production code takes it for an error of the disk
      const isDead = error instanceof ProcessDied || this.#owner?.process.isAlive === false;
      throw isDead ? disconnected('the owner has died') : error;
    }
  }

  /** Sees all there is. @param isStanding by a reader that was there before, if there is one */
  async look(isStanding = false): Promise<Seen> {
    let seen: Seen | undefined;
    if (isStanding) {
      seen = await look(this.#reader());
    } else {
      await this.spawn('witness', async ({ environment }) => {
        const store = Store.open(this.dir, environment);
        seen = await look(store);
        store.close();
      }).finished;
    }
    return seen!;
  }

  #reader(): Store {
    const isNew = !this.#standing?.process.isAlive || this.world.random.next() < 0.1;
    if (isNew) {
      if (this.#standing) this.world.end(this.#standing.process);
      const process = this.spawn('standing reader', () => new Promise(() => undefined));
      this.#standing = { process, store: Store.open(this.dir, process.environment) };
    }
    return this.#standing!.store;
  }

  /** What was begun and not acknowledged has happened, or not: from now on it is known. */
  async settle(): Promise<void> {
    this.owner();
    const seen = await this.look();
    const all = [this.model, ...this.maybe(seen)];
    const is = all.find((one) => difference(one, seen) === undefined);
    if (is === undefined) throw this.#wrong(all.map((one) => difference(one, seen)).join('; or '));
    this.model = is;
    this.maybe = () => [];
  }

  /** It holds what the model says, whoever asks. */
  async check(isWhole: boolean): Promise<void> {
    this.owner();
    const isStanding = this.world.random.next() < 0.5;
    const found = difference(this.model, await this.look(isStanding));
    if (found) throw this.#wrong(`${isStanding ? 'a standing reader: ' : ''}${found}`);
    if (!isWhole) return;
    await this.spawn('auditor', async ({ environment }) => {
      const { ok, damage } = await verify(this.dir, environment);
      if (!ok) throw this.#wrong(`verify says ${damage[0]?.file}: ${damage[0]?.what}`);
    }).finished;
  }

  #wrong(what: string): Error {
    return new Error(`store ${this.name}: ${what}`);
  }
}

function disconnected(why: string): HelicorderError {
  return new HelicorderError('DISCONNECTED', why);
}
