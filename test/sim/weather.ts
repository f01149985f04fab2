/**
 * What one seed's machine is like: each seed draws its own mix of faults (swarm testing), so that
 * rare combinations come up and no fault hides behind another that is always there.
 */
import {
  BALLAST_BYTES,
  BUDGET_MIN_SEGMENTS,
  KIB,
  MIB,
  SEGMENT_MIN_BYTES,
} from '../../engine/base/constants.ts';
import { KEEP_ALL, STREAM_CLASSES, type RetentionRule } from '../../engine/base/retention.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Operation } from '../support/simulated-file-system.ts';

/** How the store's upkeep runs, and what it is to let go of. */
export interface UpkeepWeather {
  /** it looks for something to do after less than this */
  idleMs: number;
  /** at each place where a step lets others have the processor */
  pauseChance: number;
  budgetBytes: number | undefined;
  retention: RetentionRule[];
}

/** How well SQLite can do its work. */
export interface CatalogWeather {
  /** of an attempt to open the catalog, or to commit to it */
  faultChance: number;
}

/** What SQLite says when it cannot open a database, or get its lock; and when it cannot commit. */
const DATABASE_FAULTS: Partial<Record<Operation, readonly string[]>> = {
  database: ['SQLITE_BUSY', 'SQLITE_IOERR'],
  commit: ['SQLITE_FULL', 'SQLITE_IOERR'],
};

/**
 * A quarter of what a user may ask for: everything that happens at the end of a segment happens
 * four times as often, and costs a quarter.
 */
export const SMALL_SEGMENT_BYTES = 256 * KIB;

export class Weather {
  readonly #random: SeededRandom;
  readonly isDirect: boolean;
  readonly namesAreOrdered: boolean;
  readonly evictsFailedPages: boolean;
  readonly segmentBytes: number;
  /** with which an owner makes a store where there is none */
  readonly newSegmentBytes: number;
  readonly flushMs: number;
  /** largest opaque event, bytes */
  readonly eventBytes: number;
  /** how much longer than usual owners work: what upkeep is about takes a while to come up */
  readonly labour: number;
  readonly readers: number;
  /** per life of an owner */
  readonly fullChance: number;
  readonly stepChance: number;
  readonly suspendChance: number;
  /** after a reader has seen something new */
  readonly cutAfterLookChance: number;
  /** between lives */
  readonly rotChance: number;
  /** of rot: it hits what other records depend on */
  readonly foundationRotChance: number = 0.2;
  readonly hasBallast: boolean;
  readonly upkeep: UpkeepWeather | undefined;
  /** undefined: SQLite cannot open anything on this disk, and the store has no catalog */
  catalog: CatalogWeather | undefined;
  readonly #syncNanos: number;
  readonly #stallChance: number;
  readonly #faultChance: Partial<Record<Operation, number>>;
  /** of a write, also over what is there: so it is where that takes new blocks (btrfs, ZFS) */
  readonly #noRoomChance: number;

  constructor(random: SeededRandom) {
    this.#random = random;
    const some = (probability: number, value: number): number =>
      random.next() < probability ? value : 0;
    this.isDirect = random.next() < 0.5;
    this.namesAreOrdered = random.next() < 0.5;
    this.evictsFailedPages = random.next() < 0.5;
    const isSmall = random.next() < 0.8;
    this.segmentBytes = (isSmall ? SMALL_SEGMENT_BYTES : MIB) + 16 * KIB * random.below(3);
    this.newSegmentBytes = Math.max(SEGMENT_MIN_BYTES, this.segmentBytes);
    this.flushMs = [5, 20, 100, 300][random.below(4)]!;
    const largest = isSmall ? 40_000 : 200_000;
    this.eventBytes = [60, 3000, 30_000, largest][random.below(4)]!;
    this.readers = random.below(4);
    this.fullChance = some(0.3, 0.5);
    this.stepChance = some(0.3, 0.5);
    this.suspendChance = some(0.3, 0.5);
    this.cutAfterLookChance = some(0.3, 0.3);
    this.rotChance = some(0.3, 0.5);
    this.hasBallast = random.next() < 0.05;
    this.upkeep =
      random.next() < 0.6 ? drawUpkeep(random, this.segmentBytes, this.hasBallast) : undefined;
    // what fills segments is worth more than what fills groups
    if (this.upkeep) this.eventBytes = Math.min(largest, 10 * this.eventBytes);
    this.labour = this.upkeep ? 1 + random.below(3) : 1;
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
    this.#noRoomChance = some(0.15, 0.02);
  }

  /** For few seeds only: it costs. */
  drawCatalog(): void {
    this.catalog = { faultChance: this.#random.next() < 0.5 ? 0.05 : 0 };
  }

  latencyNanos(operation: Operation): number {
    if (operation !== 'sync' && operation !== 'sync-names') return 2000;
    if (this.#stallChance > 0 && this.#random.next() < this.#stallChance) {
      return this.#random.below(3e9);
    }
    return this.#syncNanos * (0.5 + this.#random.next());
  }

  fault(operation: Operation): string | undefined {
    const says = DATABASE_FAULTS[operation];
    if (says) {
      const isFault = this.#random.next() < (this.catalog?.faultChance ?? 0);
      return isFault ? says[this.#random.below(says.length)] : undefined;
    }
    if (operation === 'write' && this.#noRoomChance > 0) {
      if (this.#random.next() < this.#noRoomChance) return 'ENOSPC';
    }
    const chance = this.#faultChance[operation];
    return chance && this.#random.next() < chance ? 'EIO' : undefined;
  }

  get hasReadFaults(): boolean {
    return Object.values(this.#faultChance).some((chance) => chance > 0);
  }
}

function drawUpkeep(
  random: SeededRandom,
  segmentBytes: number,
  hasBallast: boolean,
): UpkeepWeather {
  const segments = BUDGET_MIN_SEGMENTS + random.below(4);
  return {
    idleMs: [60, 400, 2000][random.below(3)]!,
    pauseChance: [0, 0.05, 0.5][random.below(3)]!,
    budgetBytes:
      random.next() < 0.4 ? segmentBytes * segments + (hasBallast ? BALLAST_BYTES : 0) : undefined,
    retention: [
      { ...drawRule(random), pattern: '*/a' },
      { ...drawRule(random), pattern: '*/g0*' },
      { ...drawRule(random), pattern: '*' },
    ],
  };
}

function drawRule(random: SeededRandom): RetentionRule {
  return {
    ...KEEP_ALL,
    ageMs: random.next() < 0.2 ? 200 * 2 ** random.below(6) : undefined,
    bytes: random.next() < 0.3 ? 2000 * 4 ** random.below(4) : undefined,
    onFull: random.next() < 0.7 ? 'drop-oldest' : 'reject-new',
    class: STREAM_CLASSES[random.below(3)]!,
  };
}
