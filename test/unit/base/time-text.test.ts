import { describe, expect, test } from 'vitest';
import { formatUtc, parseTimeNanos } from '../../../engine/base/time-text.ts';

const NOW = 1_764_000_000_123_456_789n;
const HOUR = 3_600_000_000_000n;

describe('a moment', () => {
  test('is shown cut to milliseconds, before 1970 too', () => {
    expect(formatUtc(-1n)).toBe('1969-12-31T23:59:59.999Z');
    expect(formatUtc(1_999_999n)).toBe('1970-01-01T00:00:00.001Z');
  });

  test.each([
    ['now', NOW],
    ['-1h', NOW - HOUR],
    ['now-1h', NOW - HOUR],
    ['now+2w', NOW + 336n * HOUR],
    ['-90s', NOW - 90_000_000_000n],
    ['1764000000000000001', 1_764_000_000_000_000_001n],
    ['1970-01-02', 24n * HOUR],
    ['1970-01-01T01:00Z', HOUR],
    ['1970-01-01 01:00:00Z', HOUR],
    ['1970-01-01T01:00:00+01:00', 0n],
    ['1969-12-31T23:30:00-00:30', 0n],
    ['1970-01-01T00:00:01.000000001Z', 1_000_000_001n],
    ['1970-01-01T00:00:01.5Z', 1_500_000_000n],
    ['2024-02-29T00:00:00Z', BigInt(Date.UTC(2024, 1, 29)) * 1_000_000n],
  ])('%s is %d ns', (text, nanos) => {
    expect(parseTimeNanos(text, NOW)).toBe(nanos);
  });

  test.each([
    ['2026-11-25T10:00', /has no zone: add Z/],
    ['2026-02-30', /no time that there is/],
    ['2026-01-01T24:00:00Z', /no time that there is/],
    ['2026-01-01T00:60:00Z', /no time that there is/],
    ['1764000000', /1764000000 would be 1970 as nanoseconds/],
    ['1764000000000', /would be 1970/],
    ['-1764000000000000', /would be 1970/],
    ['yesterday', /is no time such as/],
    ['1h', /is no time such as/],
    ['-1month', /is no time such as/],
    ['', /is no time such as/],
    ['2026', /is no time such as/],
  ])('%s is refused', (text, message) => {
    expect(() => parseTimeNanos(text, NOW)).toThrow(message);
  });
});
