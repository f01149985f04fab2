/**
 * Control entries of the log: JSON whose 64-bit numbers are quoted strings. Each entry's shape is
 * one table of fields, which encodes, checks and decodes it; `docs/format-log.md` lists them.
 */
import { HelicorderError } from '../base/errors.ts';

/** How one value travels: as JSON outside, as a TypeScript value inside. */
interface Field<T> {
  encode(value: T): unknown;
  /** throws if the JSON is not what it should be */
  decode(json: unknown): T;
}

class Malformed extends Error {}

function checked<J>(test: (json: unknown) => json is J, what: string): (json: unknown) => J {
  return (json) => {
    if (!test(json)) throw new Malformed(`expected ${what}, found ${JSON.stringify(json)}`);
    return json;
  };
}

const asText = checked((json): json is string => typeof json === 'string', 'a string');
const asBoolean = checked((json): json is boolean => typeof json === 'boolean', 'true or false');
const asArray = checked((json): json is unknown[] => Array.isArray(json), 'an array');

const text: Field<string> = { encode: (value) => value, decode: asText };
const flag: Field<boolean> = { encode: (value) => value, decode: asBoolean };

/** A counter below 2^53. */
const count: Field<number> = {
  encode: (value) => String(value),
  decode: (json) => {
    const value = Number(asText(json));
    if (!Number.isSafeInteger(value))
      throw new Malformed(`expected a counter, found ${String(json)}`);
    return value;
  },
};

/** Nanoseconds, signed, 64 bits. */
const nanos: Field<bigint> = {
  encode: (value) => String(value),
  decode: (json) => {
    const digits = asText(json);
    if (!/^-?\d{1,19}$/.test(digits)) throw new Malformed(`expected nanoseconds, found ${digits}`);
    return BigInt(digits);
  },
};

function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    encode: (value) => (value === null ? null : field.encode(value)),
    decode: (json) => (json === null ? null : field.decode(json)),
  };
}

function list<T>(field: Field<T>): Field<T[]> {
  return {
    encode: (values) => values.map((value) => field.encode(value)),
    decode: (json) => asArray(json).map((item) => field.decode(item)),
  };
}

function pair<A, B>(a: Field<A>, b: Field<B>): Field<[A, B]> {
  return {
    encode: ([first, second]) => [a.encode(first), b.encode(second)],
    decode: (json) => {
      const [first, second] = asArray(json);
      return [a.decode(first), b.decode(second)];
    },
  };
}

type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

function object<T extends object>(fields: Fields<T>): Field<T> {
  const keys = Object.keys(fields) as (keyof T & string)[];
  return {
    encode: (value) => Object.fromEntries(keys.map((key) => [key, fields[key].encode(value[key])])),
    decode: (json) => {
      if (typeof json !== 'object' || json === null) throw new Malformed('expected an object');
      const source = json as Record<string, unknown>;
      return Object.fromEntries(keys.map((key) => [key, fields[key].decode(source[key])])) as T;
    },
  };
}

export interface StreamEntry {
  /** stream number, from 1 */
  id: number;
  /** scope/name */
  name: string;
  /** random hex: a stream removed and made again is another one */
  incarnation: string;
  createdNanos: bigint;
  schemaId: string;
  /** samples that consumers get as one event; 1 for opaque streams */
  samplesPerEvent: number;
}

export interface SchemaEntry {
  id: string;
  /** the canonical schema, see `batch/schema.ts` */
  schema: string;
}

/** A run begun. It issues the epoch of its writer. */
export interface RunEntry {
  id: number;
  stream: number;
  writer: string;
  epoch: number;
  firstSeq: number;
  schemaId: string;
  bootId: string;
  t0Nanos: bigint;
  /** 0: opaque events, no schedule */
  periodNanos: bigint;
  resolutionNanos: bigint;
  clock: { monotonicNanos: bigint; boottimeNanos: bigint; utcNanos: bigint };
  kernelClock: { synchronized: boolean; maxErrorMicros: number };
  /** constants of the source that its events carry, in order: RemoteAddr, Interface … */
  attributes: [string, string][];
}

export interface RunEndEntry {
  run: number;
  lastTick: number | null;
  reason: string;
}

export interface StartEntry {
  bootId: string;
  machineId: string;
  generation: number;
  utcNanos: bigint;
  version: string;
}

export interface ShutdownEntry {
  utcNanos: bigint;
}

/** What a stream has held so far; `bytes` and `paddingBytes` as `stream info` reports them. */
export interface Totals {
  records: number;
  samples: number;
  bytes: number;
  paddingBytes: number;
  firstNanos: bigint | null;
  lastNanos: bigint | null;
}

