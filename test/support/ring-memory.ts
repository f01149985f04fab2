/** The memory of a ring (`docs/format-ring.md`), filled by hand for tests of its consumers. */
import { channelBytes } from '../../engine/batch/schema.ts';
import type { ChannelType } from '../../engine/batch/schema.ts';
import { RING } from '../../engine/ring/layout.ts';

const DATA_AT = 512;
const ROW_VALUES_AT = 24;

export interface RowShape {
  rowBytes: number;
  validityOffset: number;
  sources: { type: ChannelType; rowOffset: number }[][];
}

export function rowShape(sources: readonly (readonly ChannelType[])[]): RowShape {
  let at = ROW_VALUES_AT + 8 * Math.ceil(sources.length / 64);
  const shaped = sources.map((types) =>
    types.map((type) => {
      const width = channelBytes(type);
      const rowOffset = Math.ceil(at / width) * width;
      at = rowOffset + width;
      return { type, rowOffset };
    }),
  );
  return { rowBytes: Math.ceil(at / 8) * 8, validityOffset: ROW_VALUES_AT, sources: shaped };
}

/** True once the producer has ended: what is in the ring now is all there will be. */
export function isClosed(ring: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(ring, RING.closedAt, 1), 0) === 1;
}

/** Puts records, without regard to the consumer: the test keeps within the capacity. */
export class RingMemory {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #capacity: number;
  #head = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(new SharedArrayBuffer(DATA_AT + capacity));
    this.#view = new DataView(this.bytes.buffer);
    this.#capacity = capacity;
    this.#view.setUint32(0, 0x474e5248, true);
    this.#view.setUint32(4, 1, true);
    this.#view.setBigUint64(8, BigInt(capacity), true);
  }

  get tail(): number {
    return Number(this.#view.getBigUint64(256, true));
  }

  get head(): number {
    return this.#head;
  }

  row(
    shape: RowShape,
    tick: number,
    timeNanos: bigint,
    valid: readonly boolean[],
    values: readonly (readonly bigint[])[],
  ): void {
    const at = this.#claim(shape.rowBytes, 1);
    this.#view.setBigUint64(at + 8, BigInt(tick), true);
    this.#view.setBigInt64(at + 16, timeNanos, true);
    const words = valid.length / 64;
    for (let word = 0; word < words; word++) {
      let bits = 0n;
      valid.slice(64 * word, 64 * word + 64).forEach((ok, i) => (bits |= BigInt(ok) << BigInt(i)));
      this.#view.setBigUint64(at + shape.validityOffset + 8 * word, bits, true);
    }
    shape.sources.forEach((channels, source) =>
      channels.forEach(({ type, rowOffset }, i) => {
        this.#putValue(at + rowOffset, channelBytes(type), values[source]![i]!);
      }),
    );
    this.#publish(shape.rowBytes);
  }

  gap(firstTick: number, ticks: number, reasonCode: number, nanos: bigint): void {
    const at = this.#claim(40, 2);
    this.#view.setBigUint64(at + 8, BigInt(firstTick), true);
    this.#view.setBigUint64(at + 16, BigInt(ticks), true);
    this.#view.setUint32(at + 24, reasonCode, true);
    this.#view.setUint32(at + 28, 0, true);
    this.#view.setBigUint64(at + 32, nanos, true);
    this.#publish(40);
  }

  #putValue(at: number, width: number, value: bigint): void {
    for (let i = 0; i < width; i++) {
      this.bytes[at + i] = Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn);
    }
  }

  #claim(length: number, kind: number): number {
    const left = this.#capacity - (this.#head % this.#capacity);
    if (left < length) {
      this.#putHeader(left, 0);
      this.#publish(left);
    }
    return this.#putHeader(length, kind);
  }

  #putHeader(length: number, kind: number): number {
    const at = DATA_AT + (this.#head % this.#capacity);
    this.#view.setUint32(at, length, true);
    this.#view.setUint16(at + 4, kind, true);
    this.#view.setUint16(at + 6, 0, true);
    return at;
  }

  #publish(length: number): void {
    this.#head += length;
    this.#view.setBigUint64(128, BigInt(this.#head), true);
  }
}
