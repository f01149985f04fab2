/**
 * The ring in TypeScript: the producer of the sampler worker, and with the consumer, which only
 * tests and benchmarks need, the reference model of `native/src/ring.h`. See `docs/format-ring.md`.
 *
 *   producer: claimRow(tick, time) → fill → commit;  miss(tick, ticks, reason)
 *   consumer: for (const record of consumer.records()) …;  release()
 *
 * Invariant: from head on there is always room for one gap record of each reason, so that missed
 * ticks can always be written down later. Each class belongs to one thread; head has one writer,
 * tail the other.
 */
import { assert } from '../base/assert.ts';
import { REASONS, reasonOf, type Reason } from '../batch/ledger.ts';
import {
  GAP_BYTES,
  MISS_REASONS,
  PENDING_GAPS_MAX,
  RECORD,
  RING,
  ROW_TICK_AT,
  ROW_TIME_AT,
} from './layout.ts';

/** Beyond so many, gaps are no longer told apart: one for each reason takes what comes. */
const PENDING_APART_MAX = PENDING_GAPS_MAX - MISS_REASONS;

interface PendingGap {
  first: number;
  ticks: number;
  reason: Reason;
  nanos: bigint;
}

function attach(memory: SharedArrayBuffer): { view: DataView; capacity: number } {
  const view = new DataView(memory);
  const capacity = Number(view.getBigUint64(RING.capacityAt, true));
  assert(view.getUint32(0, true) === RING.magic, 'the memory is a ring');
  assert(view.getUint32(4, true) === RING.version, 'the ring has a version we know');
  assert(capacity === memory.byteLength - RING.dataAt, 'the ring has all of its data');
  return { view, capacity };
}

export class RingProducer {
  /** over the whole memory: what a claimed row is filled through */
  readonly view: DataView;
  readonly #capacity: number;
  readonly #words: BigInt64Array;
  readonly #halves: Int32Array;
  readonly #pending: PendingGap[] = [];
  #head: number;
  #tail: number;
  #claimedEnd = 0;

