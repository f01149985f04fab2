/**
 * Rate groups with known rows: production samplers and rings, and drivers whose values anybody can
 * compute again from source, boot and tick. Each reading of a driver is told to the oracle.
 */
import { crc32 } from 'node:zlib';
import type { Channel, ChannelType } from '../../engine/batch/schema.ts';
import type { OpenDriver } from '../../engine/drivers/driver.ts';
import type { GroupSpec } from '../../engine/collector/group-spec.ts';
import { createRing, rowLayout } from '../../engine/ring/layout.ts';
import type { RateGroup, SampledSource } from '../../engine/sampler/rate-group.ts';
import { TypescriptSampler } from '../../engine/sampler/sampler.ts';
import { createStatus } from '../../engine/sampler/status.ts';
import type { SeededRandom } from '../support/random.ts';
import { StreamOracle, type Oracle } from './oracle.ts';
import type { Process } from './world.ts';

const INTEGERS: readonly ChannelType[] = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'u64'];
const PERIODS_NANOS = [2_000_000n, 5_000_000n, 20_000_000n, 33_333_333n];

interface KnownSource {
  stream: string;
  seed: number;
  channels: Channel[];
  /** one reading in so many fails; 0: none */
  failsOneIn: number;
}

/** What a seed records: the same groups in each life of an owner. */
export interface KnownGroup {
  periodNanos: bigint;
  resolutionNanos: bigint;
  ringBytes: number;
  sources: KnownSource[];
}

export function drawGroups(random: SeededRandom, oracle: Oracle): KnownGroup[] {
  return Array.from({ length: 1 + random.below(2) }, (_, group) => {
    const types = group === 1 && random.next() < 0.5 ? (['f64', 'f32'] as const) : INTEGERS;
    const sources = Array.from({ length: 1 + random.below(2) }, (_, i): KnownSource => {
      const channels = Array.from({ length: 1 + random.below(3) }, (_, c) => {
        return {
          name: `c${c}`,
          type: types[random.below(types.length)]!,
          unit: '1',
          scale: 1,
          offset: 0,
        };
      });
      const failsOneIn = random.next() < 0.3 ? 2 + random.below(10) : 0;
      return { stream: `sim/g${group}s${i}`, seed: random.below(2 ** 31), channels, failsOneIn };
    });
    for (const source of sources) oracle.add(new StreamOracle(source.stream, valuesOf(source)));
    return {
      periodNanos: PERIODS_NANOS[random.below(PERIODS_NANOS.length)]!,
      resolutionNanos: random.next() < 0.3 ? 1000n : 1n,
      ringBytes: 2 ** (10 + random.below(5)),
      sources,
    };
  });
}

/** Groups as they are wanted, all of whose channels are of one type. */
export function makeGroups(
  oracle: Oracle,
  wanted: readonly { sources: number; channels: number; type: ChannelType; periodMs: number }[],
): KnownGroup[] {
  return wanted.map(({ sources: count, channels: width, type, periodMs }, group) => {
    const channels = Array.from({ length: width }, (_, c): Channel => {
      return { name: `c${c}`, type, unit: '1', scale: 1, offset: 0 };
    });
    const sources = Array.from({ length: count }, (_, i): KnownSource => {
      return { stream: `sim/g${group}s${i}`, seed: 100 * group + i, channels, failsOneIn: 0 };
    });
    for (const source of sources) oracle.add(new StreamOracle(source.stream, valuesOf(source)));
    const periodNanos = BigInt(periodMs) * 1_000_000n;
    return { periodNanos, resolutionNanos: 1n, ringBytes: 2 ** 22, sources };
  });
}

function valuesOf({ seed, channels }: KnownSource): StreamOracle['valueOf'] {
  let [boot, bootSeed] = ['', 0];
  return (bootId, tick, channel) => {
    if (bootId !== boot) [boot, bootSeed] = [bootId, crc32(Buffer.from(bootId), seed)];
    return fitted(channels[channel]!.type, mixed(bootSeed + tick * 31 + channel));
  };
}

/** murmur3's finalizer: neighbouring ticks get unrelated values. */
function mixed(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function fitted(type: ChannelType, value: number): number {
  switch (type) {
    case 'i8':
      return (value << 24) >> 24;
    case 'u8':
      return value & 0xff;
    case 'i16':
      return (value << 16) >> 16;
    case 'u16':
      return value & 0xffff;
    case 'i32':
      return value | 0;
    case 'f32':
      return Math.fround(value / 7);
    case 'f64':
      return value / 7;
    default:
      return value;
  }
}

/** A group as it lives in one process: its ring, and the sampler that fills it. */
export class LiveGroup {
  readonly spec: GroupSpec;
  readonly #sampler: TypescriptSampler;
  readonly #process: Process;
  readonly #periodMs: number;
  #isClosed = false;

  constructor(known: KnownGroup, process: Process, oracle: Oracle) {
    this.#process = process;
    this.#periodMs = Number(known.periodNanos) / 1e6;
    const { periodNanos, resolutionNanos } = known;
    const layout = rowLayout(known.sources);
    const ring = createRing(known.ringBytes);
    const group: RateGroup = {
      ...{ bus: 'typescript', periodNanos, resolutionNanos, layout, ring, priority: 50 },
      sources: known.sources.map((source) => sampled(source, known, process, oracle)),
      status: createStatus(),
    };
    this.#sampler = new TypescriptSampler(group, 0n, process.environment.clock);
    const { rowBytes, validityOffset } = layout;
    this.spec = {
      ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos, resolutionNanos },
      sources: known.sources.map(({ stream, channels }, i) => ({
        ...{ name: stream, stream, writer: 'source', samplesPerEvent: 10, attributes: [] },
        schema: { kind: 'samples' as const, channels },
        channels: layout.sources[i]!.channels,
      })),
    };
  }

  /** Samples from now on, as a thread of its own; sometimes it is late. */
  start(): void {
    const { random } = this.#process;
    const isLate = random.next() < 0.02;
    const lateMs = random.next() * this.#periodMs * (isLate ? 5 : 0.1);
    this.#process.interrupt(Math.max(0, this.#sampler.untilNextMs()) + lateMs, () => {
      if (this.#isClosed) return;
      this.#sampler.tickIfDue();
      this.start();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#sampler.close();
  }
}

function sampled(
  source: KnownSource,
  { periodNanos, resolutionNanos }: KnownGroup,
  { environment, random }: Process,
  oracle: Oracle,
): SampledSource {
  const stream = oracle.stream(source.stream);
  const { channels, failsOneIn } = source;
  const driver: OpenDriver = {
    channels,
    attributes: [],
    read: (row, tick) => {
      const boot = environment.clock.bootId();
      const isValid = failsOneIn === 0 || random.below(failsOneIn) > 0;
      channels.forEach(({ type }, channel) => {
        const value = stream.valueOf!(boot, tick, channel);
        if (type === 'u64') row.setBigInt(channel, BigInt(value));
        else row.setNumber(channel, value);
      });
      stream.taken.push({ boot, tick, isValid, isAcknowledged: false, isLetGo: false });
      return isValid;
    },
    close: () => {},
  };
  return {
    name: source.stream,
    rateHz: 1e9 / Number(periodNanos),
    timestampResolutionNanos: resolutionNanos,
    driver,
  };
}
