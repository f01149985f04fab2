/**
 * What lies between a copier and the owners of its stores: connections on which requests arrive in
 * their order and late, are cut off before or behind what they asked for, or fall silent, so that
 * what was sent arrives long after everybody has given it up. Nothing is lost in the middle of a
 * connection, and nothing comes twice: it is a stream of bytes.
 */
import { HelicorderError } from '../../engine/base/errors.ts';
import {
  CONTROL_VERSION,
  errorOf,
  type Answer,
  type Question,
} from '../../engine/control/protocol.ts';
import type { StoreRequest } from '../../engine/control/service.ts';
import type { WriterAgent } from '../../engine/collector/writer-agent.ts';
import type { Requests } from '../../engine/targets/store-participant.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Machine, Process, World } from './world.ts';

/** How long whoever looks for an owner waits for one. */
const OWNER_WAIT_MS = 1000;
const LOOK_MS = 20;
/** The longest that something stays on its way. */
const SILENCE_MAX_MS = 20_000;

export interface LineWeather {
  delayMs: number;
  /** of each request: the connection ends, with it or with its reply */
  cutChance: number;
  /** of each request: nothing more is heard of the connection */
  silenceChance: number;
  /** there is no network now */
  isDown?: () => boolean;
}

/** Within one machine: it ends with its ends, and not before. */
export const LOCAL: LineWeather = { delayMs: 0.1, cutChance: 0, silenceChance: 0 };

export function drawLine(random: SeededRandom): LineWeather {
  const some = (probability: number, value: number): number =>
    random.next() < probability ? value : 0;
  return {
    delayMs: [0.2, 5, 60][random.below(3)]!,
    cutChance: some(0.7, 0.06),
    silenceChance: some(0.5, 0.02),
  };
}

interface Serving {
  process: Process;
  agent: WriterAgent;
  /** has it something to serve? It looks by itself */
  serveSoon: () => void;
}

/** A store, its machine, and whoever owns it by now. */
export class Site {
  readonly machine: Machine;
  readonly dir: string;
  #serving: Serving | undefined;
  readonly #asked = new Map<number, (answer: Answer) => void>();
  #keys = 0;
  #connections = 0;
  /** so far */
  powerCuts = 0;

  constructor(machine: Machine, dir: string) {
    this.machine = machine;
    this.dir = dir;
    machine.disk.makeDirectory(dir);
  }

  begin(serving: Serving): void {
    this.#serving = serving;
  }

  /** Who serves now; undefined: nobody. */
  get owner(): Process | undefined {
    const { process } = this.#serving ?? {};
    return process?.isAlive ? process : undefined;
  }

  newConnection(): number {
    return ++this.#connections;
  }

  cutPower(world: World): void {
    this.powerCuts++;
    world.powerCut(this.machine);
  }

  /** The owner has done what was asked. */
  answer(key: number, answer: Answer): void {
    this.#asked.get(key)?.(answer);
    this.#asked.delete(key);
  }

  submit(
    connection: number,
    question: Question,
    payload: Uint8Array,
    answered: (answer: Answer) => void,
  ): void {
    const key = this.#keys++;
    this.#asked.set(key, answered);
    const request = { ...question, id: 0 } as StoreRequest;
    this.#serving!.agent.submit(connection, key, request, payload);
    this.#serving!.serveSoon();
  }

  gone(connection: number): void {
    this.#serving!.agent.gone(connection);
    this.#serving!.serveSoon();
  }
}

class Connection {
  readonly #client: Process;
  readonly #site: Site;
  readonly #owner: Process;
  readonly #weather: LineWeather;
  readonly #number: number;
  readonly #waiting = new Set<(error: HelicorderError) => void>();
  /** when the last message arrives there, and here: none overtakes another */
  #thereAt = 0;
  #hereAt = 0;
  #isOver = false;
  #isSilent = false;

