/**
 * Durations, sizes and rates as people write them. A bare number is refused where it could mean
 * two things: `flush: 100` may be seconds or milliseconds to its reader, `100ms` is neither.
 * Parsers of one value throw a RangeError whose message says what was expected, for the caller to
 * place.
 */
import { GIB, KIB, MIB, NANOS_PER_MILLI } from '../base/constants.ts';

const DURATION_NANOS = new Map<string, bigint>(
  Object.entries({
    ns: 1n,
    us: 1_000n,
    µs: 1_000n,
    ms: 1_000_000n,
    s: 1_000_000_000n,
    m: 60_000_000_000n,
    min: 60_000_000_000n,
    h: 3_600_000_000_000n,
    d: 86_400_000_000_000n,
    w: 604_800_000_000_000n,
  }),
);

const SIZE_BYTES = new Map<string, number>(
  Object.entries({
    B: 1,
    KiB: KIB,
    MiB: MIB,
    GiB: GIB,
    TiB: 1024 * GIB,
    kB: 1e3,
    MB: 1e6,
    GB: 1e9,
    TB: 1e12,
  }),
);

const NUMBER_WITH_UNIT = /^(\d{1,15})(?:\.(\d{1,9}))?\s*([a-zA-Zµ]+)$/;

function split(value: unknown, expected: string): { digits: bigint; scale: bigint; unit: string } {
  const match = typeof value === 'string' ? NUMBER_WITH_UNIT.exec(value.trim()) : null;
  if (!match) {
    const bare = typeof value === 'number' || /^[\d.]+$/.test(String(value));
    throw new RangeError(
      bare ? `${value} has no unit, expected ${expected}` : `"${value}" is not ${expected}`,
    );
  }
  const fraction = match[2] ?? '';
  return {
    digits: BigInt(match[1]! + fraction),
    scale: 10n ** BigInt(fraction.length),
    unit: match[3]!,
  };
}

/** `100ms`, `1.5s`, `2h` → ns. Fractions of a nanosecond are refused. */
export function parseDurationNanos(value: unknown): bigint {
  const expected = 'a duration such as 100ms, 10s or 2h';
  const { digits, scale, unit } = split(value, expected);
  const unitNanos = DURATION_NANOS.get(unit);
  if (unitNanos === undefined) throw new RangeError(`"${value}" is not ${expected}`);
  if ((digits * unitNanos) % scale !== 0n)
    throw new RangeError(`"${value}" is no whole number of ns`);
  return (digits * unitNanos) / scale;
}

/** `64MiB`, `20GB` → bytes; units are case-sensitive, so that nobody gets a tenth less or more. */
export function parseSizeBytes(value: unknown): number {
  const expected = 'a size such as 64MiB or 20GB';
  const { digits, scale, unit } = split(value, expected);
  const unitBytes = SIZE_BYTES.get(unit);
  if (unitBytes === undefined) throw new RangeError(`"${value}" is not ${expected}`);
  const bytes = (digits * BigInt(unitBytes)) / scale;
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`"${value}" is too large`);
  return Number(bytes);
}

/** `1000`, `10Hz`, `2.5kHz` → Hz. A rate is always in hertz, so a bare number is clear. */
export function parseRateHz(value: unknown): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(Hz|kHz)?$/.exec(String(value).trim());
  if (!match || (typeof value !== 'number' && typeof value !== 'string')) {
    throw new RangeError(`"${value}" is not a rate such as 1000, 0.5 or 2kHz`);
  }
  return Number(match[1]) * (match[2] === 'kHz' ? 1000 : 1);
}

/** The shortest exact spelling: 100000000 → `100ms`. */
export function formatDuration(nanos: bigint): string {
  for (const unit of ['d', 'h', 'm', 's', 'ms', 'us']) {
    const unitNanos = DURATION_NANOS.get(unit)!;
    if (nanos > 0n && nanos % unitNanos === 0n) return `${nanos / unitNanos}${unit}`;
  }
  return `${nanos}ns`;
}

export function formatDurationMs(ms: number): string {
  return formatDuration(BigInt(Math.round(ms * NANOS_PER_MILLI)));
}

/** The shortest exact spelling: 67108864 → `64MiB`. */
export function formatSize(bytes: number): string {
  const units = Object.entries({ TiB: 1024 * GIB, GiB: GIB, MiB: MIB, KiB: KIB });
  const found = units.find(([, unitBytes]) => bytes > 0 && bytes % unitBytes === 0);
  return found ? `${bytes / found[1]}${found[0]}` : `${bytes}B`;
}

/** For people: three digits and a binary unit, 67108864 → `64 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toPrecision(value >= 1000 ? 4 : 3))} ${units[unit]}`;
}

const RANGE = /^(\d+)\.\.(\d+)$/;

/**
 * Whole numbers from the first to the last: `0..511`. Where the first is written with leading
 * zeros, texts of as many digits: `000..511`.
 * @returns undefined for any other text, and for more than `max` numbers
 */
export function parseRange(text: string, max: number): (number | string)[] | undefined {
  const [, first, last] = RANGE.exec(text) ?? [];
  const length = rangeLength(text);
  if (first === undefined || last === undefined || length < 1 || length > max) return undefined;
  const isPadded = first.length > 1 && first.startsWith('0');
  return Array.from({ length }, (_, i) => {
    const number = Number(first) + i;
    return isPadded ? String(number).padStart(first.length, '0') : number;
  });
}

/** How many numbers `0..511` is; 0 for any other text, and for a last before the first. */
export function rangeLength(text: string): number {
  const [, first, last] = RANGE.exec(text) ?? [];
  return Math.max(0, Number(last ?? -1) - Number(first ?? 0) + 1);
}
