/**
 * How control entries become JSON and back: an entry's shape is one table of fields, and the table
 * encodes, checks and decodes it. Numbers of 64 bits are quoted strings in the JSON.
 */
import { assert } from '../../base/assert.ts';
import { HelicorderError } from '../../base/errors.ts';
import { hexWord } from '../../base/bytes.ts';

/** How one value travels: as JSON outside, as a TypeScript value inside. */
interface Field<T> {
  encode(value: T): unknown;
  /** throws if the JSON is not what it should be */
  decode(json: unknown): T;
}

/** Of one UTF-16 unit of a string. */
const UTF8_MAX_BYTES = 3;

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

export const text: Field<string> = { encode: (value) => value, decode: asText };
export const flag: Field<boolean> = { encode: (value) => value, decode: asBoolean };

/** A counter below 2^53. */
export const count: Field<number> = {
  encode: (value) => {
    // what no reader takes would make the log unreadable for good
    assert(Number.isSafeInteger(value) && value >= 0, 'a counter is whole and not negative');
    return String(value);
  },
  decode: (json) => {
    const digits = asText(json);
    const value = Number(digits);
    if (!/^\d{1,16}$/.test(digits) || !Number.isSafeInteger(value))
      throw new Malformed(`expected a counter, found ${digits}`);
    return value;
  },
};

/**
 * The last tick of a run or a writer, if it has any. -1 is none as well: it was written for events
 * that had been retired before they were copied.
 */
export const lastTick: Field<number | null> = {
  encode: (value) => (value === null ? null : count.encode(value)),
  decode: (json) => (json === null || json === '-1' ? null : count.decode(json)),
};

/** Nanoseconds, signed, 64 bits. */
export const nanos: Field<bigint> = {
  encode: (value) => String(value),
  decode: (json) => {
    const digits = asText(json);
    if (!/^-?\d{1,19}$/.test(digits)) throw new Malformed(`expected nanoseconds, found ${digits}`);
    return BigInt(digits);
  },
};

/** 64 bits without a meaning as a number: 16 hex digits. */
export const word: Field<bigint> = {
  encode: hexWord,
  decode: (json) => {
    const digits = asText(json);
    if (!/^[0-9a-f]{16}$/.test(digits)) throw new Malformed(`expected a word, found ${digits}`);
    return BigInt(`0x${digits}`);
  },
};

export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    encode: (value) => (value === null ? null : field.encode(value)),
    decode: (json) => (json === null ? null : field.decode(json)),
  };
}

/** Left out of the JSON where it is undefined: for what an older version did not write. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    encode: (value) => (value === undefined ? undefined : field.encode(value)),
    decode: (json) => (json === undefined ? undefined : field.decode(json)),
  };
}

export function list<T>(field: Field<T>): Field<T[]> {
  return {
    encode: (values) => values.map((value) => field.encode(value)),
    decode: (json) => asArray(json).map((item) => field.decode(item)),
  };
}

export function pair<A, B>(a: Field<A>, b: Field<B>): Field<[A, B]> {
  return {
    encode: ([first, second]) => [a.encode(first), b.encode(second)],
    decode: (json) => {
      const [first, second] = asArray(json);
      return [a.decode(first), b.decode(second)];
    },
  };
}

export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

export function object<T extends object>(fields: Fields<T>): Field<T> {
  const keys = Object.keys(fields) as (keyof T & string)[];
  return {
    encode: (value) => {
      const json: Record<string, unknown> = {};
      for (const key of keys) json[key] = fields[key].encode(value[key]);
      return json;
    },
    decode: (json) => {
      if (typeof json !== 'object' || json === null) throw new Malformed('expected an object');
      const source = json as Record<string, unknown>;
      // one by one: V8 gives all of them one shape, and there is no array per field
      const value: Partial<T> = {};
      for (const key of keys) value[key] = fields[key].decode(source[key]);
      return value as T;
    },
  };
}

export interface ControlCodec<T> {
  encode(value: T): Uint8Array;
  /** Throws DAMAGED: the entry's CRC held, so another writer than ours made it. */
  decode(payload: Uint8Array): T;
}

export function control<T extends object>(name: string, fields: Fields<T>): ControlCodec<T> {
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

/** One object of a list as text: what is kept of it from earlier, and the rest. */
export interface ListText {
  kept?: Uint8Array;
  text: string;
}

/**
 * An entry as `encode` would give it, with a long list written as text: a tree of a thousand
 * objects takes several times as long, and an entry that ends a segment is waited for.
 * @param entry encoded, with an empty list under `key`
 */
export function withList(entry: Uint8Array, key: string, list: readonly ListText[]): Uint8Array {
  const empty = Buffer.from(entry.buffer, entry.byteOffset, entry.length);
  const opening = `"${key}":[`;
  const behind = empty.indexOf(opening) + opening.length;
  const size = (sum: number, { kept, text }: ListText): number =>
    sum + (kept?.length ?? 0) + UTF8_MAX_BYTES * (text.length + 1);
  const bytes = Buffer.allocUnsafe(list.reduce(size, empty.length));
  let at = empty.copy(bytes, 0, 0, behind);
  for (const [i, { kept, text }] of list.entries()) {
    if (kept) bytes.set(kept, at);
    at += kept?.length ?? 0;
    at += bytes.write(i < list.length - 1 ? `${text},` : text, at);
  }
  at += empty.copy(bytes, at, behind);
  return bytes.subarray(0, at);
}

/** A number of 64 bits, or nothing, as text. */
export function orNull(value: number | bigint | null): string {
  return value === null ? 'null' : `"${value}"`;
}
