/**
 * What the harness itself saw acknowledged, and what any reader was shown: the judge of the store,
 * outside of it. It knows nothing of segments and groups, only of promises:
 *
 *   I1   within a boot every tick is a sample, or in a gap that says why, and rightly so
 *   I2   what was acknowledged is there, whatever happened since
 *   I3   offsets and seqs without holes, in order, byte for byte
 *   I6   what a reader was shown is acknowledged by that; what was appended at once is seen at
 *        once; it never changes, but that it may be retired, exactly counted, and then stays so
 *   I10  without rot, nothing is ever reported lost
 *   I15  none of it depends on the wall clock, which the seeds step
 *
 * Known content: an event's bytes carry a serial number, a sample's values follow from its source,
 * boot and tick (`sources.ts`). Rot, injected on purpose, is told to the oracle beforehand.
 */
import { crc32 } from 'node:zlib';
import { Pass } from './pass.ts';

/** A tick at which the device of a source was read. */
export interface TakenTick {
  boot: string;
  tick: number;
  /** the device gave a value */
  isValid: boolean;
  isAcknowledged: boolean;
  /** its owner has ended while it waited for space, with this in memory */
  isLetGo: boolean;
}

/** What a trim lets go of, as the harness itself has counted it, record by record. */
export interface RetiredSum {
  samples: number;
  /** NaN: some of it is lost, and nobody knows how many ticks it had */
  ticks: number;
}

/** Events that were appended together: there as a whole or not at all. */
interface Attempt {
  first: number;
  crcs: number[];
}

export class StreamOracle {
  readonly name: string;
  /** of a sample stream: value of a channel at a tick */
  readonly valueOf: ((boot: string, tick: number, channel: number) => number) | undefined;
  /** by offset: a digest of what was shown there, once that has happened */
  readonly shown: (number | undefined)[] = [];
  /** offsets below this one were acknowledged or shown */
  durableEnd = 0;
  readonly taken: TakenTick[] = [];
  /** the next tick to be acknowledged: those of earlier lives that were not by then never are */
  #acknowledgedTicks = 0;
  /** by offset: CRC of an event that was acknowledged */
  readonly events: (number | undefined)[] = [];
  readonly #attempts: Attempt[] = [];
  /** offsets at which something begins that was appended at once */
  readonly #begins = new Set<number>([0]);
  /** offsets that rot may have taken */
  readonly rotten = new Set<number>();
  /** by offset, once it was shown: the ticks that it accounts for, and whether it is a sample */
  readonly ticks: number[] = [];
  readonly isSample: boolean[] = [];
  /** by low-water mark: trims that were planned, whether or not they have become true */
  readonly trims = new Map<number, RetiredSum>();
  /** offsets below this one are retired for good: the trim was acknowledged */
  retiredEnd = 0;

  constructor(name: string, valueOf?: StreamOracle['valueOf']) {
    this.name = name;
    this.valueOf = valueOf;
  }

  get isOpaque(): boolean {
    return this.valueOf === undefined;
  }

  /** An owner begins: what is there now is what the last one left. */
  begin(nextOffset: number, mayLose: boolean): void {
    if (nextOffset < this.durableEnd && !mayLose) {
      throw new Error(
        `${this.name}: ${this.durableEnd} records were durable, ${nextOffset} are there`,
      );
    }
    for (const { first, crcs } of this.#attempts) {
      if (nextOffset <= first) continue;
      if (nextOffset < first + crcs.length) throw new Error(`${this.name}: half of an append`);
      if (this.events[first] === undefined) this.#take(first, crcs);
    }
    this.#attempts.length = 0;
    this.#acknowledgedTicks = this.taken.length;
    for (const known of [this.shown, this.ticks, this.isSample]) {
      known.length = Math.min(known.length, nextOffset);
    }
    this.events.length = Math.min(this.events.length, nextOffset);
    this.durableEnd = Math.min(this.durableEnd, nextOffset);
  }

  attempt(first: number, events: readonly Uint8Array[]): void {
    this.#attempts.push({ first, crcs: events.map((event) => crc32(event)) });
  }