  constructor(client: Process, site: Site, owner: Process, weather: LineWeather) {
    this.#client = client;
    this.#site = site;
    this.#owner = owner;
    this.#weather = weather;
    this.#number = site.newConnection();
    // a process that dies hangs up; a machine without power does not
    const { powerCuts } = site;
    void owner.finished.then(() => {
      if (this.#isSilent || powerCuts !== site.powerCuts || !client.isAlive) return;
      client.after(weather.delayMs, () => this.#break('the owner has gone'));
    });
    void client.finished.then(() => {
      if (client.world.chance(0.5)) this.close();
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  ask(question: Question, payload: Uint8Array): Promise<Answer & { id: number }> {
    this.#client.check();
    if (this.#isOver) return Promise.reject(disconnected('it was closed'));
    const { random, world } = this.#client;
    const { cutChance, silenceChance } = world.isCalm ? LOCAL : this.#weather;
    const [isCut, isLost] = [random.next() < cutChance, random.next() < 0.5];
    this.#isSilent ||= random.next() < silenceChance;
    const isUnheard = this.#isSilent;
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      if (isCut && isLost) return this.#break(`the ${question.type} was lost`);
      const bytes = payload.slice();
      this.#there(() => {
        this.#site.submit(this.#number, question, bytes, (answer) => {
          if (isUnheard) return;
          this.#here(() => {
            if (isCut) return this.#break(`the reply to ${question.type} was lost`);
            if (!this.#waiting.delete(reject)) return;
            if (answer.type === 'failed') reject(errorOf(answer));
            else resolve({ ...answer, id: 0 });
          });
        });
      });
    });
  }

  /** What is on its way still arrives, and then the end of the connection. */
  close(): void {
    if (this.#isOver) return;
    this.#break('the connection was closed');
    this.#there(() => this.#site.gone(this.#number));
  }

  #there(arrive: () => void): void {
    const { world } = this.#client;
    const at = world.now + this.#delayNanos();
    this.#thereAt = Math.max(this.#thereAt, at);
    world.at(this.#thereAt - world.now, () => {
      // whoever it was for has gone, and nobody else knows the connection
      if (this.#site.owner === this.#owner) arrive();
      else if (!this.#isSilent) this.#break('the owner has gone');
    });
  }

  #here(arrive: () => void): void {
    const { world } = this.#client;
    const at = world.now + this.#weather.delayMs * world.random.next() * 1e6;
    this.#hereAt = Math.max(this.#hereAt, at);
    this.#client.after((this.#hereAt - world.now) / 1e6, arrive);
  }

  #delayNanos(): number {
    const { random, world } = this.#client;
    const silenceMs = this.#isSilent && !world.isCalm ? random.below(SILENCE_MAX_MS) : 0;
    return (silenceMs + this.#weather.delayMs * random.next()) * 1e6;
  }

  #break(why: string): void {
    this.#isOver = true;
    for (const reject of this.#waiting) reject(disconnected(why));
    this.#waiting.clear();
  }
}

function disconnected(why: string): HelicorderError {
  return new HelicorderError('DISCONNECTED', why);
}

/** A copier's way to a store, as an `OwnerLink` is one: the next connection may be to another. */
export class Line implements Requests {
  readonly #client: Process;
  readonly #site: Site;
  readonly #weather: LineWeather;
  #connection: Connection | undefined;

  constructor(client: Process, site: Site, weather: LineWeather) {
    this.#client = client;
    this.#site = site;
    this.#weather = weather;
  }

  async client(): ReturnType<Requests['client']> {
    if (this.#weather.isDown?.()) {
      this.drop();
      throw disconnected('there is no network');
    }
    const connection = await this.#connected();
    const ask = (question: Question, _types: unknown, payload = new Uint8Array(0)) =>
      connection.ask(question, payload);
    return { ask: ask as never, version: CONTROL_VERSION };
  }

  drop(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connected(): Promise<Connection> {
    if (this.#connection?.isOver === false) return this.#connection;
    for (let waitedMs = 0; waitedMs < OWNER_WAIT_MS; waitedMs += LOOK_MS) {
      const { owner } = this.#site;
      if (owner) {
        this.#connection = new Connection(this.#client, this.#site, owner, this.#weather);
        return this.#connection;
      }
      await this.#client.sleep(LOOK_MS);
    }
    throw new HelicorderError('STORE_IN_USE', `nobody serves ${this.#site.dir}`);
  }
}
