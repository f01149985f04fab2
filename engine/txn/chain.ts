/**
 * The chain: a running 64-bit checksum over all records of a copy, from its first on. Two sides
 * that agree on (hi, chain) agree on every record up to hi, with a doubt of 1 in 2^64; it protects
 * against faults, not against forgery.
 *
 *   chain of nothing = 0        chain' = mix(chain ^ hash(record))
 *
 * It goes over what a record is (origin, seq, times, raw values, reasons), never over how it is
 * kept: not the cut into batches, the codec, the container, nor numbers that only one store gives.
 * `docs/format-chain.md` has the words of each kind of record, byte for byte; samples are hashed by
 * the addon, `test/support/chain-reference.ts` says the same in TypeScript.
 */
import { assert } from '../base/assert.ts';
import { damaged } from '../base/bytes.ts';
import { EVENTS_MAX } from '../batch/format.ts';
import { REASONS, gapRecords, type Reason, type SampleGap } from '../batch/ledger.ts';
import { unpackEvents } from '../batch/opaque.ts';
import { decodeRaw } from '../batch/samples.ts';
import { isFloat, isWide, schemaId, type Schema } from '../batch/schema.ts';
import { CHAIN_STRETCH, CHAIN_WORDS, native } from '../../native/index.ts';
import type { EventsEntry, GapEntry, TimesEntry } from '../batch/format.ts';
import type { Origin, Piece } from './piece.ts';

/** What is added to an origin's digest to make the first word of a record. */
export const RECORD_KIND = { sample: 1n, event: 2n, gap: 3n, filtered: 4n } as const;
const GAP_FLAG = { ticks: 1n, bounds: 2n } as const;

/** Lateness of samples that are left out, as many as there can be in one gap. */
const ZEROS = new BigInt64Array(EVENTS_MAX);
const NO_WORDS = new Uint8Array();

/** Numbers of the first of some records that follow each other. */
interface Place {
  seq: number;
  ordinal: number;
  tick: number;
}

const GOLDEN = 0x9e3779b97f4a7c15n;

/** The finalizer of MurmurHash3 (Appleby), a bijection. @param word unsigned, 64 bits */
export function mix(word: bigint): bigint {
  let x = word ^ (word >> 33n);
  x = BigInt.asUintN(64, x * 0xff51afd7ed558ccdn);
  x ^= x >> 33n;
  x = BigInt.asUintN(64, x * 0xc4ceb9fe1a85ec53n);
  return x ^ (x >> 33n);
}

/** Two words that change places change the sum: each place has a key of its own. */
function keyOf(index: number): bigint {
  return mix(BigInt.asUintN(64, BigInt(index + 1) * GOLDEN));
}

/** Keys of the words that gaps and events have. */
const KEYS = Array.from({ length: 10 }, (_, index) => keyOf(index));

/** @param words of one record; each is taken modulo 2^64 */
export function hashOf(words: readonly bigint[]): bigint {
  let hash = 0n;
  words.forEach((word, index) => {
    hash += mix(BigInt.asUintN(64, word) ^ (KEYS[index] ?? keyOf(index)));
  });
  return BigInt.asUintN(64, hash);
}

/** The text whose digest stands for an origin. */
export function canonicalOrigin(origin: Origin): string {
  const { writer, epoch, firstSeq, schema, bootId, t0Nanos, clock, kernelClock } = origin;
  return JSON.stringify({
    writer,
    epoch: String(epoch),
    firstSeq: String(firstSeq),
    schemaId: schemaId(schema),
    bootId,
    t0: String(t0Nanos),
    period: String(origin.periodNanos),
    resolution: String(origin.resolutionNanos),
    clock: [clock.monotonicNanos, clock.boottimeNanos, clock.utcNanos].map(String),
    kernelClock: [kernelClock.synchronized, String(kernelClock.maxErrorMicros)],
    attributes: origin.attributes,
  });
}

export function originDigest(origin: Origin): bigint {
  return native.chainDigest(new TextEncoder().encode(canonicalOrigin(origin)));
}

/** What all gaps have in common: those inside a batch, and those that stand alone. */
export interface GapFacts {
  reason: Reason;
  records: number;
  ticks: { first: number; count: number } | undefined;
  bounds: { minNanos: bigint; maxNanos: bigint } | undefined;
  nanos: bigint;
}

export function gapHash(digest: bigint, seq: number, gap: GapFacts): bigint {
  const { ticks, bounds } = gap;
  const flags = (ticks ? GAP_FLAG.ticks : 0n) | (bounds ? GAP_FLAG.bounds : 0n);
  return hashOf([
    digest + RECORD_KIND.gap,
    BigInt(seq),
    BigInt(gap.records),
    BigInt(REASONS[gap.reason]),
    flags,
    BigInt(ticks?.first ?? 0),
    BigInt(ticks?.count ?? 0),
    bounds?.minNanos ?? 0n,
    bounds?.maxNanos ?? 0n,
    gap.nanos,
  ]);
}

export function gapInBatch({ reason, firstTick, ticks, nanos }: SampleGap): GapFacts {
  return {
    reason,
    records: 1,
    ticks: { first: firstTick, count: ticks },
    bounds: undefined,
    nanos,
  };
}

export function gapAlone({ reason, records, ticks, bounds }: GapEntry): GapFacts {
  return { reason, records, ticks, bounds, nanos: 0n };
}

