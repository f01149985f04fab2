/**
 * What lies between a copier and a fake participant: it loses requests and replies, and keeps some
 * requests back, to deliver them, or to deliver them again, at any later time. A time-out needs no
 * waiting: what will not be answered fails at once.
 */
import type { SeededRandom } from './random.ts';

/** Chances of 0 to 1 per request. */
export interface NetworkFaults {
  loseRequest: number;
  loseReply: number;
  /** it fails for the caller, and arrives later */
  delay: number;
  /** it is answered, and arrives once more later */
  duplicate: number;
}

export const NO_FAULTS: NetworkFaults = { loseRequest: 0, loseReply: 0, delay: 0, duplicate: 0 };

const FAULTS = ['loseRequest', 'loseReply', 'delay', 'duplicate'] as const;

export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

export class FakeNetwork {
  readonly #random: SeededRandom;
  readonly #zombies: (() => unknown)[] = [];
  faults: NetworkFaults = NO_FAULTS;
  /** the next request with this name fails so, once, before chance is asked */
  next: { request: string; how: keyof NetworkFaults } | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** @param deliver does at the target what the request asks for, in one step */
  async request<T>(name: string, deliver: () => T): Promise<T> {
    await Promise.resolve();
    this.deliverSomeZombies();
    const how = this.#fate(name);
    if (how === 'loseRequest') throw new TimedOut(`${name} was lost`);
    if (how === 'delay') {
      this.#zombies.push(deliver);
      throw new TimedOut(`${name} takes too long`);
    }
    const reply = deliver();
    if (how === 'duplicate') this.#zombies.push(deliver);
    await Promise.resolve();
    if (how === 'loseReply') throw new TimedOut(`the reply to ${name} was lost`);
    return reply;
  }

  /** Everything kept back arrives now, in any order. */
  deliverZombies(): void {
    while (this.#zombies.length > 0) this.#deliverZombie();
  }

  deliverSomeZombies(): void {
    while (this.#zombies.length > 0 && this.#random.below(4) === 0) this.#deliverZombie();
  }

  #deliverZombie(): void {
    const [zombie] = this.#zombies.splice(this.#random.below(this.#zombies.length), 1);
    try {
      zombie!();
    } catch {
      // refused, and nobody is there to hear it
    }
  }

  #fate(name: string): keyof NetworkFaults | undefined {
    if (this.next?.request === name) {
      const { how } = this.next;
      this.next = undefined;
      return how;
    }
    let dice = this.#random.next();
    return FAULTS.find((how) => (dice -= this.faults[how]) < 0);
  }
}
