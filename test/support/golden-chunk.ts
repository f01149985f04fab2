/**
 * The chunk in `test/fixtures/chunk-v1`: what version 1 of the chunk format looks like, for ever.
 *
 * The fixture was written once by `makeGoldenChunk` and is NEVER made again: every later version
 * must read these very bytes. This file stays beside it to say what is in there, and a test holds
 * today's sealer against it.
 *
 * Two streams of samples of one rate group, which share their times blocks, with late and failed
 * ticks and a gap that stands alone, in two runs; between them their columns need every codec there
 * is. Opaque events in a pack of two runs that deflates, and in one that does not; and a stream
 * that has nothing in this chunk.
 */
import { MIB } from '../../engine/base/constants.ts';
import { encodeSamples, type Cursor } from '../../engine/batch/samples.ts';
import type { Channel } from '../../engine/batch/schema.ts';
import { sealSegments } from '../../engine/store/chunks/sealer.ts';
import { KIND, makeLsn, segmentOf } from '../../engine/store/entries/format.ts';
import type { StoreEnvironment } from '../../engine/store/store.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { ManualClock } from './clocks.ts';
import { SeededRandom } from './random.ts';
import { sealContext } from './sealing.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { beginEvents, bytes, commitGap } from './stores.ts';

export const GOLDEN_STREAMS = ['golden/wide', 'golden/narrow', 'golden/texts', 'golden/noise'];
const UTC_OFFSET_NANOS = 1_700_000_000_000_000_000n;
const PERIOD_NANOS = 1_000_000n;
const ROWS = 200;
const FLUSHES = 2;

const channel = (name: string, type: Channel['type']): Channel => {
  return { name, type, unit: '1', scale: 1, offset: 0 };
};

/** By name: a channel of a column that is best taken by the codec of this name. */
const WIDE: Channel[] = [
  channel('constant', 'u8'),
  channel('pfor', 'i16'),
  channel('deltaPfor', 'i32'),
  channel('delta2Pfor', 'i64'),
  channel('rans', 'i8'),
  channel('deltaRans', 'u32'),
  channel('delta2Rans', 'u64'),
  channel('scaled', 'f64'),
  channel('shuffleLz4', 'f64'),
  channel('raw', 'f64'),
];
const NARROW: Channel[] = [channel('level', 'u16'), channel('level32', 'f32')];

/** Numbers of which small ones are by far the most frequent. */
function skewed(random: SeededRandom): number {
  return Math.floor(-3 * Math.log2(1 - random.next()));
}

/** Mostly nothing. */
function sparse(random: SeededRandom): number {
  return random.below(4) === 0 ? random.below(16) : 0;
}

class Columns {
  readonly #random = new SeededRandom(7);
  readonly #sums = [0, 0, 0, 0, 0, 0];

  /** The next values of all wide channels. */
  row(): number[] {
    const random = this.#random;
    const sums = this.#sums;
    sums[0]! += random.below(256);
    sums[1]! += random.below(256);
    sums[2]! += sums[1]!;
    sums[3]! += skewed(random);
    sums[4]! += sparse(random);
    sums[5]! += sums[4]!;
    const wild = new DataView(random.bytes(8).buffer).getFloat64(0, true);
    const shared = Math.fround(Math.sqrt(2 + random.below(4)));
    return [
      ...[7, random.below(4096) - 2048, sums[0]!, sums[2]!, sparse(random), sums[3]!],
      ...[sums[5]!, random.below(500) / 100, shared, wild],
    ];
  }
}

function environmentOf(fs: SimulatedFileSystem): StoreEnvironment {
  const random = new SeededRandom(1);
  return {
    fs,
    clock: new ManualClock(5_000_000_000n, UTC_OFFSET_NANOS, 1_000_000n),
    random: { bytes: (count) => random.bytes(count) },
    pause: () => {},
    sleep: () => Promise.resolve(),
    version: 'golden',
  };
}

