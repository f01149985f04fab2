/** Streams of records for tests, cut into pieces wherever a test wants them cut. */
import { assert } from '../../engine/base/assert.ts';
import { decodeBatch, decodeTimes, encodeEvents, encodeGap } from '../../engine/batch/format.ts';
import type { GroupGap, Reason } from '../../engine/batch/ledger.ts';
import { packEvents, unpackEvents } from '../../engine/batch/opaque.ts';
import { decodeSamples, encodeSamples } from '../../engine/batch/samples.ts';
import { OPAQUE_SCHEMA, type Channel, type Schema } from '../../engine/batch/schema.ts';
import type { Origin, Piece } from '../../engine/txn/piece.ts';
import type { SeededRandom } from './random.ts';

/** A record as it is meant, before it is encoded in any way. */
export type Meant =
  | { type: 'sample'; tick: number; lateness: bigint; values: (number | bigint)[] }
  | { type: 'gap'; reason: Reason; tick: number; ticks: number; nanos: bigint }
  /** a sample or an event that a copy has left out */
  | { type: 'filtered'; tick: number }
  | { type: 'event'; bytes: Uint8Array; utcNanos: bigint }
  /** `samples`: how many of them were samples of the run, for the ordinals behind */
  | { type: 'lost'; reason: Reason; records: number; samples?: number };

const CHANNELS: Channel[] = [
  { name: 'Wide', type: 'u64', unit: '', scale: 1, offset: 0 },
  { name: 'Signed', type: 'i64', unit: '', scale: 1, offset: 0 },
  { name: 'X', type: 'i16', unit: 'g', scale: 0.001, offset: 0 },
  { name: 'Level', type: 'f64', unit: 'm', scale: 1, offset: 0 },
  { name: 'Small', type: 'f32', unit: 'V', scale: 1, offset: 0 },
];
const SAMPLES: Schema = { kind: 'samples', channels: CHANNELS };
const UTC_OFFSET_NANOS = 1_600_000_000_000_000_123n;

export function testOrigin(kind: 'samples' | 'opaque', epoch = 1): Origin {
  return {
    run: epoch,
    writer: 'bench ✓',
    epoch: epoch * 2 ** 20,
    firstSeq: 1,
    schema: kind === 'samples' ? SAMPLES : OPAQUE_SCHEMA,
    bootId: '0f1e2d3c-0000-4000-8000-0123456789ab',
    t0Nanos: 500n,
    periodNanos: kind === 'samples' ? 1_000_000n : 0n,
    resolutionNanos: epoch % 2 === 1 ? 1n : 1000n,
    clock: { monotonicNanos: 7n, boottimeNanos: 9n, utcNanos: UTC_OFFSET_NANOS },
    kernelClock: { synchronized: true, maxErrorMicros: 16 },
    attributes: [['RemoteAddr', 'ubuntu']],
  };
}

function anyValues(random: SeededRandom): (number | bigint)[] {
  const wide = BigInt(random.below(2 ** 31)) * BigInt(random.below(2 ** 31)) * 9n;
  const level = [0, -0, Infinity, 1 / 3, random.next() * 1e6][random.below(5)]!;
  return [
    BigInt.asUintN(64, wide - 5n),
    -wide,
    random.below(65_536) - 32_768,
    level,
    Math.fround(random.next()),
  ];
}

/** `count` records of one run: samples with gaps among them, or events; lost ones in both. */
export function meantRecords(random: SeededRandom, count: number, origin: Origin): Meant[] {
  const records: Meant[] = [];
  let tick = random.below(1000);
  for (let i = 0; i < count; i++) {
    const dice = random.below(20);
    const isFiltered = dice === 3 || (records.at(-1)?.type === 'filtered' && dice > 10);
    if (isFiltered) {
      records.push({ type: 'filtered', tick });
      if (origin.schema.kind === 'samples') tick++;
    } else if (dice === 0) {
      records.push({ type: 'lost', reason: 'corrupt', records: 1 + random.below(30) });
    } else if (origin.schema.kind === 'opaque') {
      const utcNanos = 1_700_000_000_000_000_000n + BigInt(i >> 3);
      records.push({ type: 'event', bytes: random.bytes(random.below(40)), utcNanos });
    } else if (dice <= 2) {
      const reason = dice === 1 ? 'late' : (['device', 'suspended'] as const)[random.below(2)]!;
      const ticks = 1 + random.below(3);
      records.push({ type: 'gap', reason, tick, ticks, nanos: reason === 'suspended' ? 77n : 0n });
      tick += ticks;
    } else {
      const lateness = BigInt(random.below(2_000_000)) * origin.resolutionNanos;
      records.push({ type: 'sample', tick, lateness, values: anyValues(random) });
      tick++;
    }
  }
  return records;
}

