/**
 * The writer's end of one rate group: rows out of the ring, encoded entries into a group.
 *
 * The addon's `RowEncoder` drains, encodes and checksums in one pass, without a JavaScript object
 * per sample or tick; the cursors, four numbers per source, move on with it.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { BATCH_MAX_ROWS, MIB } from '../base/constants.ts';
import { edge } from '../base/failpoint.ts';
import { encodeGap } from '../batch/format.ts';
import { native, RESULT, type RowEncoder } from '../../native/index.ts';
import { KIND } from '../store/entries/format.ts';
import type { TimeEnds } from '../store/entries/entries.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import type { OpenedRun } from '../store/write/writer.ts';
import { gapBefore } from './gap-before.ts';
import type { Drained, GroupSpec } from './group-spec.ts';

/** What one drain may write at worst: bounds the memory of wide rate groups. */
const DRAIN_MAX_BYTES = 4 * MIB;

/** Per source: run, next seq, next offset, ordinal. */
const CURSOR = { seq: 1, offset: 2, length: 4 } as const;

export class GroupDrain {
  readonly #opened: readonly OpenedRun[];
  readonly #clock: Clock;
  readonly #schedule: Pick<GroupSpec, 't0Nanos' | 'periodNanos'>;
  readonly #encoder: RowEncoder;
  readonly #streams: readonly number[];
  /** CURSOR.length numbers per source, which the encoder moves on */
  readonly #cursors: Float64Array;
  readonly #entries: Uint32Array;
  readonly #result = new Float64Array(RESULT.length);
  readonly #maxRows: number;
  #begun = false;

  /** @param maxBytes what one drain may write at worst, so that it fits in a segment */
  constructor(
    spec: GroupSpec,
    opened: readonly OpenedRun[],
    clock: Clock,
    maxBytes = DRAIN_MAX_BYTES,
  ) {
    this.#opened = opened;
    this.#clock = clock;
    this.#schedule = spec;
    this.#encoder = encoderOf(spec);
    this.#streams = opened.map(({ stream }) => stream.id);
    this.#maxRows = rowLimit(this.#encoder, Math.min(maxBytes, DRAIN_MAX_BYTES));
    this.#cursors = Float64Array.from(
      opened.flatMap(({ run, stream }) => [run.id, run.nextSeq, stream.nextOffset, 0]),
    );
    this.#entries = new Uint32Array(2 * (1 + opened.length));
  }

  /** @returns undefined if the ring is empty */
  drain(builder: GroupBuilder, utcOffsetNanos: bigint): Drained | undefined {
    const tick = this.#encoder.peekTick();
    if (tick < 0) return undefined;
    if (!this.#begun) this.#addGapsBefore(builder, tick, utcOffsetNanos);
    return edge('drain', () => this.#encode(builder, utcOffsetNanos));
  }

  /** What is missing between the last run of each source and the first tick of this one. */
  #addGapsBefore(builder: GroupBuilder, tick: number, utcOffsetNanos: bigint): void {
    this.#begun = true;
    const { monotonicNanos, boottimeNanos } = this.#clock.read();
    const dueNanos = this.#schedule.t0Nanos + BigInt(tick) * this.#schedule.periodNanos;
    const first = {
      tick,
      utcNanos: dueNanos + utcOffsetNanos,
      // it was due up to a flush interval ago
      boottimeNanos: boottimeNanos - (monotonicNanos - dueNanos),
    };
    this.#opened.forEach((opened, i) => {
      const cursor = this.#cursors.subarray(i * CURSOR.length, (i + 1) * CURSOR.length);
      const at = { seq: cursor[CURSOR.seq]!, offset: cursor[CURSOR.offset]! };
      const gap = gapBefore(opened, first, at);
      if (gap === undefined) return;
      builder.add(KIND.gap, opened.stream.id, encodeGap(gap));
      cursor[CURSOR.seq]!++;
      cursor[CURSOR.offset]!++;
    });
  }

  /** Writes the entries of what it drains behind the builder's tail. */
  #encode(builder: GroupBuilder, utcOffsetNanos: bigint): Drained | undefined {
    const maxRows = this.#maxRows;
    const area = builder.reserve(this.#encoder.bound(maxRows));
    const [cursors, entries, result] = [this.#cursors, this.#entries, this.#result];
    const at = builder.tail;
    const count = this.#encoder.encode(area, at, maxRows, utcOffsetNanos, cursors, entries, result);
    if (count === 0) return undefined;
    assert(count === 1 + this.#streams.length, 'one times entry and one batch per source');
    builder.addWritten(KIND.times, 0, entries[0]!, entries[1]!, timeEndsOf(result));
    this.#streams.forEach((stream, i) => {
      builder.addWritten(KIND.batch, stream, entries[2 * i + 2]!, entries[2 * i + 3]!);
    });
    return {
      rows: result[RESULT.rows]!,
      more: result[RESULT.more] === 1,
      firstTimeNanos: result[RESULT.firstTimeNanos]!,
      lastTimeNanos: result[RESULT.lastTimeNanos]!,
    };
  }
}

/** Rows that one drain takes at most, and the bytes that the entries of so many rows may need. */
export function batchLimit(spec: GroupSpec): { rows: number; bytesOf: (rows: number) => number } {
  const encoder = encoderOf(spec);
  const rows = rowLimit(encoder, DRAIN_MAX_BYTES);
  return { rows, bytesOf: (count) => encoder.bound(count) };
}

function encoderOf({ ring, sources, ...layout }: GroupSpec): RowEncoder {
  const { rowBytes, validityOffset, t0Nanos, periodNanos, resolutionNanos } = layout;
  const shape = { rowBytes, validityOffset, t0Nanos, periodNanos, resolutionNanos, sources };
  return new native.RowEncoder({ ring: new Uint8Array(ring), ...shape });
}

function rowLimit(encoder: RowEncoder, maxBytes: number): number {
  let rows = BATCH_MAX_ROWS;
  while (rows > 1 && encoder.bound(rows) > maxBytes) rows /= 2;
  return rows;
}

/** undefined where there are no rows, or a double does not hold the values exactly. */
function timeEndsOf(result: Float64Array): TimeEnds | undefined {
  const [first, last] = [result[RESULT.firstColumnValue]!, result[RESULT.lastColumnValue]!];
  const isExact = Number.isSafeInteger(first) && Number.isSafeInteger(last);
  if (result[RESULT.rows] === 0 || !isExact) return undefined;
  return { first: BigInt(first), last: BigInt(last) };
}