function beginSamples(writer: StoreWriter): OpenedRun[] {
  const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
  const of = (stream: string, channels: Channel[]) => ({
    ...{ stream, writer: 'source', schema: { kind: 'samples' as const, channels } },
    ...{ samplesPerEvent: 10, ...schedule, attributes: [['Bus', 'golden']] as [string, string][] },
  });
  return writer.beginRuns([of('golden/wide', WIDE), of('golden/narrow', NARROW)]);
}

/** Rows of both streams from a tick on: 3 ticks late behind the 6th row, 2 rows failed in one. */
function commitRows(
  writer: StoreWriter,
  [wide, narrow]: readonly OpenedRun[],
  firstTick: number,
  columns: Columns,
): number {
  const rows = Array.from({ length: ROWS }, (_, i) => i);
  const ticks = rows.map((row) => firstTick + row + (row < 6 ? 0 : 3));
  const values = rows.map(() => columns.row());
  const valid = rows.map((row) => row !== 11 && row !== 12);
  const column = ({ type }: Channel, i: number) => {
    const own = values.map((row) => row[i]!);
    if (type === 'i64') return BigInt64Array.from(own, BigInt);
    return type === 'u64' ? BigUint64Array.from(own, BigInt) : Float64Array.from(own);
  };
  const level = Float64Array.from(ticks, (tick) => 1000 + (tick % 9));
  const payloads = encodeSamples({
    ...{ t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n, firstTick },
    utcOffsetNanos: UTC_OFFSET_NANOS,
    timesNanos: BigInt64Array.from(ticks, (tick) => BigInt(tick) * PERIOD_NANOS + 41_234n),
    gaps: [{ rowsBefore: 6, reason: 'late', ticks: 3, nanos: 0n }],
    sources: [
      { channels: WIDE, columns: WIDE.map(column), cursor: cursorOf(wide!) },
      { channels: NARROW, columns: [level, level], valid, cursor: cursorOf(narrow!) },
    ],
  });
  const builder = writer.group();
  builder.add(KIND.times, 0, payloads[0]!);
  builder.add(KIND.batch, wide!.stream.id, payloads[1]!);
  builder.add(KIND.batch, narrow!.stream.id, payloads[2]!);
  writer.commit(builder);
  return firstTick + ROWS + 3;
}

function cursorOf({ run, stream }: OpenedRun): Cursor {
  const { id, nextSeq, ordinal } = run;
  return { run: id, nextSeq, nextOffset: stream.nextOffset, ordinal };
}

/** The store of which the chunk is made, and its file system. */
export async function makeGoldenChunk(): Promise<{ fs: SimulatedFileSystem; name: string }> {
  const fs = new SimulatedFileSystem();
  const writer = StoreWriter.open('/store', { ...environmentOf(fs), segmentBytes: MIB });
  const columns = new Columns();
  beginEvents(writer, 'golden/empty');
  let tick = 100;
  for (let run = 0; run < 2; run++) {
    const samples = beginSamples(writer);
    for (let i = 0; i < FLUSHES; i++) tick = commitRows(writer, samples, tick, columns);
    for (const one of samples) commitGap(writer, one, tick, 5);
    tick += 5;
    const texts = beginEvents(writer, 'golden/texts');
    writer.appendEvents(
      texts,
      [0, 1, 2].map((i) => bytes(`run ${run}, event ${i}, event ${i}`)),
    );
  }
  const noise = beginEvents(writer, 'golden/noise');
  writer.appendEvents(noise, [new SeededRandom(3).bytes(40), new Uint8Array(0)]);
  const filler = beginEvents(writer, 'golden/filler');
  while (segmentOf(writer.durableEnd) < 2) {
    writer.appendEvents(filler, [bytes('.')]);
  }
  const range = { first: makeLsn(1, 0), end: makeLsn(2, 0) };
  await sealSegments(sealContext(fs, writer), range);
  writer.abandon();
  return { fs, name: fs.list('/store/chunks')[0]! };
}