export function seqsOf(record: Meant): number {
  return record.type === 'lost' ? record.records : 1;
}

export function samplesIn(record: Meant): number {
  if (record.type === 'lost') return record.samples ?? 0;
  return record.type === 'sample' || record.type === 'filtered' ? 1 : 0;
}

/** Where in a copy and in their origin the records of one piece begin. */
export interface Place {
  origin: Origin;
  originSeq: number;
  lo: number;
  /** samples of the run before it */
  ordinal: number;
}

/** @param records of one kind, as `runsOfOneKind` gives them: they become one entry */
export function pieceOf(records: readonly Meant[], place: Place): Piece {
  const { origin, originSeq, lo } = place;
  const seqs = records.reduce((sum, record) => sum + seqsOf(record), 0);
  const base = { origin, originSeq, lo, seqs };
  const identity = { run: 99, firstSeq: originSeq, firstOffset: 5000 + lo };
  const [first] = records;
  assert(first !== undefined, 'a piece holds records');
  const isOpaque = origin.schema.kind === 'opaque';
  if (first.type === 'lost' || (isOpaque && first.type === 'filtered')) {
    const reason = first.type === 'lost' ? first.reason : 'filtered';
    const gap = { ...identity, reason, records: seqs, ticks: undefined, bounds: undefined };
    return { ...base, bytes: encodeGap(gap).length, content: { kind: 'gap', gap } };
  }
  if (first.type === 'event') {
    const events = records.map((record) => (record as Meant & { type: 'event' }).bytes);
    const entry = packEvents(events, { ...identity, utcNanos: first.utcNanos });
    return {
      ...base,
      bytes: encodeEvents(entry).length,
      content: { kind: 'events', events: entry },
    };
  }
  return batchPiece(records, place, base);
}

function batchPiece(
  records: readonly Meant[],
  { origin, originSeq, lo, ordinal }: Place,
  base: Omit<Piece, 'bytes' | 'content'>,
): Piece {
  const timesNanos: bigint[] = [];
  const valid: boolean[] = [];
  const gaps: GroupGap[] = [];
  const rows: (number | bigint)[][] = [];
  const addRow = (tick: number, lateness: bigint, values?: (number | bigint)[]): void => {
    timesNanos.push(origin.t0Nanos + BigInt(tick) * origin.periodNanos + lateness);
    valid.push(values !== undefined);
    rows.push(values ?? [0n, 0n, 0, 0, 0]);
  };
  for (const record of records) {
    if (record.type === 'sample') addRow(record.tick, record.lateness, record.values);
    else if (record.type === 'filtered') addFiltered(gaps, rows.length, record.tick);
    else if (record.type !== 'gap') throw new Error(`${record.type} in a batch`);
    else if (record.reason !== 'device') gaps.push({ ...record, rowsBefore: rows.length });
    else for (let i = 0; i < record.ticks; i++) addRow(record.tick + i, 0n);
  }
  const column = (index: number): unknown[] => rows.map((row) => row[index]);
  const columns = [
    BigUint64Array.from(column(0) as bigint[]),
    BigInt64Array.from(column(1) as bigint[]),
    ...[2, 3, 4].map((index) => Float64Array.from(column(index) as number[])),
  ];
  const cursor = { run: 99, nextSeq: originSeq, nextOffset: 5000 + lo, ordinal };
  const [times, batch] = encodeSamples({
    ...{ t0Nanos: origin.t0Nanos, periodNanos: origin.periodNanos },
    ...{ resolutionNanos: origin.resolutionNanos, utcOffsetNanos: UTC_OFFSET_NANOS },
    firstTick: (records[0] as { tick: number }).tick,
    timesNanos: BigInt64Array.from(timesNanos),
    gaps,
    sources: [{ channels: CHANNELS, columns, valid, cursor }],
  });
  const content = {
    kind: 'batch',
    times: decodeTimes(times!),
    batch: decodeBatch(batch!),
  } as const;
  return { ...base, bytes: times!.length + batch!.length, content };
}

