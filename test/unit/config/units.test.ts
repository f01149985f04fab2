import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatSize,
  parseDurationNanos,
  parseRateHz,
  parseSizeBytes,
} from '../../../engine/config/units.ts';

describe('units', () => {
  test.each([
    ['100ms', 100_000_000n],
    ['1.5s', 1_500_000_000n],
    ['1us', 1_000n],
    ['2 h', 7_200_000_000_000n],
    ['1ns', 1n],
    ['2w', 1_209_600_000_000_000n],
    ['30d', 2_592_000_000_000_000n],
  ])('the duration %s is %d ns', (text, nanos) => {
    expect(parseDurationNanos(text)).toBe(nanos);
  });

  test('a bare number is refused as a duration and as a size, and says what is missing', () => {
    for (const value of [100, '100', '1.5']) {
      expect(() => parseDurationNanos(value)).toThrow(/has no unit, expected a duration/);
      expect(() => parseSizeBytes(value)).toThrow(/has no unit, expected a size/);
    }
  });

  test.each(['', 'ms', '-1s', '1 week', '1s2', null, {}])('%s is not a duration', (value) => {
    expect(() => parseDurationNanos(value)).toThrow(RangeError);
  });

  test('a fraction of a nanosecond is refused', () => {
    expect(() => parseDurationNanos('1.5ns')).toThrow(/whole number of ns/);
  });

  test.each([
    ['64MiB', 67_108_864],
    ['20GB', 20_000_000_000],
    ['1.5KiB', 1536],
  ])('the size %s is %d bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  test('units of size are case-sensitive', () => {
    expect(() => parseSizeBytes('64mib')).toThrow(/not a size/);
  });

  test.each([
    [1000, 1000],
    ['0.5', 0.5],
    ['2kHz', 2000],
    ['10 Hz', 10],
  ])('the rate %s is %d Hz', (text, hz) => {
    expect(parseRateHz(text)).toBe(hz);
  });

  test('a printed duration reads as itself', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 14n }), (nanos) => {
        expect(parseDurationNanos(formatDuration(nanos))).toBe(nanos);
      }),
    );
  });

  test('a printed size reads as itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 49 }), fc.boolean(), (value, isWhole) => {
        const bytes = isWhole ? value - (value % 2 ** 20) : value;
        expect(parseSizeBytes(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  test('bytes are printed with a binary unit', () => {
    expect([0, 1023, 67_108_864].map(formatBytes)).toEqual(['0 B', '1023 B', '64 MiB']);
  });
});
