/**
 * `--micro`: the parts by themselves, by tinybench: ring, codecs, checksum, JSON. In one process,
 * warm, on data that fits the cache: they say what a change of a part did to that part, and nothing
 * about the recorder. No gates: the rows of the table are about what a user has.
 */
import { Bench } from 'tinybench';
import { assert } from '../engine/base/assert.ts';
import { BLOCK_BYTES, MIB, SAMPLES_PER_EVENT_DEFAULT } from '../engine/base/constants.ts';
import { crc32c } from '../engine/base/crc32c.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import type { SampleEvent } from '../engine/batch/event.ts';
import { eventJson } from '../engine/batch/json.ts';
import type { Channel } from '../engine/batch/schema.ts';
import {
  decodeColumn,
  encodeColumn,
  encodeColumnDense,
  type Column,
  type ValueType,
} from '../engine/codecs/codec.ts';
import { createRing } from '../engine/ring/layout.ts';
import { RingConsumer, RingProducer } from '../engine/ring/ring.ts';
import { loadCapture, type Capture } from './capture.ts';
import { isWanted, makeRow, type Plan, type Row, type RowSpec } from './harness.ts';

const RING_BYTES = MIB;
const RING_ROWS = 1000;
const ROW_BYTES = 40;
const TIME_MS = { full: 500, quick: 100 } as const;

/** One part: its work, and how many of `unit` one call does. */
interface Part {
  id: string;
  name: string;
  items: number;
  item: string;
  run: () => unknown;
}

/** Rows of nanoseconds per item, medians over the calls. */
export async function measureParts({
  quick,
  filter,
  say,
}: Pick<Plan, 'quick' | 'filter' | 'say'>): Promise<Row[]> {
  const parts = partsOf(loadCapture()).filter((part) => isWanted(specOf(part), filter));
  if (parts.length === 0) {
    throw new HelicorderError('USAGE', `--filter ${filter}: no part has this in id or name`);
  }
  const bench = new Bench({ time: quick ? TIME_MS.quick : TIME_MS.full });
  for (const { name, run } of parts) bench.add(name, run);
  say(`${parts.length} parts, ${bench.time} ms each …`);
  await bench.run();
  return parts.map((part) => {
    const result = bench.getTask(part.name)?.result;
    assert(result?.state === 'completed', `${part.name} was measured`);
    const nanos = (result.latency.p50 * 1e6) / part.items;
    return makeRow(specOf(part), [new Map([[part.name, { nanos }]])], null);
  });
}

function specOf({ id, name, item }: Part): RowSpec {
  return {
    ...{ id: `micro-${id}`, name: `${name}, per ${item}`, unit: 'ns', better: 'lower' },
    ...{ gate: null, stretch: null, subject: name },
    figure: { panel: `parts by themselves, per ${item}`, at: name },
    value: (metrics) => metrics.nanos!,
  };
}

function partsOf(capture: Capture): Part[] {
  return [
    ringPart(),
    ...columnParts('time', 'lateness of the capture', 'i64', latenessOf(capture)),
    ...columnParts('z', 'z of the capture', 'i8', Float64Array.from(capture.z)),
    crcPart('4k', BLOCK_BYTES),
    crcPart('1m', MIB),
    jsonPart(capture),
  ];
}

/** In TypeScript, the reference of the addon's; rows in, rows out, by one thread. */
function ringPart(): Part {
  const ring = createRing(RING_BYTES);
  const [producer, consumer] = [new RingProducer(ring), new RingConsumer(ring)];
  let tick = 0;
  const run = (): number => {
    for (let i = 0; i < RING_ROWS; i++, tick++) {
      producer.claimRow(tick, BigInt(tick), ROW_BYTES);
      producer.commit();
    }
    let rows = 0;
    for (const record of consumer.records()) if (record.kind === 'row') rows++;
    consumer.release();
    assert(rows === RING_ROWS, 'what went into the ring comes out');
    return rows;
  };
  return { id: 'ring', name: 'ring, written and read', items: RING_ROWS, item: 'row', run };
}

function columnParts(id: string, name: string, type: ValueType, values: Column): Part[] {
  const { length } = values;
  const [log, dense] = [encodeColumn(type, values), encodeColumnDense(type, values)];
  const part = (what: string, words: string, run: () => unknown): Part => {
    return { id: `${what}-${id}`, name: `${name}: ${words}`, items: length, item: 'value', run };
  };
  return [
    part('encode', 'encoding for the log', () => encodeColumn(type, values)),
    part('decode', 'decoding from the log', () => decodeColumn(type, log, length)),
    part('dense-encode', 'encoding for a chunk', () => encodeColumnDense(type, values)),
    part('dense-decode', 'decoding from a chunk', () => decodeColumn(type, dense, length)),
  ];
}

/** As the log's time column has it: time − due. */
function latenessOf({ timeNanos }: Capture): BigInt64Array {
  return timeNanos.map((time, i) => time - timeNanos[0]! - BigInt(i * 625_000));
}

function crcPart(id: string, bytes: number): Part {
  const data = new Uint8Array(bytes).map((_, i) => i * 31);
  const run = (): number => crc32c(data);
  return { id: `crc-${id}`, name: `CRC32C of ${bytes} bytes`, items: bytes, item: 'byte', run };
}

function jsonPart({ timeNanos, x, y, z }: Capture): Part {
  const samples = SAMPLES_PER_EVENT_DEFAULT;
  const channels = ['X', 'Y', 'Z'].map((name): Channel => {
    return { name, type: 'i8', unit: 'm/s²', scale: 0.152983, offset: 0 };
  });
  const event: SampleEvent = {
    ...{ run: 1, ordinal: 0, samples, firstSeq: 1, lastSeq: samples, firstOffset: 0 },
    ...{ lastOffset: samples - 1, ticks: new Float64Array(samples), gaps: [], filtered: 0 },
    timeNanos: timeNanos.slice(0, samples),
    columns: [x, y, z].map((axis) => Float64Array.from(axis.slice(0, samples))),
  };
  return {
    ...{ id: 'json', name: 'an event as JSON', items: samples, item: 'sample' },
    run: () => eventJson(event, channels, { attributes: [] }),
  };
}