export interface StreamSnapshot extends StreamEntry {
  nextOffset: number;
  totals: Totals;
}

/** The latest run of a writer, which is also the writer's state. */
export interface RunSnapshot extends RunEntry {
  nextSeq: number;
  /** samples so far: the ordinal of the next one */
  ordinal: number;
  /** the last tick accounted for, by this run or, within a boot, by those before it */
  lastTick: number | null;
  /** UTC of the last sample or event of this writer */
  lastNanos: bigint | null;
  endReason: string | null;
}

export interface SnapshotEntry {
  generation: number;
  nextStream: number;
  nextRun: number;
  clean: boolean;
  streams: StreamSnapshot[];
  schemas: SchemaEntry[];
  runs: RunSnapshot[];
}

/** What one segment holds of one stream. Gaps: reason, number of gaps, ticks. */
export interface FooterStream {
  stream: number;
  firstOffset: number;
  nextOffset: number;
  samples: number;
  firstNanos: bigint | null;
  lastNanos: bigint | null;
  /** byte in the segment of the first and the last group that hold it */
  firstGroup: number;
  lastGroup: number;
  gaps: { reason: string; gaps: number; ticks: number }[];
}

export interface FooterEntry {
  streams: FooterStream[];
}

const streamFields: Fields<StreamEntry> = {
  id: count,
  name: text,
  incarnation: text,
  createdNanos: nanos,
  schemaId: text,
  samplesPerEvent: count,
};

const runFields: Fields<RunEntry> = {
  id: count,
  stream: count,
  writer: text,
  epoch: count,
  firstSeq: count,
  schemaId: text,
  bootId: text,
  t0Nanos: nanos,
  periodNanos: nanos,
  resolutionNanos: nanos,
  clock: object({ monotonicNanos: nanos, boottimeNanos: nanos, utcNanos: nanos }),
  kernelClock: object({ synchronized: flag, maxErrorMicros: count }),
  attributes: list(pair(text, text)),
};

const totals = object<Totals>({
  records: count,
  samples: count,
  bytes: count,
  paddingBytes: count,
  firstNanos: nullable(nanos),
  lastNanos: nullable(nanos),
});

const schema = object<SchemaEntry>({ id: text, schema: text });

const footerStream = object<FooterStream>({
  stream: count,
  firstOffset: count,
  nextOffset: count,
  samples: count,
  firstNanos: nullable(nanos),
  lastNanos: nullable(nanos),
  firstGroup: count,
  lastGroup: count,
  gaps: list(object({ reason: text, gaps: count, ticks: count })),
});

export interface ControlCodec<T> {
  encode(value: T): Uint8Array;
  /** Throws DAMAGED: the entry's CRC held, so another writer than ours made it. */
  decode(payload: Uint8Array): T;
}

function control<T extends object>(name: string, fields: Fields<T>): ControlCodec<T> {
  const field = object(fields);
  return {
    encode: (value) => new TextEncoder().encode(JSON.stringify(field.encode(value))),
    decode: (payload) => {
      try {
        return field.decode(JSON.parse(new TextDecoder().decode(payload)));
      } catch (cause) {
        throw new HelicorderError('DAMAGED', `malformed ${name} entry: ${String(cause)}`, {
          cause,
        });
      }
    },
  };
}

export const streamEntry = control<StreamEntry>('stream', streamFields);
export const schemaEntry = control<SchemaEntry>('schema', { id: text, schema: text });
export const runEntry = control<RunEntry>('run', runFields);
export const runEndEntry = control<RunEndEntry>('run-end', {
  run: count,
  lastTick: nullable(count),
  reason: text,
});
export const startEntry = control<StartEntry>('start', {
  bootId: text,
  machineId: text,
  generation: count,
  utcNanos: nanos,
  version: text,
});
export const shutdownEntry = control<ShutdownEntry>('shutdown', { utcNanos: nanos });
export const footerEntry = control<FooterEntry>('footer', { streams: list(footerStream) });
export const snapshotEntry = control<SnapshotEntry>('snapshot', {
  generation: count,
  nextStream: count,
  nextRun: count,
  clean: flag,
  streams: list(object<StreamSnapshot>({ ...streamFields, nextOffset: count, totals })),
  schemas: list(schema),
  runs: list(
    object<RunSnapshot>({
      ...runFields,
      nextSeq: count,
      ordinal: count,
      lastTick: nullable(count),
      lastNanos: nullable(nanos),
      endReason: nullable(text),
    }),
  ),
});
