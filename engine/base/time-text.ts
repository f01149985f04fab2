/**
 * A moment as people write and read it. A date without a zone is refused if it has a time of day:
 * an hour too early or too late would be found without a word.
 */
import { NANOS_PER_MILLI, NANOS_PER_SECOND } from './constants.ts';

const MILLI = BigInt(NANOS_PER_MILLI);
const SECOND = BigInt(NANOS_PER_SECOND);

const SECONDS: Readonly<Record<string, bigint>> = {
  s: 1n,
  m: 60n,
  h: 3600n,
  d: 86_400n,
  w: 604_800n,
};

const EXPECTED =
  '2026-11-25T14:30:00Z, 2026-11-25, -1h, now-2d or nanoseconds since 1970 (times are UTC or carry a zone)';
const NUMBER = /^-?\d{9,19}$/;
/** 1973: what is less is seconds, milliseconds or microseconds of our days. */
const NANOS_MIN = 10n ** 17n;
const RELATIVE = /^(?:now)?([+-])(\d{1,9})(s|m|h|d|w)$/;
const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * @param nowNanos what `now` and relative times are counted from
 * @returns UTC ns
 * @throws RangeError that says what was expected
 */
export function parseTimeNanos(text: string, nowNanos: bigint): bigint {
  if (text === 'now') return nowNanos;
  if (NUMBER.test(text)) return nanosOf(text);
  const [, sign, digits, unit] = RELATIVE.exec(text) ?? [];
  if (sign !== undefined) {
    const nanos = BigInt(digits!) * SECONDS[unit!]! * SECOND;
    return sign === '-' ? nowNanos - nanos : nowNanos + nanos;
  }
  return isoNanos(text);
}

/** UTC, ISO 8601, cut to milliseconds. */
export function formatUtc(utcNanos: bigint): string {
  const remainder = utcNanos % MILLI;
  const floored = remainder < 0n ? utcNanos - MILLI - remainder : utcNanos - remainder;
  return new Date(Number(floored / MILLI)).toISOString();
}

function nanosOf(text: string): bigint {
  const nanos = BigInt(text);
  if (nanos >= NANOS_MIN || nanos <= -NANOS_MIN) return nanos;
  throw new RangeError(`${text} would be 1970 as nanoseconds, as a number is: write ${EXPECTED}`);
}

function isoNanos(text: string): bigint {
  const match = ISO.exec(text);
  if (match === null) throw new RangeError(`"${text}" is no time such as ${EXPECTED}`);
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match;
  if (hour !== undefined && zone === undefined) {
    throw new RangeError(`"${text}" has no zone: add Z for UTC, or one such as +01:00`);
  }
  const date = [year, month, day].map(Number) as [number, number, number];
  const time = [hour ?? 0, minute ?? 0, second].map(Number) as [number, number, number];
  const millis = Date.UTC(date[0], date[1] - 1, date[2], ...time);
  const moment = new Date(millis);
  const isReal =
    moment.getUTCMonth() === date[1] - 1 &&
    moment.getUTCDate() === date[2] &&
    moment.getUTCHours() === time[0] &&
    moment.getUTCMinutes() === time[1] &&
    moment.getUTCSeconds() === time[2];
  if (!isReal) throw new RangeError(`"${text}" is no time that there is`);
  const nanos = BigInt(millis) * MILLI + BigInt(fraction.padEnd(9, '0'));
  return nanos - zoneSeconds(zone) * SECOND;
}

function zoneSeconds(zone: string | undefined): bigint {
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d\d):(\d\d)$/.exec(zone ?? '') ?? [];
  const seconds = BigInt(hours) * 3600n + BigInt(minutes) * 60n;
  return sign === '-' ? -seconds : seconds;
}
