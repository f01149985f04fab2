/** Count, min, max and sum per bucket of time, channel by channel, in typed arrays that grow. */
import type { Channel } from '../batch/schema.ts';
import { HelicorderError } from '../base/errors.ts';

/** Enough for years in half minutes; beyond it memory would be the limit. */
const BUCKETS_MAX = 2 ** 22;
const FIRST_SLOTS = 256;

/** One channel's physical values; index = slot of the bucket. */
export class ChannelBuckets {
  readonly name: string;
  readonly unit: string;
  count = new Float64Array(0);
  min = new Float64Array(0);
  max = new Float64Array(0);
  sum = new Float64Array(0);

  constructor({ name, unit }: Channel) {
    this.name = name;
    this.unit = unit;
  }

  reserve(slots: number): void {
    if (slots <= this.count.length) return;
    const size = Math.max(FIRST_SLOTS, slots, 2 * this.count.length);
    this.count = grown(this.count, size, 0);
    this.sum = grown(this.sum, size, 0);
    this.min = grown(this.min, size, Infinity);
    this.max = grown(this.max, size, -Infinity);
  }

  /** Adds raw values `from` to `to` of a column; what is no number counts as none. */
  add(slot: number, raw: Float64Array, from: number, to: number, channel: Channel): void {
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
    const [a, b] = [min * scale + offset, max * scale + offset];
    this.count[slot]! += count;
    this.sum[slot]! += sum * scale + count * offset;
    this.min[slot] = Math.min(this.min[slot]!, a, b);
    this.max[slot] = Math.max(this.max[slot]!, a, b);
  }
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
