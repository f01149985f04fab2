/**
 * The two samplers: a native thread, started from the main thread, and the loop that runs drivers
 * written in TypeScript inside the sampler worker. Both keep the same rules
 * (`native/src/sampler.h`), and `gaps` cannot tell which of them made a stream:
 *
 *   schedule   tick k is due at t0 + k·period on the monotonic clock; absolute, so no error adds up
 *              (a native thread may poll the clock just before that, which moves no tick: `spin`)
 *   late       a tick reached more than one period late is gap(late), never invented or repeated
 *   full       a row that does not fit is a gap, with the reason the writer has put into the ring
 *   device     a failed read clears the source's validity bit and harms no other source
 *   suspended  boottime running ahead of monotonic is a gap of no ticks, with its duration
 *
 * Nothing here touches a file of the store, and nobody waits for the other side of the ring.
 */
import { defined } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { HelicorderError, errnoCode } from '../base/errors.ts';
import { NANOS_PER_MILLI } from '../base/constants.ts';
import { bucketOf } from '../base/histogram.ts';
import { CHANNEL_TYPES } from '../batch/schema.ts';
import type { RowWriter } from '../drivers/driver.ts';
import { RingProducer } from '../ring/ring.ts';
import type { StopWord } from '../ring/wait.ts';
import {
  native,
  type NativeChannel,
  type NativeSource,
  type Sampler,
  type SamplerReport,
} from '../../native/index.ts';
import type { RateGroup } from './rate-group.ts';
import { STATUS_WORD } from './status.ts';

export interface Scheduling {
  realtime: 'auto' | 'off' | 'require';
  /** processor to pin to, or −1 */
  cpu: number;
  /** how long before a tick its thread polls the clock; default: 0 */
  spinNanos?: number;
  /** benchmarks only */
  saturate?: boolean;
}

/** Main thread. Throws HelicorderError REALTIME_REFUSED if `require` was refused. */
export function startNativeSampler(group: RateGroup, t0Nanos: bigint, how: Scheduling): Sampler {
  const sources = group.sources.map(({ driver }, i): NativeSource => {
    const device = defined(driver.native, 'the native device');
    return { ...device, channels: group.layout.sources[i]!.channels };
  });
  const sampler = new native.Sampler({
    ring: new Uint8Array(group.ring),
    status: group.status,
    rowBytes: group.layout.rowBytes,
    validityOffset: group.layout.validityOffset,
    t0Nanos,
    periodNanos: group.periodNanos,
    sources,
    priority: group.priority,
    ...how,
  });
  try {
    sampler.start();
  } catch (cause) {
    if (errnoCode(cause) !== 'EPERM') throw cause;
    const message = 'realtime: require, but SCHED_FIFO was refused (EPERM): it needs CAP_SYS_NICE';
    throw new HelicorderError('REALTIME_REFUSED', message, { cause });
  }
  return sampler;
}

/** What the schedulers of a TypeScript group reports: no ladder applies to a JavaScript thread. */
export const TYPESCRIPT_REPORT: SamplerReport = {
  rung: 'other',
  pinnedCpu: -1,
  memoryLocked: false,
  timerSlackNanos: 50_000,
  refused: [],
};

/** Samples all groups until `stop` is stopped, then closes rings and drivers. Blocks its thread. */
export function runTypescriptSamplers(
  groups: readonly RateGroup[],
  t0Nanos: bigint,
  clock: Clock,
  stop: StopWord,
): void {
  const loops = groups.map((group) => new TypescriptSampler(group, t0Nanos, clock));
  try {
    while (!stop.sleep(Math.min(...loops.map((loop) => loop.untilNextMs())))) {
      for (const loop of loops) loop.tickIfDue();
    }
  } finally {
    for (const loop of loops) loop.close();
  }
}

/** One tick at a time, so that tests can drive it with a clock of their own. */
export class TypescriptSampler {
  readonly #group: RateGroup;
  readonly #t0: bigint;
  readonly #clock: Clock;
  readonly #producer: RingProducer;
  readonly #writers: RingRowWriter[];
  #next: bigint;
  #bootAhead: bigint;

  constructor(group: RateGroup, t0Nanos: bigint, clock: Clock) {
    this.#group = group;
    this.#t0 = t0Nanos;
    this.#clock = clock;
    this.#producer = new RingProducer(group.ring);
    const { view } = this.#producer;
    this.#writers = group.layout.sources.map(({ channels }) => new RingRowWriter(view, channels));
    const { monotonicNanos, boottimeNanos } = clock.read();
    this.#bootAhead = boottimeNanos - monotonicNanos;
    this.#next =
      monotonicNanos < t0Nanos ? 0n : (monotonicNanos - t0Nanos) / group.periodNanos + 1n;
  }

