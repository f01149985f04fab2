/**
 * What a stream's records look like. A schema is stored once, by id, as canonical JSON
 * (`docs/format-batch.md`); two schemas are the same exactly if their canonical forms are.
 */
import { createHash } from 'node:crypto';
import { CHANNELS_MAX, NAME_MAX_BYTES } from '../base/constants.ts';
import { damaged } from '../base/bytes.ts';

export const CHANNEL_TYPES = [
  'i8',
  'u8',
  'i16',
  'u16',
  'i32',
  'u32',
  'i64',
  'u64',
  'f32',
  'f64',
] as const;

export type ChannelType = (typeof CHANNEL_TYPES)[number];

/** One column of a source: raw values of `type`; raw × scale + offset is physical, in `unit`. */
export interface Channel {
  name: string;
  type: ChannelType;
  unit: string;
  scale: number;
  offset: number;
}

export type Schema = { kind: 'samples'; channels: Channel[] } | { kind: 'opaque' };

/** The attribute of a run in which its routing key stands. */
export const ROUTING_KEY = 'RemoteAddr';
/** Keys of every event's JSON; the attributes of its run add more. */
export const EVENT_KEYS = ['TimestampNanos', 'LastTimestampFormatted', ROUTING_KEY] as const;

export const OPAQUE_SCHEMA: Schema = { kind: 'opaque' };

/** Width of a value, bytes: also its alignment in a ring row. */
export function channelBytes(type: ChannelType): number {
  return Number(type.slice(1)) / 8;
}

export function isFloat(type: ChannelType): boolean {
  return type === 'f32' || type === 'f64';
}

/** The numbers that an integer type holds: from the first to before the second. */
export const INTEGER_RANGES: Partial<Record<ChannelType, readonly [from: number, end: number]>> = {
  ...{ i8: [-(2 ** 7), 2 ** 7], u8: [0, 2 ** 8], i16: [-(2 ** 15), 2 ** 15], u16: [0, 2 ** 16] },
  ...{ i32: [-(2 ** 31), 2 ** 31], u32: [0, 2 ** 32] },
  ...{ i64: [-(2 ** 63), 2 ** 63], u64: [0, 2 ** 64] },
};

/** Are the values of this type too wide for a double? Then columns are 64-bit BigInt arrays. */
export function isWide(type: ChannelType): boolean {
  return type === 'i64' || type === 'u64';
}

export function canonicalSchema(schema: Schema): string {
  if (schema.kind === 'opaque') return '{"kind":"opaque"}';
  const channels = schema.channels.map(({ name, type, unit, scale, offset }) =>
    // −0 prints as 0, like any JSON: the physical values are the same
    JSON.stringify({ name, type, unit, scale, offset }),
  );
  return `{"kind":"samples","channels":[${channels.join(',')}]}`;
}

/** 32 hex digits: the first 16 bytes of the canonical form's SHA-256. */
export function schemaId(schema: Schema): string {
  return createHash('sha256').update(canonicalSchema(schema)).digest('hex').slice(0, 32);
}

/**
 * What is wrong with the names of channels that are about to be recorded; undefined: nothing. What
 * is stored already is read whatever the names, for their values are sound.
 * @param taken names that an event's JSON has beside its channels' (`json.ts`)
 */
export function nameProblem(
  channels: readonly { name: string }[],
  taken: readonly string[] = EVENT_KEYS,
): { index: number; why: string } | undefined {
  const seen = new Set<string>();
  for (const [index, { name }] of channels.entries()) {
    const bytes = Buffer.byteLength(name);
    if (bytes < 1 || bytes > NAME_MAX_BYTES) {
      return { index, why: `must be text of 1 to ${NAME_MAX_BYTES} bytes, not ${bytes}` };
    }
    if (seen.has(name)) return { index, why: `"${name}" is the name of another channel` };
    if (taken.includes(name)) return { index, why: `"${name}" is a key that every event has` };
    seen.add(name);
  }
  return undefined;
}

/** Reads what `canonicalSchema` wrote. Throws DAMAGED if it is anything else. */
export function parseSchema(text: string): Schema {
  const schema = schemaOf(parseJson(text));
  if (canonicalSchema(schema) !== text) throw damaged('schema: not in canonical form');
  return schema;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged('schema: not JSON');
  }
}

function schemaOf(value: unknown): Schema {
  if (!isObject(value)) throw damaged('schema: not an object');
  if (value.kind === 'opaque') return OPAQUE_SCHEMA;
  if (value.kind !== 'samples') throw damaged('schema: kind is neither samples nor opaque');
  const { channels } = value;
  if (!Array.isArray(channels) || channels.length === 0 || channels.length > CHANNELS_MAX) {
    throw damaged(`schema: channels is not a list of 1 to ${CHANNELS_MAX}`);
  }
  return { kind: 'samples', channels: channels.map(channelOf) };
}

function channelOf(value: unknown, index: number): Channel {
  const what = `schema: channel ${index}`;
  if (!isObject(value)) throw damaged(`${what} is not an object`);
  const { name, type, unit, scale, offset } = value;
  if (typeof name !== 'string' || name === '') throw damaged(`${what}: name is not text`);
  if (!isChannelType(type)) throw damaged(`${what}: type ${String(type)} is unknown`);
  if (typeof unit !== 'string') throw damaged(`${what}: unit is not text`);
  if (typeof scale !== 'number' || typeof offset !== 'number') {
    throw damaged(`${what}: scale or offset is not a number`);
  }
  return { name, type, unit, scale, offset };
}

function isChannelType(value: unknown): value is ChannelType {
  return (CHANNEL_TYPES as readonly unknown[]).includes(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
