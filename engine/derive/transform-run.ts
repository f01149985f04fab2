/**
 * A transform at work: what goes into a user's function, and what comes out of it as columns that a
 * stream can hold. Whatever is wrong with it ends the copy, before anything of it is sent.
 */
import { EVENT_MAX_BYTES } from '../base/constants.ts';
import { HelicorderError, type ErrorCode, messageOf } from '../base/errors.ts';
import { doublesOf } from '../batch/sample-times.ts';
import type { Column } from '../batch/samples.ts';
import {
  INTEGER_RANGES,
  canonicalSchema,
  isWide,
  nameProblem,
  parseSchema,
  type Channel,
  type Schema,
} from '../batch/schema.ts';
import type { LoadedTransform } from './transform-file.ts';
import type {
  EventsTransform,
  SamplesTransform,
  TransformEvents,
  TransformSamples,
} from './transform.ts';

/** Raw columns of an output, and its mask if it has one. */
export interface Transformed {
  columns: Column[];
  keep: Uint8Array | undefined;
}

type SamplesSchema = Extract<Schema, { kind: 'samples' }>;

export class TransformRun {
  readonly #loaded: LoadedTransform;
  readonly #code: ErrorCode;

  constructor(loaded: LoadedTransform, code: ErrorCode) {
    this.#loaded = loaded;
    this.#code = code;
  }

  /** What the transform gives for records of this schema. */
  schemaOf(input: Schema): Schema {
    const { transform, options } = this.#loaded;
    const isForEvents = transform.kind === 'events';
    if (isForEvents !== (input.kind === 'opaque')) {
      const [wants, has] = isForEvents ? ['events', 'samples'] : ['samples', 'opaque events'];
      throw this.#error(`is for streams of ${wants}, and this one has ${has}`);
    }
    if (transform.kind === 'events' || input.kind === 'opaque') return input;
    const found = this.#try('schema', () => transform.schema(input, options));
    // whatever it is, it is then what a store can read again
    const schema = this.#try('schema', () => parseSchema(canonicalSchema(found)));
    const problem = schema.kind === 'samples' ? nameProblem(schema.channels) : undefined;
    if (problem) throw this.#error(`schema: name of channel ${problem.index}: ${problem.why}`);
    if (schema.kind === 'samples') return schema;
    throw this.#error('schema: gives opaque events where the input is samples');
  }

  samples(input: TransformSamples, { channels }: SamplesSchema): Transformed {
    const { transform, options } = this.#loaded;
    const { rows } = input;
    const over = `over ${rows} rows`;
    const found = this.#try(over, () => (transform as SamplesTransform).batch(input, options));
    const { columns, keep } = this.#object(found, over);
    const given = this.#object(columns, `${over}: columns`);
    const unknown = Object.keys(given).find((name) => channels.every((one) => one.name !== name));
    if (unknown !== undefined) throw this.#error(`${over}: ${unknown} is not in its schema`);
    return {
      columns: channels.map((channel) => {
        const what = `${over}: column ${channel.name}`;
        const reason = (error: string): Error => this.#error(`${what} ${error}`);
        return columnOf(channel, this.#values(given[channel.name], rows, what), reason);
      }),
      keep: keep === undefined ? undefined : maskOf(this.#values(keep, rows, `${over}: keep`)),
    };
  }

  events(input: TransformEvents): (Uint8Array | null)[] {
    const { transform, options } = this.#loaded;
    const over = `over ${input.events.length} rows`;
    const found = this.#try(over, () => (transform as EventsTransform).batch(input, options));
    const events = Array.from(this.#values(found, input.events.length, over));
    for (const [row, event] of events.entries()) {
      if (event !== null && !(event instanceof Uint8Array)) {
        throw this.#error(`${over}: row ${row} is neither a Uint8Array nor null`);
      }
      if (event !== null && event.length > EVENT_MAX_BYTES) {
        throw this.#error(`${over}: row ${row} has more than ${EVENT_MAX_BYTES} bytes`);
      }
    }
    return events as (Uint8Array | null)[];
  }

  #values(value: unknown, rows: number, what: string): ArrayLike<unknown> {
    const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
    if (!isList) throw this.#error(`${what}: is no array`);
    const { length } = value as ArrayLike<unknown>;
    if (length === rows) return value as ArrayLike<unknown>;
    throw this.#error(`${what}: has ${length} values for ${rows} rows`);
  }

  #object(value: unknown, what: string): Record<string, unknown> {
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw this.#error(`${what}: gives no object`);
  }

  #try<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#error(`${what}: ${messageOf(error)}`, error);
    }
  }

  #error(message: string, cause?: unknown): HelicorderError {
    const { file, transform } = this.#loaded;
    const options = cause === undefined ? {} : { cause };
    return new HelicorderError(this.#code, `${file}: transform ${transform.name}, ${message}`, {
      ...options,
      details: { file, transform: transform.name },
    });
  }
}

/** What a user's function sees of samples. Times are computed if it asks for them. */
export function samplesInput(
  channels: readonly Channel[],
  columns: readonly Column[],
  rows: number,
  times: { ticks: () => Float64Array; timeNanos: () => BigInt64Array },
): TransformSamples {
  const byName = Object.fromEntries(channels.map(({ name }, i) => [name, columns[i]!]));
  return {
    kind: 'samples',
    rows,
    channels,
    columns: byName,
    physical: (name) => {
      const place = channels.findIndex((channel) => channel.name === name);
      if (place < 0) throw new RangeError(`there is no channel ${name}`);
      const [column, { scale, offset }] = [columns[place]!, channels[place]!];
      const raw = column instanceof Float64Array ? column : doublesOf(column);
      return raw.map((value) => value * scale + offset);
    },
    get ticks() {
      return times.ticks();
    },
    get timeNanos() {
      return times.timeNanos();
    },
  };
}

function maskOf(values: ArrayLike<unknown>): Uint8Array {
  return Uint8Array.from(values as ArrayLike<number>, (value) => (value ? 1 : 0));
}

/** A column in memory as the codecs take it; copies, unless it is one already. */
function columnOf(
  { type }: Channel,
  values: ArrayLike<unknown>,
  fail: (reason: string) => Error,
): Column {
  if (isWide(type)) {
    const isRight =
      type === 'i64' ? values instanceof BigInt64Array : values instanceof BigUint64Array;
    if (isRight) return values as Column;
    throw fail(
      `is of type ${type}: expected a ${type === 'i64' ? 'BigInt64Array' : 'BigUint64Array'}`,
    );
  }
  const column = new Float64Array(values.length);
  const range = INTEGER_RANGES[type];
  for (let row = 0; row < column.length; row++) {
    const value = values[row];
    if (typeof value !== 'number') throw fail(`is of type ${type}: row ${row} is no number`);
    if (range && !(Number.isInteger(value) && value >= range[0] && value < range[1])) {
      throw fail(`is of type ${type}: row ${row} is ${value}`);
    }
    // −0 is not for integers
    column[row] = type === 'f32' ? Math.fround(value) : range ? value + 0 : value;
  }
  return column;
}
