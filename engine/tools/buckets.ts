/**
 * Count, min, mean and max of each channel per bucket of time: what a plot over months needs.
 *
 * Computed from the stored pieces, without a JavaScript object or a BigInt per sample: a batch's
 * times become doubles relative to its beginning, runs of samples in one bucket are found by
 * comparing them, and each wanted column is summed up run by run. Columns that nobody wants are not
 * decoded. Values are physical (raw × scale + offset) and doubles: integers beyond 2^53 are
 * rounded, but for the least and greatest of those without scale and offset (`exact`), and so are,
 * to a few ns, the edges of buckets longer than 2^53 ns (104 days).
 */
import { assert } from '../base/assert.ts';
import { NANOS_PER_SECOND } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { relativeTimes } from '../batch/relative-times.ts';
import { doublesOf } from '../batch/sample-times.ts';
import { parseSchema } from '../batch/schema.ts';
import { decodeColumn } from '../codecs/codec.ts';
import { decodeItem, itemFrom } from '../store/read/stream-item.ts';
import type { RawItem } from '../store/read/stream-reader.ts';
import type { RunInfo } from '../store/state/known-runs.ts';
import type { Store } from '../store/store.ts';
import { placesOf } from '../store/read/view.ts';
import { BucketTable } from './bucket-table.ts';
import { damageOf } from './cat.ts';
import { firstHeldNanos } from './describe.ts';
import type { BucketsReport, Damage } from './types.ts';

export interface BucketOptions {
  /** UTC ns, as in `Store.read`; samples are cut exactly */
  fromTime?: bigint;
  toTime?: bigint;
  /** length of a bucket, at least 1 µs; they begin at whole multiples of it since 1970 */
  bucketNanos?: bigint;
  /** instead: this many buckets from the first sample that is not retired or `fromTime` on */
  count?: number;
  columns?: readonly string[];
  /** told of each range that cannot be read; default: it is passed over */
  onDamage?: (damage: Damage) => void;
}

const BUCKET_MIN_NANOS = 1000n;
const BUCKET_DEFAULT_NANOS = 60n * BigInt(NANOS_PER_SECOND);

/** Buckets that were counted end where the stream did by then, whatever was recorded since. */
function endOf({ count }: BucketOptions, { originNanos, nanos }: Grid): bigint | undefined {
  return count === undefined ? undefined : originNanos + nanos * BigInt(count);
}

/** Buckets as numbers: bucket k begins at `originNanos` + k × `nanos`. */
interface Grid {
  originNanos: bigint;
  nanos: bigint;
}

/** @throws NO_SUCH_STREAM, USAGE for a stream of opaque events, an unknown column, a bad bucket */
export async function buckets(
  store: Store,
  name: string,
  options: BucketOptions = {},
): Promise<BucketsReport> {
  const stream = store.stream(name);
  const schema = parseSchema(store.reader.state.schemaOf(stream));
  if (schema.kind === 'opaque') {
    throw new HelicorderError('USAGE', `${name} holds opaque events: they have no values`);
  }
  const { fromTime, columns, onDamage } = options;
  const isFirstAsked = options.count !== undefined && fromTime === undefined;
  const trim = store.reader.state.trims.get(stream.id);
  const { lastNanos } = stream.totals;
  const firstNanos = isFirstAsked ? await firstHeldNanos(store, stream, trim) : undefined;
  const grid = gridOf(options, firstNanos, lastNanos);
  const toTime = options.toTime ?? endOf(options, grid);
  const table = new BucketTable();
  const wanted = columns && new Set(columns);
  const range = {
    ...(fromTime === undefined ? {} : { fromTime }),
    ...(toTime === undefined ? {} : { toTime }),
    ...(columns === undefined ? {} : { columns }),
  };
  for await (const found of store.readRaw(name, range)) {
    if (found.kind === 'fault') onDamage?.(damageOf(found.fault));
    else {
      const lowWater = store.reader.state.lowWaterOf(stream.id);
      addItem(table, grid, found, { fromTime, toTime, lowWater, wanted });
    }
  }
  return reportOf(name, table, grid);
}

function gridOf(
  { bucketNanos, count, fromTime, toTime }: BucketOptions,
  firstNanos: bigint | null | undefined,
  lastNanos: bigint | null,
): Grid {
  if (bucketNanos !== undefined && count !== undefined) {
    throw new HelicorderError('USAGE', 'either the length of a bucket or their number: not both');
  }
  if (count === undefined) {
    const nanos = bucketNanos ?? BUCKET_DEFAULT_NANOS;
    if (nanos >= BUCKET_MIN_NANOS) return { originNanos: 0n, nanos };
    throw new HelicorderError('USAGE', `a bucket of ${nanos} ns: it is at least 1us`);
  }
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new HelicorderError('USAGE', `${count} buckets: expected a whole number from 1 on`);
  }
  const originNanos = fromTime ?? firstNanos ?? 0n;
  const span = (toTime ?? (lastNanos ?? 0n) + 1n) - originNanos;
  const nanos = (span + BigInt(count) - 1n) / BigInt(count);
  return { originNanos, nanos: nanos > BUCKET_MIN_NANOS ? nanos : BUCKET_MIN_NANOS };
}

