/**
 * Rows 7 and 8, in the log: bytes per sample of the accelerometer capture, lossless. The samples go
 * the way all samples go, through a ring, the native encoder and the log of a real store, and are
 * read back and compared one by one. Counted is what `stream info` counts: entries with batch
 * header and ledger, their share of the group's header; padding to whole blocks is reported apart.
 *
 * Batches of 1000 samples, and of 160 (100 ms of this device). The references get the same samples:
 *   zstd -1       the raw columns (int64 time, int8 x, y, z) in pieces of 1000 samples, what is
 *                 durable at once, as with us; in longer ones it would find the excerpt repeated
 *   lz4           the same columns and pieces
 *   JSON events   what a consumer of this stream is given: the reference collector stores the same
 */
import { join } from 'node:path';
import lz4Napi from 'lz4-napi';
import { HelicorderError } from '../engine/base/errors.ts';
import { SAMPLES_PER_EVENT_DEFAULT, SEGMENT_MIN_BYTES } from '../engine/base/constants.ts';
import { EventRepacker } from '../engine/batch/event.ts';
import { eventJson } from '../engine/batch/json.ts';
import type { Channel } from '../engine/batch/schema.ts';
import { Collector } from '../engine/collector/collector.ts';
import { RingProducer } from '../engine/ring/ring.ts';
import { createRing, rowLayout } from '../engine/ring/layout.ts';
import { Store, systemEnvironment } from '../engine/store/store.ts';
import type { SamplesItem } from '../engine/store/read/stream-item.ts';
import {
  CAPTURE_PERIOD_NANOS,
  CAPTURE_SAMPLES,
  boundsOfCapture,
  loadCapture,
  type Capture,
} from './capture.ts';
import { findProgram, readBytesIfThere, writeFile } from './files.ts';
import type { Arm, Experiment, Metrics, RowSpec } from './harness.ts';
import { runProgram } from './process.ts';

export const CAPTURE_STREAM = 'bench/lng2dm';
const RING_BYTES = 2 ** 20;
/** 15.6 mg per count, in m/s²: what the device's sysfs says. */
const SCALE = 0.152983;
/** Ticks begin here: a machine that has been up for an hour. */
const T0_NANOS = 3_600_000_000_000n;
const PIECE_SAMPLES = 1000;
const ZSTD_TIMEOUT_MS = 20_000;

const CHANNELS: readonly Channel[] = ['X', 'Y', 'Z'].map((name) => ({
  ...{ name, type: 'i8', unit: 'm/s²', scale: SCALE, offset: 0 },
}));

/** Puts the samples into a store, a flush after every `samplesPerBatch` of them. */
export function store(capture: Capture, dir: string, samplesPerBatch: number): void {
  const layout = rowLayout([{ channels: CHANNELS }]);
  const ring = createRing(RING_BYTES);
  const { rowBytes, validityOffset } = layout;
  const periodNanos = BigInt(CAPTURE_PERIOD_NANOS);
  const source = {
    name: 'lng2dm',
    stream: CAPTURE_STREAM,
    schema: { kind: 'samples' as const, channels: [...CHANNELS] },
    samplesPerEvent: SAMPLES_PER_EVENT_DEFAULT,
    writer: 'lng2dm',
    attributes: [],
    channels: layout.sources[0]!.channels,
  };
  const schedule = { t0Nanos: T0_NANOS, periodNanos, resolutionNanos: 1n };
  const group = { ring, rowBytes, validityOffset, ...schedule, sources: [source] };
  const options = { dataDir: dir, segmentBytes: SEGMENT_MIN_BYTES, groups: [group] };
  const collector = new Collector(options, systemEnvironment);
  const producer = new RingProducer(ring);
  const [x, y, z] = layout.sources[0]!.channels.map((channel) => channel.rowOffset);
  for (let i = 0; i < capture.timeNanos.length; i++) {
    const timeNanos = T0_NANOS + capture.timeNanos[i]! - capture.timeNanos[0]!;
    const row = producer.claimRow(i, timeNanos, rowBytes);
    producer.view.setUint8(row + validityOffset, 1);
    producer.view.setInt8(row + x!, capture.x[i]!);
    producer.view.setInt8(row + y!, capture.y[i]!);
    producer.view.setInt8(row + z!, capture.z[i]!);
    producer.commit();
    if ((i + 1) % samplesPerBatch === 0) collector.flush();
  }
  collector.close();
}

/** Reads the store back. @throws HelicorderError unless every value and time is what went in */
async function readBack(capture: Capture, dir: string): Promise<SamplesItem[]> {
  const reader = Store.open(dir);
  const items: SamplesItem[] = [];
  let at = 0;
  for await (const item of reader.read(CAPTURE_STREAM)) {
    if (item.kind !== 'samples') throw new HelicorderError('ASSERTION', `a ${item.kind} came back`);
    const { timeNanos, columns, samples } = item.batch;
    const origin = (items[0]?.batch ?? item.batch).timeNanos[0]! - capture.timeNanos[0]!;
    for (let i = 0; i < samples; i++, at++) {
      const same =
        timeNanos[i] === capture.timeNanos[at]! + origin &&
        [capture.x, capture.y, capture.z].every((axis, c) => columns[c]![i] === axis[at]);
      if (!same) throw new HelicorderError('ASSERTION', `sample ${at} came back as another one`);
    }
    items.push(item);
  }
  reader.close();
  if (at === capture.timeNanos.length) return items;
  throw new HelicorderError('ASSERTION', `${at} of ${capture.timeNanos.length} samples came back`);
}

