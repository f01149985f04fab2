/**
 * The samples that rows 7 and 8 are about: a capture of an lng2dm accelerometer through Linux IIO,
 * records of 16 bytes (int8 x, y, z, 5 bytes of padding, int64 UTC ns, little-endian), repeated
 * until there are 16,000. Where the capture is not there: a synthetic signal with its statistics,
 * and the row's name says so.
 */
import { join } from 'node:path';
import { ROOT, readBytesIfThere } from './files.ts';

export const CAPTURE_SAMPLES = 16_000;
/** nominal 1600 Hz */
export const CAPTURE_PERIOD_NANOS = 625_000;
const RECORD_BYTES = 16;
const CAPTURE_FILE = 'lng2dm/dev/iio_device3_1600_samples';

export interface Capture {
  origin: 'capture' | 'synthetic';
  timeNanos: BigInt64Array;
  /** raw values of the axes */
  x: Int8Array;
  y: Int8Array;
  z: Int8Array;
}

/** @param dataDir default: HELICORDER_DATA, else `../shared/data` beside the package */
export function loadCapture(dataDir = process.env.HELICORDER_DATA): Capture {
  const dir = dataDir ?? join(ROOT, '..', 'shared', 'data');
  const bytes = readBytesIfThere(join(dir, CAPTURE_FILE));
  const capture = bytes === undefined ? synthesize(CAPTURE_SAMPLES) : parseRecords(bytes);
  return repeat(capture, CAPTURE_SAMPLES);
}

/** The gates of rows 7 and 8 are about the capture: what stands in for it is only measured. */
export function boundsOfCapture(gate: number, stretch: number): Bounds {
  return loadCapture().origin === 'capture' ? { gate, stretch } : { gate: null, stretch: null };
}

interface Bounds {
  gate: number | null;
  stretch: number | null;
}

export function parseRecords(bytes: Uint8Array): Capture {
  const count = Math.floor(bytes.length / RECORD_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const capture = emptyCapture('capture', count);
  for (let i = 0; i < count; i++) {
    const at = i * RECORD_BYTES;
    capture.x[i] = view.getInt8(at);
    capture.y[i] = view.getInt8(at + 1);
    capture.z[i] = view.getInt8(at + 2);
    capture.timeNanos[i] = view.getBigInt64(at + 8, true);
  }
  return capture;
}

/** One after the other until there are `count`; the times go on as if it had been one capture. */
export function repeat(capture: Capture, count: number): Capture {
  const { timeNanos, x, y, z } = capture;
  const length = timeNanos.length;
  const lasts = timeNanos[length - 1]! - timeNanos[0]! + BigInt(CAPTURE_PERIOD_NANOS);
  const repeated = emptyCapture(capture.origin, count);
  for (let i = 0; i < count; i++) {
    const from = i % length;
    repeated.timeNanos[i] = timeNanos[from]! + BigInt(Math.floor(i / length)) * lasts;
    repeated.x[i] = x[from]!;
    repeated.y[i] = y[from]!;
    repeated.z[i] = z[from]!;
  }
  return repeated;
}

/**
 * The statistics of the capture: x and y −2…3, z 61…67, Δt 625 µs ± 5 µs within a burst, between
 * bursts a jump of 0.5–1.7 ms. From a generator with a fixed seed (Lehmer, 48271 mod 2^31 − 1).
 */
export function synthesize(count: number): Capture {
  const capture = emptyCapture('synthetic', count);
  let state = 20_201_230;
  const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  /** sum of 12 uniform numbers: mean 0, deviation 1 */
  const normal = (): number => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b, -6);
  const clipped = (mean: number, low: number, high: number): number =>
    Math.round(Math.min(high, Math.max(low, mean + normal())));
  let time = 1_600_000_000_000_000_000n;
  for (let i = 0; i < count; i++) {
    const jump = i % 320 === 319 ? 500_000 + 1_200_000 * uniform() - CAPTURE_PERIOD_NANOS : 0;
    time += BigInt(Math.round(CAPTURE_PERIOD_NANOS + 5000 * normal() + jump));
    capture.timeNanos[i] = time;
    capture.x[i] = clipped(0.5, -2, 3);
    capture.y[i] = clipped(0.5, -2, 3);
    capture.z[i] = clipped(64, 61, 67);
  }
  return capture;
}

function emptyCapture(origin: Capture['origin'], count: number): Capture {
  const axis = (): Int8Array => new Int8Array(count);
  return { origin, timeNanos: new BigInt64Array(count), x: axis(), y: axis(), z: axis() };
}
