/**
 * The store in `test/fixtures/log-v1`: what version 1 of the log format looks like, for ever.
 *
 * The fixture was written once by `makeGoldenLog`, its segments cut behind their last block that is
 * not zero, and is NEVER made again: every later version must read these very bytes. This file
 * stays beside it to say what is in there, and a test holds today's writer against it.
 *
 * Four lives of one owner in two segments. The first three end in a crash with a torn write, behind
 * which the next life leaves room; the fourth fills the segment, goes on in a second one and closes
 * cleanly. Each life samples one stream (with a late gap, and a device gap of its own), and appends
 * opaque events to another.
 */
import { openSync, closeSync, readSync, writeSync } from 'node:fs';
import { encodeGap } from '../../engine/batch/format.ts';
import { encodeSamples } from '../../engine/batch/samples.ts';
import { OPAQUE_SCHEMA, type Channel } from '../../engine/batch/schema.ts';
import { MIB } from '../../engine/base/constants.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { gapBefore } from '../../engine/collector/gap-before.ts';
import { KIND, offsetOf, segmentOf } from '../../engine/store/entries/format.ts';
import type { StoreEnvironment } from '../../engine/store/store.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { ManualClock } from './clocks.ts';
import { SeededRandom } from './random.ts';
import { segmentFile } from './segments.ts';

const MACHINE_ID = '00112233445566778899aabbccddeeff';
const UTC_OFFSET_NANOS = 1_700_000_000_000_000_000n;
const PERIOD_NANOS = 1_000_000n;
const CHANNELS: Channel[] = [
  { name: 'Counter', type: 'u64', unit: 'B', scale: 1, offset: 0 },
  { name: 'Level', type: 'i16', unit: 'V', scale: 0.5, offset: -1 },
  { name: 'Temperature', type: 'f64', unit: 'K', scale: 1, offset: 0 },
];
const SAMPLES = { kind: 'samples' as const, channels: CHANNELS };
const CRASHES = 3;
/** Events that fill the first segment, and begin the second. */
const FILLINGS = 45;

function goldenEnvironment(): StoreEnvironment {
  const readText = (path: string): string =>
    path === '/etc/machine-id' ? `${MACHINE_ID}\n` : nodeFileSystem.readText(path);
  const random = new SeededRandom(1);
  return {
    fs: Object.assign(Object.create(nodeFileSystem), { readText }),
    clock: new ManualClock(5_000_000_000n, UTC_OFFSET_NANOS, 1_000_000n),
    random: { bytes: (count) => random.bytes(count) },
    pause: () => {},
    sleep: () => Promise.resolve(),
    version: 'golden',
  };
}

/** Writes the store into the empty directory `dir`. */
export function makeGoldenLog(dir: string): void {
  const environment = goldenEnvironment();
  for (let life = 0; life <= CRASHES; life++) {
    const writer = StoreWriter.open(dir, { ...environment, segmentBytes: MIB });
    const [samples, events] = beginRuns(writer);
    commitSamples(writer, samples, 100 * life, life > 0);
    writer.appendEvents(events, [text(`life ${life}`), text(''), new Uint8Array([0xff, life])]);
    if (life < CRASHES) tearTail(dir, writer);
    else finish(writer, samples, events);
  }
}

function beginRuns(writer: StoreWriter): [OpenedRun, OpenedRun] {
  const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1000n };
  const none = { t0Nanos: 0n, periodNanos: 0n, resolutionNanos: 1n };
  const [samples, events] = writer.beginRuns([
    {
      ...{ stream: 'golden/samples', writer: 'source', schema: SAMPLES, samplesPerEvent: 8 },
      ...schedule,
      attributes: [['Interface', 'eth0']],
    },
    {
      ...{ stream: 'golden/events', writer: 'program', schema: OPAQUE_SCHEMA },
      ...{ samplesPerEvent: 1, ...none, attributes: [] },
    },
  ]);
  return [samples!, events!];
}

/** 20 rows, with 3 ticks late behind the 6th, and 2 rows in which the device did not answer. */
function commitSamples(
  writer: StoreWriter,
  opened: OpenedRun,
  firstTick: number,
  crashed: boolean,
): void {
  const { run, stream } = opened;
  const builder = writer.group();
  const { nextSeq, ordinal } = run;
  const cursor = { run: run.id, nextSeq, nextOffset: stream.nextOffset, ordinal };
  if (crashed) {
    const first = { tick: firstTick, utcNanos: 0n, boottimeNanos: 0n };
    const at = { seq: cursor.nextSeq++, offset: cursor.nextOffset++ };
    builder.add(KIND.gap, stream.id, encodeGap(gapBefore(opened, first, at)!));
  }
  const rows = Array.from({ length: 20 }, (_, i) => i);
  const ticks = rows.map((row) => firstTick + row + (row < 6 ? 0 : 3));
  const [times, batch] = encodeSamples({
    ...{ t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1000n, firstTick },
    utcOffsetNanos: UTC_OFFSET_NANOS,
    timesNanos: BigInt64Array.from(ticks, (tick) => BigInt(tick) * PERIOD_NANOS + 41_234n),
    gaps: [{ rowsBefore: 6, reason: 'late', ticks: 3, nanos: 0n }],
    sources: [
      {
        channels: CHANNELS,
        columns: [
          BigUint64Array.from(ticks, (tick) => 2n ** 63n + BigInt(tick * tick)),
          Float64Array.from(ticks, (tick) => (tick % 7) - 3),
          Float64Array.from(ticks, (tick) => 293.15 + tick / 100),
        ],
        valid: rows.map((row) => row !== 11 && row !== 12),
        cursor,
      },
    ],
  });
  builder.add(KIND.times, 0, times!);
  builder.add(KIND.batch, stream.id, batch!);
  writer.commit(builder);
}

/** The crash of a life: half of a group more is on the disk, which nobody was told of. */
function tearTail(dir: string, writer: StoreWriter): void {
  const end = writer.durableEnd;
  writer.abandon();
  const fd = openSync(segmentFile(dir, segmentOf(end)), 'r+');
  const group = new Uint8Array(4096);
  readSync(fd, group, 0, group.length, offsetOf(end) - group.length);
  writeSync(fd, group, 0, 512, offsetOf(end));
  closeSync(fd);
}

/** On into the second segment, and a clean stop. */
function finish(writer: StoreWriter, samples: OpenedRun, events: OpenedRun): void {
  for (let i = 0; i < FILLINGS; i++) {
    writer.appendEvents(events, [text(`filling ${i}`)]);
  }
  commitSamples(writer, samples, 100 * CRASHES + 23, false);
  const builder = writer.group();
  writer.addRunEnd(builder, samples.run, 'stopped');
  writer.addRunEnd(builder, events.run, 'stopped');
  writer.commit(builder);
  writer.close();
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
