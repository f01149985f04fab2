/**
 * Gate 7b: what the store holds per sample after a day at the defaults, one network source at 1 kHz
 * (rx_bytes and tx_bytes, flushed every 100 ms): unsealed groups with their padding, and chunks.
 *
 * Time is the simulation's, and so are the data: a tick is late as on a thread of real-time
 * priority, and packets come at random. All else is as in production, but the day is cut short:
 * what chunks hold per sample is the same after a part of it, and what is not sealed yet is set
 * against the samples of a whole one. That is taken when it is worst: a segment is full, and not
 * yet sealed. `HELICORDER_SOAK=1`: the whole day.
 */
import { expect, it } from 'vitest';
import { FLUSH_DEFAULT_MS, SEGMENT_DEFAULT_BYTES } from '../../engine/base/constants.ts';
import { encodeSamples } from '../../engine/batch/samples.ts';
import type { Channel } from '../../engine/batch/schema.ts';
import { applyUpkeep } from '../../engine/store/write/changes.ts';
import { KIND, offsetOf, segmentOf } from '../../engine/store/entries/format.ts';
import { listSegments, segmentPath } from '../../engine/store/log/segment.ts';
import { systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import { upkeepStep } from '../../engine/store/upkeep/upkeep.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { ManualClock } from '../support/clocks.ts';
import { SeededRandom } from '../support/random.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost, type Operation } from '../support/simulated-file-system.ts';

const DIR = '/store';
const DAY_SECONDS = 86_400;
const SCALE = process.env['HELICORDER_SOAK'] ? 1 : 64;
const RATE_HZ = 1000;
const PERIOD_NANOS = 1_000_000n;
const GATE_BYTES = 4;
const TIMEOUT_MS = 3_600_000;
const CHANNELS = ['RxBytes', 'TxBytes'].map((name): Channel => {
  return { name, type: 'u64', unit: 'B', scale: 1, offset: 0 };
});

/** What a network source gives: counters, and when they were read. */
class Network {
  readonly #random = new SeededRandom(1);
  readonly #bytes = [123_456_789, 98_765_432];

  /** ns behind the tick: about 40 µs, now and then a stall */
  lateness(): bigint {
    const stall = this.#random.next() < 0.001 ? this.#random.next() * 800_000 : 0;
    return BigInt(Math.round(32_000 - 9000 * Math.log(1 - this.#random.next()) + stall));
  }

  /** The next value of a counter: 300 packets a second, most of them small or full. */
  next(counter: number): bigint {
    const random = this.#random;
    if (random.next() < 0.3) {
      this.#bytes[counter]! += random.next() < 0.5 ? 60 + random.below(100) : 1514;
    }
    return BigInt(this.#bytes[counter]!);
  }
}

class Day {
  readonly #writer: StoreWriter;
  readonly #environment: StoreEnvironment;
  readonly #fs: SimulatedFileSystem;
  readonly #opened: OpenedRun;
  readonly #network = new Network();
  readonly #clock = new ManualClock(0n, 1_700_000_000_000_000_000n, 0n);
  #tick = 0;
  samples = 0;
  writtenBytes = 0;

  constructor() {
    const step = (operation: Operation, _: string, bytes: number): void => {
      if (operation === 'write') this.writtenBytes += bytes;
    };
    const host = { ...calmHost, step, isDirect: true };
    this.#fs = new SimulatedFileSystem(new SimulatedDisk(), host);
    const random = new SeededRandom(2);
    this.#environment = { ...systemEnvironment, fs: this.#fs, clock: this.#clock, random };
    const segmentBytes = SEGMENT_DEFAULT_BYTES;
    this.#writer = StoreWriter.open(DIR, { ...this.#environment, segmentBytes });
    const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
    const schema = { kind: 'samples' as const, channels: CHANNELS };
    const what = { stream: 'net/eth0', writer: 'source', schema, samplesPerEvent: 1000 };
    this.#opened = this.#writer.beginRuns([{ ...what, ...schedule, attributes: [] }])[0]!;
  }

  get segment(): number {
    return segmentOf(this.#writer.durableEnd);
  }

  /** One flush: the ticks since the last one, and zeros ahead as between two flushes. */
  flush(): void {
    const rows = Array.from({ length: (FLUSH_DEFAULT_MS * RATE_HZ) / 1000 }, (_, i) => i);
    const { run, stream } = this.#opened;
    const { nextSeq, ordinal } = run;
    const payloads = encodeSamples({
      ...{ t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n, firstTick: this.#tick },
      utcOffsetNanos: 1_700_000_000_000_000_000n,
      timesNanos: BigInt64Array.from(
        rows,
        (row) => BigInt(this.#tick + row) * PERIOD_NANOS + this.#network.lateness(),
      ),
      gaps: [],
      sources: [
        {
          channels: CHANNELS,
          columns: CHANNELS.map((_, i) => BigUint64Array.from(rows, () => this.#network.next(i))),
          cursor: { run: run.id, nextSeq, nextOffset: stream.nextOffset, ordinal },
        },
      ],
    });
    const builder = this.#writer.group();
    builder.add(KIND.times, 0, payloads[0]!);
    builder.add(KIND.batch, stream.id, payloads[1]!);
    this.#writer.commit(builder);
    this.#writer.prepare();
    this.#tick += rows.length;
    this.samples += rows.length;
    this.#clock.monotonicNanos += BigInt(rows.length) * PERIOD_NANOS;
  }

  async upkeep(): Promise<void> {
    const options = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    for (;;) {
      const result = await upkeepStep(options, this.#environment, () => Promise.resolve());
      if (result.did === 'nothing') return;
      applyUpkeep(this.#writer, result);
    }
  }

  /** Bytes of all chunks. */
  get sealedBytes(): number {
    const { chunks } = this.#writer.paths;
    const names = this.#fs.list(chunks);
    return names.reduce((sum, name) => sum + this.#fs.fileSize(`${chunks}/${name}`)!, 0);
  }

  /** Bytes of the log that hold records: its segments, and the newest as far as it is filled. */
  get openBytes(): number {
    const { log } = this.#writer.paths;
    const full = listSegments(this.#fs, log).filter((number) => number < this.segment);
    const sizes = full.map((number) => this.#fs.fileSize(segmentPath(log, number))!);
    return sizes.reduce((sum, bytes) => sum + bytes, offsetOf(this.#writer.durableEnd));
  }
}

it(
  `a day at the defaults holds at most ${GATE_BYTES} bytes per sample (a day of 1/${SCALE})`,
  async () => {
    const day = new Day();
    const wanted = (DAY_SECONDS * RATE_HZ) / SCALE;
    let [segment, sealedSamples, openBytes] = [day.segment, 0, 0];
    while (day.samples < wanted) {
      day.flush();
      if (day.segment === segment) continue;
      segment = day.segment;
      openBytes = Math.max(openBytes, day.openBytes);
      await day.upkeep();
      sealedSamples = day.samples;
    }
    expect(segment).toBeGreaterThan(8);
    expect(openBytes).toBeGreaterThan(0);
    expect(sealedSamples).toBeGreaterThan(0);
    const sealed = day.sealedBytes / sealedSamples;
    const open = openBytes / (DAY_SECONDS * RATE_HZ);
    const written = day.writtenBytes / day.samples;
    process.stdout.write(
      `held bytes per sample after a day: ${sealed.toFixed(2)} in chunks, at most ` +
        `${open.toFixed(2)} not sealed yet, ${written.toFixed(1)} written to the device ` +
        `(1/${SCALE} of a day)\n`,
    );
    expect(sealed + open).toBeLessThanOrEqual(GATE_BYTES);
  },
  TIMEOUT_MS,
);
