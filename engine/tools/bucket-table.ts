/** Count, min, max and sum per bucket of time, channel by channel, in typed arrays that grow. */
import { defined } from '../base/assert.ts';
import { HelicorderError } from '../base/errors.ts';
import { isWide, type Channel, type ChannelType } from '../batch/schema.ts';

/** Enough for years in half minutes; beyond it memory would be the limit. */
const BUCKETS_MAX = 2 ** 22;
const FIRST_SLOTS = 256;

type Wide = BigInt64Array<ArrayBufferLike> | BigUint64Array<ArrayBufferLike>;

/** Least and greatest of a channel whose values no double holds; index = slot of the bucket. */
class ExactEnds {
  readonly type: ChannelType;
  min: Wide;
  max: Wide;

  constructor(type: ChannelType) {
    this.type = type;
    [this.min, this.max] = [this.#empty(0), this.#empty(0)];
  }

  #empty(slots: number): Wide {
    return this.type === 'u64' ? new BigUint64Array(slots) : new BigInt64Array(slots);
  }

  reserve(slots: number): void {
    const [min, max] = [this.#empty(slots), this.#empty(slots)];
    min.set(this.min);
    max.set(this.max);
    [this.min, this.max] = [min, max];
  }

  /** Those of some slots, in this order. */
  pick(slots: readonly number[]): { min: Wide; max: Wide } {
    const [min, max] = [this.#empty(slots.length), this.#empty(slots.length)];
    slots.forEach((slot, i) => {
      [min[i], max[i]] = [this.min[slot] ?? 0n, this.max[slot] ?? 0n];
    });
    return { min, max };
  }

  /** @param isFirst nothing of the bucket was added before */
  add(slot: number, isFirst: boolean, min: bigint, max: bigint): void {
    if (isFirst || min < this.min[slot]!) this.min[slot] = min;
    if (isFirst || max > this.max[slot]!) this.max[slot] = max;
  }
}

/** A part of a 64-bit column, with the doubles that it is rounded to. */
interface WidePart {
  wide: Wide;
  doubles: Float64Array;
  from: number;
  to: number;
}

/** The integer that `end`, the least or greatest of the doubles, was rounded from. */
function exactEnd({ wide, doubles, from, to }: WidePart, end: number, isLeast: boolean): bigint {
  if (Number.isSafeInteger(end)) return BigInt(end);
  let found: bigint | undefined;
  for (let i = from; i < to; i++) {
    if (doubles[i] !== end) continue;
    const value = wide[i]!;
    if (found === undefined || (isLeast ? value < found : value > found)) found = value;
  }
  return defined(found, 'the end is one of the values');
}

/** One channel's physical values; index = slot of the bucket. */
export class ChannelBuckets {
  readonly name: string;
  readonly unit: string;
  /** undefined where a double holds the values, or those of one run are no such integers */
  exact: ExactEnds | undefined;
  count = new Float64Array(0);
  min = new Float64Array(0);
  max = new Float64Array(0);
  sum = new Float64Array(0);

  constructor(channel: Channel) {
    this.name = channel.name;
    this.unit = channel.unit;
    if (isExact(channel)) this.exact = new ExactEnds(channel.type);
  }

  reserve(slots: number): void {
    if (slots <= this.count.length) return;
    const size = Math.max(FIRST_SLOTS, slots, 2 * this.count.length);
    this.count = grown(this.count, size, 0);
    this.sum = grown(this.sum, size, 0);
    this.min = grown(this.min, size, Infinity);
    this.max = grown(this.max, size, -Infinity);
    this.exact?.reserve(size);
  }

  /**
   * Adds raw values `from` to `to` of a column; what is no number counts as none.
   * @param wide the column before it was rounded to `raw`
   */
  add(
    slot: number,
    raw: Float64Array,
    from: number,
    to: number,
    channel: Channel,
    wide?: Wide,
  ): void {
    let [count, min, max, sum] = [0, Infinity, -Infinity, 0];
    for (let i = from; i < to; i++) {
      const value = raw[i]!;
      if (Number.isNaN(value)) continue;
      count++;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    if (count === 0) return;
    const { scale, offset } = channel;
    const isSame = this.exact?.type === channel.type && isExact(channel);
    if (!wide || !isSame) this.exact = undefined;
    if (this.exact && wide) {
      const part = { wide, doubles: raw, from, to };
      const ends = [exactEnd(part, min, true), exactEnd(part, max, false)] as const;
      this.exact.add(slot, this.count[slot] === 0, ...ends);
    }
    const [a, b] = [min * scale + offset, max * scale + offset];
    this.count[slot]! += count;
    this.sum[slot]! += sum * scale + count * offset;
    this.min[slot] = Math.min(this.min[slot]!, a, b);
    this.max[slot] = Math.max(this.max[slot]!, a, b);
  }
}

function isExact({ type, scale, offset }: Channel): boolean {
  return isWide(type) && scale === 1 && offset === 0;
}

function grown(values: Float64Array, size: number, empty: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(size).fill(empty, values.length);
  larger.set(values);
  return larger;
}

export class BucketTable {
  readonly #slots = new Map<number, number>();
  readonly #channels = new Map<string, ChannelBuckets>();

  get channels(): ChannelBuckets[] {
    return [...this.#channels.values()];
  }

  /** Numbers of the buckets that hold samples, in order of time, and their slots. */
  buckets(): { number: number; slot: number }[] {
    const all = [...this.#slots].map(([number, slot]) => ({ number, slot }));
    return all.sort((a, b) => a.number - b.number);
  }

  /** @throws USAGE if there would be too many */
  slotOf(bucket: number): number {
    const known = this.#slots.get(bucket);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    if (slot >= BUCKETS_MAX) {
      throw new HelicorderError('USAGE', `more than ${BUCKETS_MAX} buckets: choose longer ones`);
    }
    this.#slots.set(bucket, slot);
    return slot;
  }

  channel(channel: Channel): ChannelBuckets {
    let found = this.#channels.get(channel.name);
    if (found === undefined)
      this.#channels.set(channel.name, (found = new ChannelBuckets(channel)));
    found.reserve(this.#slots.size);
    return found;
  }
}
