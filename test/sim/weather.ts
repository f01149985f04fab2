/**
 * What one seed's machine is like: each seed draws its own mix of faults (swarm testing), so that
 * rare combinations come up and no fault hides behind another that is always there.
 */
import { KIB, MIB } from '../../engine/base/constants.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Operation } from '../support/simulated-file-system.ts';

export class Weather {
  readonly #random: SeededRandom;
  readonly isDirect: boolean;
  readonly namesAreOrdered: boolean;
  readonly evictsFailedPages: boolean;
  readonly segmentBytes: number;
  readonly flushMs: number;
  /** largest opaque event, bytes */
  readonly eventBytes: number;
  readonly readers: number;
  /** per life of an owner */
  readonly fullChance: number;
  readonly stepChance: number;
  readonly suspendChance: number;
  /** after a reader has seen something new */
  readonly cutAfterLookChance: number;
  /** between lives */
  readonly rotChance: number;
  readonly hasBallast: boolean;
  readonly #syncNanos: number;
  readonly #stallChance: number;
  readonly #faultChance: Partial<Record<Operation, number>>;

  constructor(random: SeededRandom) {
    this.#random = random;
    const some = (probability: number, value: number): number =>
      random.next() < probability ? value : 0;
    this.isDirect = random.next() < 0.5;
    this.namesAreOrdered = random.next() < 0.5;
    this.evictsFailedPages = random.next() < 0.5;
    this.segmentBytes = MIB + 16 * KIB * random.below(3);
    this.flushMs = [5, 20, 100, 300][random.below(4)]!;
    this.eventBytes = [60, 3000, 40_000, 200_000][random.below(4)]!;
    this.readers = random.below(4);
    this.fullChance = some(0.3, 0.5);
    this.stepChance = some(0.3, 0.5);
    this.suspendChance = some(0.3, 0.5);
    this.cutAfterLookChance = some(0.3, 0.3);
    this.rotChance = some(0.3, 0.5);
    this.hasBallast = random.next() < 0.05;
    this.#syncNanos = [30e3, 200e3, 2e6, 20e6][random.below(4)]!;
    this.#stallChance = some(0.3, 0.02);
    this.#faultChance = {
      read: some(0.1, 0.002),
      write: some(0.15, 0.01),
      sync: some(0.15, 0.02),
      'sync-names': some(0.1, 0.05),
      open: some(0.05, 0.005),
      names: some(0.05, 0.01),
    };
  }

  latencyNanos(operation: Operation): number {
    if (operation !== 'sync' && operation !== 'sync-names') return 2000;
    if (this.#stallChance > 0 && this.#random.next() < this.#stallChance) {
      return this.#random.below(3e9);
    }
    return this.#syncNanos * (0.5 + this.#random.next());
  }

  fault(operation: Operation): string | undefined {
    const chance = this.#faultChance[operation];
    return chance && this.#random.next() < chance ? 'EIO' : undefined;
  }

  get hasReadFaults(): boolean {
    return Object.values(this.#faultChance).some((chance) => chance > 0);
  }
}