  /** The last attempt was acknowledged, at this offset. */
  acknowledge(firstOffset: number): void {
    const { first, crcs } = this.#attempts.pop()!;
    if (firstOffset !== first) {
      throw new Error(`${this.name}: acknowledged at ${firstOffset}, expected at ${first}`);
    }
    this.#take(first, crcs);
    this.durableEnd = Math.max(this.durableEnd, first + crcs.length);
  }

  #take(first: number, crcs: readonly number[]): void {
    crcs.forEach((crc, i) => (this.events[first + i] = crc));
    this.#begins.add(first).add(first + crcs.length);
  }

  /** All ticks taken up to `count` are durable, and `nextOffset` records. */
  acknowledgeTicks(count: number, nextOffset: number): void {
    for (; this.#acknowledgedTicks < count; this.#acknowledgedTicks++) {
      this.taken[this.#acknowledgedTicks]!.isAcknowledged = true;
    }
    this.durableEnd = Math.max(this.durableEnd, nextOffset);
  }

  /** What is not durable by now never will be, for want of space, and the log may say so. */
  letGo(): void {
    for (const tick of this.taken.slice(this.#acknowledgedTicks)) tick.isLetGo = true;
  }

  /** An event that nobody acknowledged may be one whose appending was cut off behind the write. */
  adopt(offset: number, crc: number): boolean {
    const attempt = this.#attempts.find(({ first, crcs }) => crcs[offset - first] === crc);
    if (attempt === undefined) return false;
    this.#take(attempt.first, attempt.crcs);
    return true;
  }

  /** A trim is planned, of records that were all shown before. */
  plan(lowWater: number): RetiredSum {
    const sum = { samples: 0, ticks: 0 };
    for (let offset = 0; offset < lowWater; offset++) {
      const ticks = this.ticks[offset];
      if (ticks === undefined) throw new Error(`${this.name}: nobody has seen offset ${offset}`);
      sum.ticks += ticks;
      if (this.isSample[offset]) sum.samples++;
    }
    this.trims.set(lowWater, sum);
    return sum;
  }

  isWhole(nextOffset: number): boolean {
    const isEnd = ({ first, crcs }: Attempt): boolean => first + crcs.length === nextOffset;
    return this.#begins.has(nextOffset) || this.#attempts.some(isEnd);
  }
}

export interface OracleCounts {
  shown: number;
  acknowledged: number;
  lost: number;
  sealed: number;
  tidied: number;
  /** records, each as often as a reader was told of it */
  retired: number;
  /** catalogs that were compared with the state */
  catalogs: number;
  /** openings behind damage of which a catalog told how far the log had come */
  witnessed: number;
}

export class Oracle {
  readonly streams = new Map<string, StreamOracle>();
  /** who has opened the store, and not begun to close it */
  owner: { readonly isAlive: boolean } | undefined;
  /** rot has hit what other records depend on: they may be lost, but never be wrong */
  isLenient = false;
  /** files that rot has hit in a way that `verify` must name, while they are there, by inode */
  readonly spoiled = new Map<string, number>();
  /** files that `verify` may name: rot has hit them, but an owner may have made them anew */
  readonly suspects = new Set<string>();
  readonly counts: OracleCounts = {
    ...{ shown: 0, acknowledged: 0, lost: 0 },
    ...{ sealed: 0, tidied: 0, retired: 0 },
    ...{ catalogs: 0, witnessed: 0 },
  };

  add(stream: StreamOracle): StreamOracle {
    this.streams.set(stream.name, stream);
    return stream;
  }

  stream(name: string): StreamOracle {
    return this.streams.get(name)!;
  }

  /** Has anything been acknowledged or shown? */
  get hasPromises(): boolean {
    return [...this.streams.values()].some(({ durableEnd }) => durableEnd > 0);
  }

  get hasRot(): boolean {
    return this.isLenient || this.spoiled.size > 0;
  }

  /** One reading of a stream, from any offset on. */
  pass(name: string): Pass {
    return new Pass(this, this.stream(name));
  }
}
