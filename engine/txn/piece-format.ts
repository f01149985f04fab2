/**
 * Pieces as bytes, for a participant in another process (`docs/format-control.md`, txn-append):
 * their origins, each once, and behind them the pieces, whose entries are those of the log.
 *
 *   varint origins   each: varint length, JSON
 *   varint pieces    each: u8 kind, varint origin, originSeq, lo, seqs, then its entries,
 *                    each: varint length, bytes
 */
import { ByteReader, ByteWriter, damaged } from '../base/bytes.ts';
import { quotedCounter } from '../base/quoted.ts';
import {
  decodeBatch,
  decodeEvents,
  decodeGap,
  decodeTimes,
  encodeBatch,
  encodeEvents,
  encodeGap,
  encodeTimes,
  recordsOf,
  type RecordContent,
} from '../batch/format.ts';
import { canonicalSchema, parseSchema } from '../batch/schema.ts';
import * as z from 'zod';
import type { Origin, Piece } from './piece.ts';

const KIND = { batch: 1, events: 2, gap: 3 } as const;
/** The shortest piece: kind, four numbers, one empty entry. */
const PIECE_MIN_BYTES = 6;

export function encodePieces(pieces: readonly Piece[]): Uint8Array {
  const origins = [...new Set(pieces.map(({ origin }) => origin))];
  const writer = new ByteWriter();
  writer.varint(origins.length);
  for (const origin of origins) putBytes(writer, encodeOrigin(origin));
  writer.varint(pieces.length);
  for (const piece of pieces) {
    const { originSeq, lo, seqs, content } = piece;
    writer.u8(KIND[content.kind]);
    for (const count of [origins.indexOf(piece.origin), originSeq, lo, seqs]) writer.varint(count);
    for (const entry of entriesOf(content)) putBytes(writer, entry);
  }
  return writer.finish();
}

/** @returns pieces whose bytes are views of `bytes`. @throws DAMAGED */
export function decodePieces(bytes: Uint8Array): Piece[] {
  const reader = new ByteReader(bytes, 'pieces');
  const origins: Origin[] = [];
  for (let left = reader.countOfItems(2); left > 0; left--) {
    origins.push(decodeOrigin(reader.take(reader.count())));
  }
  const pieces: Piece[] = [];
  for (let left = reader.countOfItems(PIECE_MIN_BYTES); left > 0; left--) {
    pieces.push(readPiece(reader, origins));
  }
  reader.end();
  return pieces;
}

/** What the numbers of an entry take at most, beside its columns, gaps and ranges. */
const ENTRY_HEAD_BYTES = 128;

/**
 * What the entries of a piece take, at most. Sender and receiver count by this, so that both mean
 * the same by a limit.
 */
export function contentBytes(content: RecordContent): number {
  switch (content.kind) {
    case 'batch': {
      const { times, batch } = content;
      const lists = times.gaps.length * 32 + times.histogram.length * 16 + batch.failed.length * 16;
      const columns = batch.columns.reduce((sum, { bytes }) => sum + bytes.length + 8, 0);
      return 2 * ENTRY_HEAD_BYTES + times.time.bytes.length + lists + columns;
    }
    case 'events':
      return ENTRY_HEAD_BYTES + content.events.lengths.bytes.length + content.events.bytes.length;
    case 'gap':
      return ENTRY_HEAD_BYTES;
  }
}

function readPiece(reader: ByteReader, origins: readonly Origin[]): Piece {
  const kind = reader.u8();
  const origin = origins[reader.count()];
  if (origin === undefined) throw reader.fail('an origin that is not there');
  const [originSeq, lo, seqs] = [reader.count(), reader.count(), reader.count()];
  const content = readContent(reader, kind);
  const bytes = contentBytes(content);
  if (seqs !== seqsOf(content)) throw reader.fail('a piece that does not hold what it says');
  checkKind(origin, content);
  return { origin, originSeq, lo, seqs, bytes, content };
}

function readContent(reader: ByteReader, kind: number): RecordContent {
  const entry = (): Uint8Array => reader.take(reader.count());
  switch (kind) {
    case KIND.batch:
      return { kind: 'batch', times: decodeTimes(entry()), batch: decodeBatch(entry()) };
    case KIND.events:
      return { kind: 'events', events: decodeEvents(entry()) };
    case KIND.gap:
      return { kind: 'gap', gap: decodeGap(entry()) };
    default:
      throw reader.fail(`a piece of kind ${kind}`);
  }
}

function seqsOf(content: RecordContent): number {
  if (content.kind === 'batch') return recordsOf(content.times, content.batch);
  return content.kind === 'events' ? content.events.events : content.gap.records;
}

function checkKind({ schema }: Origin, content: RecordContent): void {
  if (content.kind === 'gap') {
    if (content.gap.reason !== 'filtered' || schema.kind === 'opaque') return;
    throw damaged('pieces: samples that were left out, without their batch');
  }
  const isRight =
    content.kind === 'events'
      ? schema.kind === 'opaque'
      : schema.kind === 'samples' && schema.channels.length === content.batch.columns.length;
  if (!isRight) throw damaged('pieces: a piece that its schema does not fit');
}

function entriesOf(content: RecordContent): Uint8Array[] {
  switch (content.kind) {
    case 'batch':
      return [encodeTimes(content.times), encodeBatch({ ...content.batch, timesDistance: 1 })];
    case 'events':
      return [encodeEvents(content.events)];
    case 'gap':
      return [encodeGap(content.gap)];
  }
}

function putBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.put(bytes);
}

const nanos = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform(BigInt);
const counter = quotedCounter;
const originJson = z.strictObject({
  run: counter,
  writer: z.string().min(1),
  epoch: counter,
  firstSeq: counter,
  schema: z.string(),
  bootId: z.string(),
  t0: nanos,
  period: nanos,
  resolution: nanos,
  clock: z.tuple([nanos, nanos, nanos]),
  kernelClock: z.tuple([z.boolean(), counter]),
  attributes: z.array(z.tuple([z.string(), z.string()])),
});

function encodeOrigin(origin: Origin): Uint8Array {
  const { clock, kernelClock } = origin;
  const json: z.input<typeof originJson> = {
    run: String(origin.run),
    writer: origin.writer,
    epoch: String(origin.epoch),
    firstSeq: String(origin.firstSeq),
    schema: canonicalSchema(origin.schema),
    bootId: origin.bootId,
    t0: String(origin.t0Nanos),
    period: String(origin.periodNanos),
    resolution: String(origin.resolutionNanos),
    clock: [String(clock.monotonicNanos), String(clock.boottimeNanos), String(clock.utcNanos)],
    kernelClock: [kernelClock.synchronized, String(kernelClock.maxErrorMicros)],
    attributes: origin.attributes,
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

function decodeOrigin(bytes: Uint8Array): Origin {
  const { data, error } = originJson.safeParse(parseJson(bytes));
  if (data === undefined) throw damaged(`pieces: an origin that is none: ${error.message}`);
  const [monotonicNanos, boottimeNanos, utcNanos] = data.clock;
  const [synchronized, maxErrorMicros] = data.kernelClock;
  return {
    run: data.run,
    writer: data.writer,
    epoch: data.epoch,
    firstSeq: data.firstSeq,
    schema: parseSchema(data.schema),
    bootId: data.bootId,
    t0Nanos: data.t0,
    periodNanos: data.period,
    resolutionNanos: data.resolution,
    clock: { monotonicNanos, boottimeNanos, utcNanos },
    kernelClock: { synchronized, maxErrorMicros },
    attributes: data.attributes,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