/** Some of one run, as one gap; the times entry says their ticks by those before them. */
function addFiltered(
  gaps: (GroupGap & { end?: number })[],
  rowsBefore: number,
  tick: number,
): void {
  const last = gaps.at(-1);
  if (last?.reason === 'filtered' && last.rowsBefore === rowsBefore && last.end === tick) {
    last.ticks++;
    last.end++;
  } else gaps.push({ rowsBefore, reason: 'filtered', ticks: 1, nanos: 0n, end: tick + 1 });
}

/** May `next` stand in one entry behind `last`? Ranges of failed rows that touch would be one. */
function isJoinable(last: Meant, next: Meant, { schema }: Origin): boolean {
  if (schema.kind === 'opaque' && last.type !== next.type) return false;
  if (last.type === 'lost' || next.type === 'lost') return false;
  if (last.type === 'event') return next.type === 'event' && next.utcNanos === last.utcNanos;
  if (next.type === 'event') return false;
  return !(isDevice(last) && isDevice(next));
}

function isDevice(record: Meant): boolean {
  return record.type === 'gap' && record.reason === 'device';
}

/** All records of one run as pieces. @param isCut is asked before each record but the first */
export function piecesOf(
  records: readonly Meant[],
  origin: Origin,
  isCut: () => boolean,
  from = { originSeq: 1, lo: 1, ordinal: 0 },
): Piece[] {
  const pieces: Piece[] = [];
  let [seqs, ordinal] = [0, from.ordinal];
  let pending: Meant[] = [];
  const emit = (): void => {
    const [originSeq, lo] = [from.originSeq + seqs, from.lo + seqs];
    const piece = pieceOf(pending, { origin, originSeq, lo, ordinal });
    pieces.push(piece);
    seqs += piece.seqs;
    ordinal += pending.reduce((sum, record) => sum + samplesIn(record), 0);
    pending = [];
  };
  for (const record of records) {
    const last = pending.at(-1);
    if (last && (!isJoinable(last, record, origin) || isCut())) emit();
    pending.push(record);
  }
  if (pending.length > 0) emit();
  return pieces;
}

/** Each record of a piece as text, with all that a reader can learn of it. */
export function recordTexts(piece: Piece): string[] {
  const { origin, originSeq, content } = piece;
  const who = `${origin.writer} ${origin.epoch}`;
  if (content.kind === 'gap') {
    const { reason, records } = content.gap;
    if (reason === 'filtered') {
      return Array.from({ length: records }, (_, i) => `${who} ${originSeq + i} filtered`);
    }
    return [`${who} ${originSeq} lost ${reason} ${records}`];
  }
  if (content.kind === 'events') {
    const { utcNanos } = content.events;
    return unpackEvents(content.events).map(
      (event, i) =>
        `${who} ${originSeq + i} event ${utcNanos} ${Buffer.from(event).toString('hex')}`,
    );
  }
  const batch = decodeSamples(content.times, content.batch, origin.schema);
  const texts: string[] = [];
  let ordinal = batch.ordinal;
  for (let i = 0, gap = 0; i < batch.samples || gap < batch.gaps.length;) {
    const seq = `${who} ${originSeq + texts.length}`;
    const next = batch.gaps[gap];
    if (next && next.samplesBefore <= i && next.reason === 'filtered') {
      for (let j = 0; j < next.ticks; j++) {
        const place = `${originSeq + texts.length} filtered ${ordinal++} ${next.firstTick + j}`;
        texts.push(`${who} ${place}`);
      }
      gap++;
      continue;
    }
    if (next && next.samplesBefore <= i) {
      texts.push(`${seq} gap ${next.reason} ${next.firstTick} ${next.ticks} ${next.nanos}`);
      gap++;
      continue;
    }
    const values = batch.columns.map((column) => (Object.is(column[i], -0) ? '-0' : column[i]));
    const times = `${batch.ticks[i]} ${batch.latenessNanos[i]} ${batch.timeNanos[i]}`;
    texts.push(`${seq} sample ${ordinal++} ${times} ${values.join(' ')}`);
    i++;
  }
  return texts;
}
