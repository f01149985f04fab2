/**
 * The writer's end of a rate group with float channels: the addon's encoder takes whole numbers
 * only, floats want codecs that live in TypeScript (scaled, lz4). Such groups come from drivers
 * written in TypeScript, whose rates suit it. Same entries, same rules as the native path.
 */
import { BATCH_MAX_ROWS } from '../base/constants.ts';
import type { GroupGap } from '../batch/ledger.ts';
import { encodeSamples, type Column, type Cursor } from '../batch/samples.ts';
import { CHANNEL_TYPES, isWide, type Channel, type ChannelType } from '../batch/schema.ts';
import { RingConsumer } from '../ring/ring.ts';
import { KIND } from '../store/entries/format.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import type { Drained, GroupSpec } from './group-spec.ts';

interface Taken {
  firstTick: number;
  timesNanos: bigint[];
  gaps: GroupGap[];
  /** per row: place of its record in the ring */
  rows: number[];
}

export class FloatDrain {
  readonly #spec: GroupSpec;
  readonly #cursors: readonly Cursor[];
  readonly #streams: readonly number[];
  readonly #channels: readonly Channel[][];
  readonly #consumer: RingConsumer;
  readonly #maxRows: number;
  #taken: Taken | undefined;

  constructor(
    spec: GroupSpec,
    cursors: readonly Cursor[],
    streams: readonly number[],
    maxRows = BATCH_MAX_ROWS,
  ) {
    this.#maxRows = maxRows;
    this.#spec = spec;
    this.#cursors = cursors;
    this.#streams = streams;
    this.#consumer = new RingConsumer(spec.ring);
    this.#channels = spec.sources.map(({ schema }) =>
      schema.kind === 'samples' ? schema.channels : [],
    );
  }

  peekTick(): number {
    this.#taken ??= this.#take();
    return this.#taken?.firstTick ?? -1;
  }

  /** Notes what is in the ring; the rows stay there until they are encoded. */
  #take(): Taken | undefined {
    let taken: Taken | undefined;
    for (const record of this.#consumer.records()) {
      const tick = record.kind === 'row' ? record.tick : record.firstTick;
      taken ??= { firstTick: tick, timesNanos: [], gaps: [], rows: [] };
      if (record.kind === 'row') {
        taken.timesNanos.push(record.timeNanos);
        taken.rows.push(record.at);
      } else {
        const { reason, ticks, nanos } = record;
        taken.gaps.push({ rowsBefore: taken.rows.length, reason, ticks, nanos });
      }
      if (taken.rows.length === this.#maxRows) break;
    }
    return taken;
  }

  drain(builder: GroupBuilder, utcOffsetNanos: bigint): Drained | undefined {
    const taken = this.#taken ?? this.#take();
    this.#taken = undefined;
    if (taken === undefined) return undefined;
    const { t0Nanos, periodNanos, resolutionNanos, sources } = this.#spec;
    const { firstTick, gaps, rows } = taken;
    const [times, ...batches] = encodeSamples({
      ...{ t0Nanos, periodNanos, resolutionNanos, utcOffsetNanos, firstTick, gaps },
      timesNanos: BigInt64Array.from(taken.timesNanos),
      sources: sources.map((source, i) => ({
        channels: this.#channels[i]!,
        columns: source.channels.map((channel) => this.#column(channel, rows)),
        valid: rows.map((at) => this.#isValid(at, i)),
        cursor: this.#cursors[i]!,
      })),
    });
    this.#consumer.release();
    builder.add(KIND.times, 0, times!);
    batches.forEach((batch, i) => builder.add(KIND.batch, this.#streams[i]!, batch));
    const more = rows.length === this.#maxRows;
    const firstTimeNanos = Number(taken.timesNanos[0] ?? 0n);
    const lastTimeNanos = Number(taken.timesNanos.at(-1) ?? 0n);
    return { rows: rows.length, more, firstTimeNanos, lastTimeNanos };
  }

  #isValid(at: number, source: number): boolean {
    const byte = at + this.#spec.validityOffset + (source >> 3);
    return ((this.#consumer.view.getUint8(byte) >> (source & 7)) & 1) === 1;
  }

  #column({ type, rowOffset }: { type: number; rowOffset: number }, rows: number[]): Column {
    const name = CHANNEL_TYPES[type]!;
    const { view } = this.#consumer;
    if (name === 'u64') {
      return BigUint64Array.from(rows, (at) => view.getBigUint64(at + rowOffset, true));
    }
    if (isWide(name))
      return BigInt64Array.from(rows, (at) => view.getBigInt64(at + rowOffset, true));
    return Float64Array.from(rows, (at) => readNumber(view, name, at + rowOffset));
  }
}

function readNumber(view: DataView, type: ChannelType, at: number): number {
  switch (type) {
    case 'f64':
      return view.getFloat64(at, true);
    case 'f32':
      return view.getFloat32(at, true);
    case 'i8':
      return view.getInt8(at);
    case 'u8':
      return view.getUint8(at);
    case 'i16':
      return view.getInt16(at, true);
    case 'u16':
      return view.getUint16(at, true);
    case 'i32':
      return view.getInt32(at, true);
    default:
      return view.getUint32(at, true);
  }
}
