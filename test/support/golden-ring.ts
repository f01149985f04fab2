/**
 * The ring in `test/fixtures/ring-v1.bin`: what version 1 of the ring's memory looks like.
 *
 * Written once by `makeGoldenRing` and NEVER made again; `ring-v1.json` says what is in it, as a
 * reader that knows nothing but `docs/format-ring.md` found it. Two
 * sources, of which the second cannot be read at every third tick, in a ring of 1 KiB: a first lap
 * has been taken out already, and what is left lies on both sides of the end, with padding before
 * it, gaps of three reasons (the last one of ticks that found the ring full), and the end.
 */
import {
  CHANNEL_TYPES,
  channelBytes,
  type Channel,
  type ChannelType,
} from '../../engine/batch/schema.ts';
import {
  ROW_VALIDITY_AT,
  createRing,
  rowLayout,
  type RowLayout,
} from '../../engine/ring/layout.ts';
import { RingConsumer, RingProducer } from '../../engine/ring/ring.ts';

export const PERIOD_NANOS = 1_000_000n;
const CAPACITY = 1024;
const plain = { unit: '1', scale: 1, offset: 0 };

export const SOURCES: { channels: Channel[] }[] = [
  {
    channels: [
      { name: 'a', type: 'u64', ...plain },
      { name: 'b', type: 'i16', ...plain },
    ],
  },
  {
    channels: [
      { name: 'c', type: 'i8', ...plain },
      { name: 'd', type: 'u32', ...plain },
      { name: 'e', type: 'i64', ...plain },
    ],
  },
];

export const LAYOUT: RowLayout = rowLayout(SOURCES);

/** 64-bit numbers as decimal strings. */
export type GoldenRecord =
  | { tick: number; timeNanos: string; sources: (string[] | null)[] }
  | { firstTick: number; ticks: number; reason: string; nanos: string };

/** Values of a row, cut to the channels' types by `DataView`. */
function valuesAt(tick: number): bigint[] {
  const n = BigInt(tick);
  return [2n ** 63n + n * n, -7n * n, -n, 2n ** 32n - 1n - n, -(2n ** 62n) * (n % 2n) + n];
}

class GoldenProducer {
  readonly #producer: RingProducer;
  #tick = 1000;

  constructor(memory: SharedArrayBuffer) {
    this.#producer = new RingProducer(memory);
  }

  rows(count: number): void {
    for (let i = 0; i < count; i++) this.#row();
  }

  gap(ticks: number, reason: 'late' | 'suspended', nanos = 0n): void {
    this.#producer.miss(this.#tick, ticks, reason, nanos);
    this.#tick += ticks;
  }

  close(): void {
    this.#producer.close();
  }

  #row(): void {
    const tick = this.#tick++;
    const lateNanos = BigInt((tick * 977) % 5000);
    const at = this.#producer.claimRow(
      tick,
      BigInt(tick) * PERIOD_NANOS + lateNanos,
      LAYOUT.rowBytes,
    );
    if (at < 0) return this.#producer.miss(tick, 1, this.#producer.fullReason());
    const { view } = this.#producer;
    view.setBigUint64(at + ROW_VALIDITY_AT, tick % 3 === 0 ? 0b01n : 0b11n, true);
    const values = valuesAt(tick);
    LAYOUT.sources
      .flatMap(({ channels }) => channels)
      .forEach(({ type, rowOffset }, i) => {
        putValue(view, at + rowOffset, CHANNEL_TYPES[type]!, values[i]!);
      });
    this.#producer.commit();
  }
}

function putValue(view: DataView, at: number, type: ChannelType, value: bigint): void {
  for (let i = 0; i < channelBytes(type); i++)
    view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
}

/** The memory of the ring, control block included. */
export function makeGoldenRing(): SharedArrayBuffer {
  const memory = createRing(CAPACITY);
  const producer = new GoldenProducer(memory);
  producer.rows(10);
  drop(memory);
  producer.gap(4, 'late');
  producer.rows(3);
  producer.gap(0, 'suspended', 123_456_789n);
  producer.rows(30);
  producer.close();
  return memory;
}

/** Takes out what is in the ring, as a consumer that has seen enough. */
function drop(memory: SharedArrayBuffer): void {
  const consumer = new RingConsumer(memory);
  for (const record of consumer.records()) void record;
  consumer.release();
}