  constructor(memory: SharedArrayBuffer) {
    ({ view: this.view, capacity: this.#capacity } = attach(memory));
    this.#words = new BigInt64Array(memory, 0, RING.dataAt / 8);
    this.#halves = new Int32Array(memory, 0, RING.dataAt / 4);
    this.#head = Number(Atomics.load(this.#words, RING.headAt / 8));
    this.#tail = Number(Atomics.load(this.#words, RING.tailAt / 8));
  }

  /**
   * Writes the pending gaps, then begins the row of `tick`.
   * @param timeNanos monotonic
   * @returns place of the record in `view`, or −1 if the ring is full: then call `miss`
   */
  claimRow(tick: number, timeNanos: bigint, rowBytes: number): number {
    while (this.#pending.length > 0) if (!this.#writeFirstPending()) return -1;
    if (!this.#hasRoom(rowBytes)) return -1;
    const at = this.#begin(rowBytes, RECORD.row);
    this.view.setBigUint64(at + ROW_TICK_AT, BigInt(tick), true);
    this.view.setBigInt64(at + ROW_TIME_AT, timeNanos, true);
    return at;
  }

  /** Publishes the claimed row. */
  commit(): void {
    this.#publish(this.#claimedEnd);
  }

  /**
   * These ticks have no row. Named in order, each once; runs of one reason become one gap. Where
   * there are too many to hold apart, those of one reason become one gap nevertheless: the ticks of
   * each reason are counted exactly, only where they lie between the others is lost.
   */
  miss(first: number, ticks: number, reason: Reason, nanos = 0n): void {
    const gap = { first, ticks, reason, nanos };
    const last = this.#pending.at(-1);
    if (last?.reason === reason) return grow(last, gap);
    fold(this.#pending, PENDING_APART_MAX, gap);
    assert(this.#pending.length <= PENDING_GAPS_MAX, 'ticks are missed for known reasons');
  }

  /** What a full ring means right now, as the consumer says. */
  fullReason(): 'overflow' | 'full' {
    const reason = Atomics.load(this.#halves, RING.fullReasonAt / 4);
    return reason === REASONS.full ? 'full' : 'overflow';
  }

  /** No record will follow. Pending gaps that do not fit become one of each reason. */
  close(): void {
    while (this.#pending.length > 0 && this.#writeFirstPending());
    const folded: PendingGap[] = [];
    for (const gap of this.#pending.splice(0)) fold(folded, 0, gap);
    for (const gap of folded) this.#writeGap(gap);
    Atomics.store(this.#halves, RING.closedAt / 4, 1);
  }

  #writeFirstPending(): boolean {
    if (!this.#hasRoom(GAP_BYTES)) return false;
    this.#writeGap(this.#pending.shift()!);
    return true;
  }

  #writeGap(gap: PendingGap): void {
    const at = this.#begin(GAP_BYTES, RECORD.gap);
    this.view.setBigUint64(at + 8, BigInt(gap.first), true);
    this.view.setBigUint64(at + 16, BigInt(gap.ticks), true);
    this.view.setBigUint64(at + 24, BigInt(REASONS[gap.reason]), true);
    this.view.setBigUint64(at + 32, gap.nanos, true);
    this.#publish(this.#claimedEnd);
  }

  /** End of a record begun at `position`, padding before it included. */
  #endOf(position: number, bytes: number): number {
    const rest = this.#capacity - (position % this.#capacity);
    return position + bytes + (rest < bytes ? rest : 0);
  }

  #hasRoom(bytes: number): boolean {
    let end = this.#endOf(this.#head, bytes);
    for (let i = 0; i < MISS_REASONS; i++) end = this.#endOf(end, GAP_BYTES);
    if (end - this.#tail <= this.#capacity) return true;
    this.#tail = Number(Atomics.load(this.#words, RING.tailAt / 8));
    return end - this.#tail <= this.#capacity;
  }

  #begin(bytes: number, kind: number): number {
    this.#claimedEnd = this.#endOf(this.#head, bytes);
    const start = this.#claimedEnd - bytes;
    if (start !== this.#head) this.#header(this.#head, start - this.#head, RECORD.padding);
    return this.#header(start, bytes, kind);
  }

  #header(position: number, bytes: number, kind: number): number {
    const at = RING.dataAt + (position % this.#capacity);
    this.view.setUint32(at, bytes, true);
    this.view.setUint32(at + 4, kind, true);
    return at;
  }

  #publish(head: number): void {
    this.#head = head;
    Atomics.store(this.#words, RING.headAt / 8, BigInt(head));
  }
}

function grow(gap: PendingGap, { ticks, nanos }: PendingGap): void {
  gap.ticks += ticks;
  if (gap.reason === 'suspended') gap.nanos += nanos;
}

/**
 * Adds a gap whose ticks follow the last one's. From index `from` on there is one of each reason:
 * it grows, and those behind it move on.
 */
function fold(gaps: PendingGap[], from: number, gap: PendingGap): void {
  const same = gaps.findIndex(({ reason }, i) => i >= from && reason === gap.reason);
  if (same < 0) return void gaps.push(gap);
  grow(gaps[same]!, gap);
  for (const later of gaps.slice(same + 1)) later.first += gap.ticks;
}

export type RingRecord =
  | {
      kind: 'row';
      tick: number;
      timeNanos: bigint;
      /** place of the record in `view` */ at: number;
    }
  | { kind: 'gap'; firstTick: number; ticks: number; reason: Reason; nanos: bigint };

export class RingConsumer {
  readonly view: DataView;
  readonly #capacity: number;
  readonly #words: BigInt64Array;
  #position: number;

  constructor(memory: SharedArrayBuffer) {
    ({ view: this.view, capacity: this.#capacity } = attach(memory));
    this.#words = new BigInt64Array(memory, 0, RING.dataAt / 8);
    this.#position = Number(Atomics.load(this.#words, RING.tailAt / 8));
  }

  /** What was published when it was called. Rows stay valid until `release()`. */
  *records(): Generator<RingRecord> {
    const head = Number(Atomics.load(this.#words, RING.headAt / 8));
    while (this.#position < head) {
      const at = RING.dataAt + (this.#position % this.#capacity);
      const length = this.view.getUint32(at, true);
      const kind = this.view.getUint16(at + 4, true);
      assert(length >= 8 && length % 8 === 0, `a ring record has a legal length: ${length}`);
      this.#position += length;
      if (kind === RECORD.row) yield this.#row(at);
      else if (kind === RECORD.gap) yield this.#gap(at);
      else assert(kind === RECORD.padding, `a ring record has a known kind: ${kind}`);
    }
  }

  /** The producer may overwrite what has been iterated over. */
  release(): void {
    Atomics.store(this.#words, RING.tailAt / 8, BigInt(this.#position));
  }

  #row(at: number): RingRecord {
    const tick = Number(this.view.getBigUint64(at + ROW_TICK_AT, true));
    return { kind: 'row', tick, timeNanos: this.view.getBigInt64(at + ROW_TIME_AT, true), at };
  }

  #gap(at: number): RingRecord {
    return {
      kind: 'gap',
      firstTick: Number(this.view.getBigUint64(at + 8, true)),
      ticks: Number(this.view.getBigUint64(at + 16, true)),
      reason: reasonOf(this.view.getUint32(at + 24, true)),
      nanos: this.view.getBigUint64(at + 32, true),
    };
  }
}