  untilNextMs(): number {
    return Number(this.#due() - this.#clock.read().monotonicNanos) / NANOS_PER_MILLI;
  }

  /** Takes the next tick if it is due, after naming those that can no longer be taken. */
  tickIfDue(): void {
    const { monotonicNanos, boottimeNanos } = this.#clock.read();
    const late = monotonicNanos - this.#due();
    if (late < 0n) return;
    this.#checkSuspend(boottimeNanos - monotonicNanos);
    if (late > this.#group.periodNanos) this.#skip((late - 1n) / this.#group.periodNanos);
    this.#takeRow(monotonicNanos);
  }

  close(): void {
    this.#producer.close();
    for (const { driver } of this.#group.sources) driver.close();
  }

  #due(): bigint {
    return this.#t0 + this.#next * this.#group.periodNanos;
  }

  #checkSuspend(bootAhead: bigint): void {
    const jump = bootAhead - this.#bootAhead;
    if (jump <= BigInt(NANOS_PER_MILLI)) return;
    this.#bootAhead = bootAhead;
    this.#count(STATUS_WORD.suspendedNanos, jump);
    this.#producer.miss(Number(this.#next), 0, 'suspended', jump);
  }

  #skip(ticks: bigint): void {
    this.#producer.miss(Number(this.#next), Number(ticks), 'late');
    this.#count(STATUS_WORD.ticksScheduled, ticks);
    this.#count(STATUS_WORD.lateTicks, ticks);
    this.#next += ticks;
  }

  #takeRow(nowNanos: bigint): void {
    const tick = Number(this.#next);
    this.#count(STATUS_WORD.ticksScheduled, 1n);
    Atomics.store(this.#group.status, STATUS_WORD.lastTick, this.#next);
    this.#countLateness(nowNanos - this.#due());
    const at = this.#producer.claimRow(tick, nowNanos, this.#group.layout.rowBytes);
    if (at < 0) {
      const reason = this.#producer.fullReason();
      this.#producer.miss(tick, 1, reason);
      this.#count(reason === 'full' ? STATUS_WORD.fullTicks : STATUS_WORD.overflowTicks, 1n);
    } else {
      this.#fill(at, tick);
      this.#producer.commit();
      this.#count(STATUS_WORD.rows, 1n);
    }
    this.#next++;
  }

  #fill(at: number, tick: number): void {
    const validity = at + this.#group.layout.validityOffset;
    const bytes = 8 * Math.ceil(this.#writers.length / 64);
    const { view } = this.#producer;
    for (let i = 0; i < bytes; i++) view.setUint8(validity + i, 0);
    this.#group.sources.forEach(({ driver }, i) => {
      const writer = this.#writers[i]!;
      writer.row = at;
      const byte = validity + (i >> 3);
      Atomics.store(this.#group.status, STATUS_WORD.reading, BigInt(i + 1));
      if (driver.read!(writer, tick)) view.setUint8(byte, view.getUint8(byte) | (1 << (i & 7)));
      else this.#count(STATUS_WORD.deviceFailures, 1n);
    });
    Atomics.store(this.#group.status, STATUS_WORD.reading, 0n);
  }

  #count(word: number, by: bigint): void {
    Atomics.add(this.#group.status, word, by);
  }

  #countLateness(nanos: bigint): void {
    const { status } = this.#group;
    this.#count(STATUS_WORD.histogram + bucketOf(Number(nanos)), 1n);
    const max = Atomics.load(status, STATUS_WORD.maxLatenessNanos);
    if (nanos > max) Atomics.store(status, STATUS_WORD.maxLatenessNanos, nanos);
  }
}

/** Values of one source into the claimed row; reused for every row. */
class RingRowWriter implements RowWriter {
  row = 0;
  readonly #view: DataView;
  readonly #channels: readonly NativeChannel[];

  constructor(view: DataView, channels: readonly NativeChannel[]) {
    this.#view = view;
    this.#channels = channels;
  }

  setNumber(channel: number, value: number): void {
    const { type, rowOffset } = this.#channels[channel]!;
    const at = this.row + rowOffset;
    const view = this.#view;
    const name = CHANNEL_TYPES[type]!;
    if (name === 'f64') view.setFloat64(at, value, true);
    else if (name === 'f32') view.setFloat32(at, value, true);
    else if (name === 'i8' || name === 'u8') view.setUint8(at, value);
    else if (name === 'i16' || name === 'u16') view.setUint16(at, value, true);
    else if (name === 'i32' || name === 'u32') view.setUint32(at, value, true);
    else view.setBigInt64(at, BigInt(Math.trunc(value)), true);
  }

  setBigInt(channel: number, value: bigint): void {
    this.#view.setBigInt64(this.row + this.#channels[channel]!.rowOffset, value, true);
  }
}