export class Chain {
  readonly #state = new BigUint64Array(1);
  readonly #stretch = new BigInt64Array(CHAIN_STRETCH.length);
  readonly #digests = new WeakMap<Origin, bigint>();

  /** @param value of the records before: 0n to begin */
  constructor(value = 0n) {
    this.#state[0] = value;
  }

  get value(): bigint {
    return this.#state[0]!;
  }

  /** Goes on from another value; origins are remembered. */
  reset(value: bigint): void {
    this.#state[0] = value;
  }

  /**
   * Carries the chain over a piece's records.
   * @throws HelicorderError DAMAGED if its entries do not decode; the value is then of no use
   */
  add(piece: Piece): void {
    const digest = this.#digestOf(piece.origin);
    const { content } = piece;
    switch (content.kind) {
      case 'batch':
        return this.#addBatch(piece, digest);
      case 'events':
        return this.#addEvents(content.events, piece.originSeq, digest);
      case 'gap':
        return this.#addGap(piece, digest);
    }
  }

  #addBatch({ origin, originSeq, content }: Piece, digest: bigint): void {
    assert(content.kind === 'batch', 'a batch');
    const { times, batch } = content;
    const { residuals, columns, samples, gaps } = decodeRaw(times, batch, origin.schema);
    const words = columnWords(origin.schema);
    let [from, seq, ordinal, tick] = [0, originSeq, batch.ordinal, times.firstTick];
    const addSamples = (to: number): void => {
      const count = to - from;
      if (count === 0) return;
      this.#setStretch(digest, times, { seq, ordinal, tick });
      native.chainSamples(this.#state, this.#stretch, residuals, columns, words, from, count);
      [from, seq, ordinal] = [to, seq + count, ordinal + count];
    };
    for (const gap of gaps) {
      addSamples(gap.samplesBefore);
      if (gap.reason === 'filtered') {
        this.#addFiltered(digest, { seq, ordinal, tick: gap.firstTick }, gap.ticks);
        ordinal += gap.ticks;
      } else this.#fold(gapHash(digest, seq, gapInBatch(gap)));
      seq += gapRecords(gap);
      tick = gap.firstTick + gap.ticks;
    }
    addSamples(samples);
  }

  #addGap({ origin, originSeq, content }: Piece, digest: bigint): void {
    assert(content.kind === 'gap', 'a gap');
    const { gap } = content;
    if (gap.reason !== 'filtered') return this.#fold(gapHash(digest, originSeq, gapAlone(gap)));
    if (origin.schema.kind !== 'opaque')
      throw damaged('a gap(filtered) of samples without a batch');
    this.#addFiltered(digest, { seq: originSeq, ordinal: originSeq, tick: originSeq }, gap.records);
  }

  /** Each as a record of its own: nobody knows how they will be cut. */
  #addFiltered(digest: bigint, { seq, ordinal, tick }: Place, count: number): void {
    const stretch = this.#stretch.fill(0n);
    stretch[CHAIN_STRETCH.head] = digest + RECORD_KIND.filtered;
    stretch[CHAIN_STRETCH.seq] = BigInt(seq);
    stretch[CHAIN_STRETCH.ordinal] = BigInt(ordinal);
    stretch[CHAIN_STRETCH.tick] = BigInt(tick);
    stretch[CHAIN_STRETCH.resolutionNanos] = 1n;
    if (ZEROS.length < count) throw damaged(`a gap(filtered) of ${count} records`);
    native.chainSamples(this.#state, stretch, ZEROS, [], NO_WORDS, 0, count);
  }

  #setStretch(digest: bigint, times: TimesEntry, { seq, ordinal, tick }: Place): void {
    const { t0Nanos, utcOffsetNanos, periodNanos, resolutionNanos } = times;
    const stretch = this.#stretch;
    stretch[CHAIN_STRETCH.head] = digest + RECORD_KIND.sample;
    stretch[CHAIN_STRETCH.seq] = BigInt(seq);
    stretch[CHAIN_STRETCH.ordinal] = BigInt(ordinal);
    stretch[CHAIN_STRETCH.tick] = BigInt(tick);
    stretch[CHAIN_STRETCH.dueUtcNanos] = t0Nanos + utcOffsetNanos + BigInt(tick) * periodNanos;
    stretch[CHAIN_STRETCH.periodNanos] = periodNanos;
    stretch[CHAIN_STRETCH.resolutionNanos] = resolutionNanos;
  }

  #addEvents(entry: EventsEntry, originSeq: number, digest: bigint): void {
    unpackEvents(entry).forEach((event, index) => {
      const seq = BigInt(originSeq + index);
      const content = [entry.utcNanos, BigInt(event.length), native.chainDigest(event)];
      this.#fold(hashOf([digest + RECORD_KIND.event, seq, ...content]));
    });
  }

  #fold(hash: bigint): void {
    this.#state[0] = mix(this.value ^ hash);
  }

  #digestOf(origin: Origin): bigint {
    const known = this.#digests.get(origin);
    if (known !== undefined) return known;
    const digest = originDigest(origin);
    this.#digests.set(origin, digest);
    return digest;
  }
}

function columnWords(schema: Schema): Uint8Array {
  if (schema.kind === 'opaque') return new Uint8Array();
  return Uint8Array.from(schema.channels, ({ type }) => {
    if (isWide(type)) return CHAIN_WORDS.is64Bit;
    return isFloat(type) ? CHAIN_WORDS.doubles : CHAIN_WORDS.integers;
  });
}