interface ItemOptions {
  fromTime: bigint | undefined;
  toTime: bigint | undefined;
  wanted: ReadonlySet<string> | undefined;
  lowWater: number;
}

function addItem(
  table: BucketTable,
  grid: Grid,
  { item, info, from }: RawItem,
  { fromTime, toTime, wanted, lowWater }: ItemOptions,
): void {
  const { content, samples } = item;
  if (content.kind !== 'batch' || samples === 0) return;
  const { schema } = info;
  assert(schema.kind === 'samples', 'a batch is of a stream of samples');
  const { baseNanos, nanos } = relativeTimes(content.times, content.batch);
  const range = {
    from: fromTime === undefined ? -Infinity : Number(fromTime - baseNanos),
    to: toTime === undefined ? Infinity : Number(toTime - baseNanos),
    first: samplesBefore(item, info, Math.max(lowWater, from)),
  };
  const runs = [...bucketRuns(table, nanos, gridBefore(grid, baseNanos), range)];
  if (runs.length === 0) return;
  const places = wanted ? placesOf(wanted, schema.channels) : schema.channels.keys();
  for (const i of places) {
    const channel = schema.channels[i]!;
    const column = decodeColumn(channel.type, content.batch.columns[i]!, samples);
    const wide = column instanceof Float64Array ? undefined : column;
    const values = column instanceof Float64Array ? column : doublesOf(column);
    const into = table.channel(channel);
    for (const { slot, from, to } of runs) into.add(slot, values, from, to, channel, wide);
  }
}

/** How many of a piece's samples a trim has let go of, or have been given before it was sealed. */
function samplesBefore(item: RawItem['item'], info: RunInfo, offset: number): number {
  if (item.firstOffset >= offset) return 0;
  if (item.firstOffset + item.records <= offset) return item.samples;
  const rest = itemFrom(decodeItem(item, info, { schema: info.schema, channels: [] }), offset);
  return item.samples - (rest.kind === 'samples' ? rest.batch.samples : 0);
}

/** The bucket that holds a moment, and how long the moment is after its beginning. */
function gridBefore(
  { originNanos, nanos }: Grid,
  moment: bigint,
): { bucket: number; after: number; length: number } {
  const since = moment - originNanos;
  const after = ((since % nanos) + nanos) % nanos;
  return { bucket: Number((since - after) / nanos), after: Number(after), length: Number(nanos) };
}

/** Neighbouring samples in one bucket, those outside of the range left out. */
function* bucketRuns(
  table: BucketTable,
  nanos: Float64Array,
  { bucket, after, length }: ReturnType<typeof gridBefore>,
  range: { from: number; to: number; first: number },
): Generator<{ slot: number; from: number; to: number }> {
  for (let from = range.first; from < nanos.length;) {
    const step = Math.floor((after + nanos[from]!) / length);
    const first = Math.max(step * length - after, range.from);
    const end = Math.min((step + 1) * length - after, range.to);
    let to = from;
    while (to < nanos.length && nanos[to]! >= first && nanos[to]! < end) to++;
    if (to > from) yield { slot: table.slotOf(bucket + step), from, to };
    from = Math.max(to, from + 1);
  }
}

function reportOf(stream: string, table: BucketTable, grid: Grid): BucketsReport {
  const order = table.buckets();
  const pick = (values: Float64Array): Float64Array =>
    Float64Array.from(order, ({ slot }) => values[slot] ?? 0);
  return {
    stream,
    bucketNanos: grid.nanos,
    startNanos: BigInt64Array.from(
      order,
      ({ number }) => grid.originNanos + BigInt(number) * grid.nanos,
    ),
    channels: table.channels.map(({ name, unit, count, sum, min, max, exact }) => {
      const counts = pick(count);
      const mean = pick(sum).map((total, i) => total / counts[i]!);
      const only = (values: Float64Array): Float64Array =>
        pick(values).map((value, i) => (counts[i]! > 0 ? value : NaN));
      return {
        ...{ name, unit, count: counts, min: only(min), mean, max: only(max) },
        ...(exact && { exact: exact.pick(order.map(({ slot }) => slot)) }),
      };
    }),
  };
}
