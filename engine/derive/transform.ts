/**
 * A user's own function between two streams, for `stream cp --transform` and `copies:`.
 *
 * It maps records one to one: what it makes of a sample or an event keeps its seq, offset and time,
 * or is left out. So exactly once, order and the account of ticks need nothing of it, on one
 * condition: **it is a pure function of single records.** Batches are cut anywhere, and again when
 * a copy is resumed; a transform that looks at neighbours, clocks or chance makes another stream of
 * the same records, and the copy ends with SOURCE_DIVERGED. For windows there is `Consumer`.
 *
 * Its name and options are the identity of what it computes: they are part of each record's origin.
 * Give it another name when it computes something else.
 */
import type { Channel, Schema } from '../batch/schema.ts';
import type { Column } from '../batch/samples.ts';

/** Samples of one run, all of them kept by `--where`. Arrays belong to the receiver. */
export interface TransformSamples {
  kind: 'samples';
  /** how many there are, ≥ 1; the length of every array here */
  rows: number;
  channels: readonly Channel[];
  /** raw values by name: i64 and u64 as BigInt arrays, all others as doubles */
  columns: Readonly<Record<string, Column>>;
  /** raw × scale + offset of a channel, as doubles. @throws RangeError if there is none */
  readonly physical: (name: string) => Float64Array;
  /** ticks of the source's schedule */
  readonly ticks: Float64Array;
  /** UTC ns */
  readonly timeNanos: BigInt64Array;
}

/** Opaque events that were accepted together. */
export interface TransformEvents {
  kind: 'events';
  events: readonly Uint8Array[];
  /** UTC ns at which they were accepted */
  timeNanos: bigint;
}

type Values = ArrayLike<number> | BigInt64Array | BigUint64Array;

export interface TransformedSamples {
  /**
   * Raw values by name, one array of `rows` values for each channel of the output's schema: BigInt
   * arrays for i64 and u64; for the others any array of numbers that the type can hold, those of
   * f32 are rounded
   */
  columns: Readonly<Record<string, Values>>;
  /** per row: is the sample kept? Default: all are */
  keep?: ArrayLike<number | boolean>;
}

/** What may be given as options: what JSON can say. */
export type TransformOptions = Readonly<Record<string, unknown>>;

interface TransformBase<Options> {
  /** of what is computed: 1 to 100 of the characters A-Z a-z 0-9 . _ - */
  name: string;
  /** every option with its default; a user's own lie over them, others are refused */
  options: Options;
}

/** For streams of samples. */
export interface SamplesTransform<Options = TransformOptions> extends TransformBase<Options> {
  kind?: 'samples';
  /** What it gives for these channels. @throws Error if they are not those that it needs */
  schema(input: { kind: 'samples'; channels: Channel[] }, options: Options): Schema;
  /** Pure, record by record; called once for each batch that is not empty. */
  batch(input: TransformSamples, options: Options): TransformedSamples;
}

/** For streams of opaque events, which stay opaque. */
export interface EventsTransform<Options = TransformOptions> extends TransformBase<Options> {
  kind: 'events';
  /** One for each event, in order; null: it is left out. Pure, event by event. */
  batch(input: TransformEvents, options: Options): readonly (Uint8Array | null)[];
}

export type Transform<Options = TransformOptions> =
  SamplesTransform<Options> | EventsTransform<Options>;

/**
 * Gives a transform its types: the default export of the file that `--transform` names. Returns
 * what it was given; whoever cannot import `helicorder` there exports the same object without it.
 */
export function defineTransform<Options>(transform: Transform<Options>): Transform<Options> {
  return transform;
}