function logArm(samplesPerBatch: number): Arm {
  return {
    name: `log, batches of ${samplesPerBatch}`,
    measure: async ({ dir }) => {
      const capture = loadCapture();
      store(capture, dir, samplesPerBatch);
      await readBack(capture, dir);
      const reader = Store.open(dir);
      const { samples, bytes, paddingBytes } = reader.stream(CAPTURE_STREAM).totals;
      reader.close();
      return { bytesPerSample: bytes / samples, paddingPerSample: paddingBytes / samples };
    },
  };
}

export const zstd: Arm = {
  name: 'zstd -1 on raw columns',
  missing: () =>
    findProgram('zstd') === undefined
      ? 'zstd is not installed (Debian: apt-get install zstd)'
      : undefined,
  measure: async ({ dir }) => {
    return { bytesPerSample: (await zstdBytes(dir, loadCapture())) / CAPTURE_SAMPLES };
  },
};

const lz4: Arm = {
  name: 'lz4 on raw columns',
  measure: async () => {
    let sum = 0;
    for (const piece of rawPieces(loadCapture())) sum += lz4Napi.compressSync(piece).length;
    return { bytesPerSample: sum / CAPTURE_SAMPLES };
  },
};

/** The columns as they are in memory, one after the other, a piece of samples at a time. */
function rawPieces(capture: Capture): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < CAPTURE_SAMPLES; at += PIECE_SAMPLES) {
    const end = at + PIECE_SAMPLES;
    const time = new Uint8Array(capture.timeNanos.slice(at, end).buffer);
    const axes = [capture.x, capture.y, capture.z].map((axis) => axis.slice(at, end));
    pieces.push(Buffer.concat([time, ...axes.map((axis) => new Uint8Array(axis.buffer))]));
  }
  return pieces;
}

async function zstdBytes(dir: string, capture: Capture): Promise<number> {
  let sum = 0;
  for (const piece of rawPieces(capture)) {
    const [raw, packed] = [join(dir, 'columns'), join(dir, 'columns.zst')];
    writeFile(raw, piece);
    const args = ['-1', '--quiet', '--force', '--no-check', raw, '-o', packed];
    await runProgram('zstd', args, { timeoutMs: ZSTD_TIMEOUT_MS });
    sum += readBytesIfThere(packed)!.length;
  }
  return sum;
}

export const json: Arm = {
  name: 'JSON events of 1000 samples',
  measure: async ({ dir }): Promise<Metrics> => {
    const capture = loadCapture();
    store(capture, dir, SAMPLES_PER_EVENT_DEFAULT);
    const repacker = new EventRepacker(SAMPLES_PER_EVENT_DEFAULT);
    const attributes = [['RemoteAddr', 'ubuntu']] as const;
    let bytes = 0;
    for (const { batch } of await readBack(capture, dir)) {
      for (const event of repacker.push(batch)) {
        bytes += Buffer.byteLength(eventJson(event, CHANNELS, { attributes }));
      }
    }
    return { bytesPerSample: bytes / CAPTURE_SAMPLES };
  },
};

const thousand = logArm(1000);
const tenth = logArm(160);
const origin = loadCapture().origin;
const PANEL = 'bytes per sample in the log';
const common = {
  unit: 'B',
  better: 'lower',
  gate: null,
  stretch: null,
  steady: true,
  subject: thousand.name,
  value: (metrics: Metrics) => metrics.bytesPerSample!,
} as const;

function against(id: string, arm: Arm): RowSpec {
  return {
    ...common,
    ...{ id: `8-log-${id}`, name: `bytes per sample in the log, to ${arm.name}` },
    figure: { panel: PANEL, at: arm.name },
    reference: { arm: arm.name, value: (metrics) => metrics.bytesPerSample! },
  };
}

export const bytes: Experiment = {
  name: 'bytes',
  rounds: 1,
  arms: [thousand, tenth, zstd, lz4, json],
  rows: [
    {
      ...common,
      id: '7-log',
      name: `bytes per sample in the log, ${origin}`,
      figure: { panel: PANEL, at: 'batches of 1000' },
      ...boundsOfCapture(3, 2.6),
    },
    {
      ...common,
      ...{ id: '7-log-160', name: 'the same, batches of 160 (100 ms)', subject: tenth.name },
      figure: { panel: PANEL, at: 'batches of 160' },
    },
    {
      ...common,
      ...{ id: '7-padding', name: 'padding, batches of 1000' },
      figure: { panel: PANEL, at: 'padding, batches of 1000' },
      value: (metrics) => metrics.paddingPerSample!,
    },
    against('zstd', zstd),
    against('lz4', lz4),
    against('json', json),
  ],
};
