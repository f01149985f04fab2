import { describe, expect, test } from 'vitest';
import { Growth, limitBytes } from '../../../engine/base/growth.ts';

describe('when a store will be full', () => {
  test('is where its growth meets the limit', () => {
    const growth = new Growth();
    for (let minute = 0; minute <= 10; minute++) growth.note(minute * 60_000, minute * 600);
    // 600 bytes a minute, 6000 of 12,000 bytes taken
    expect(growth.secondsUntil(12_000)).toBe(600);
    expect(growth.secondsUntil(5_000)).toBe(0);
  });

  test('is never, where nothing grows', () => {
    const growth = new Growth();
    growth.note(0, 5000);
    growth.note(120_000, 4000);
    expect(growth.secondsUntil(12_000)).toBeNull();
  });

  test('cannot be told from less than a minute', () => {
    const growth = new Growth();
    growth.note(0, 0);
    growth.note(59_000, 1000);
    expect(growth.secondsUntil(12_000)).toBeNull();
  });

  test('the limit is the budget, or what the disk has left for the store', () => {
    expect(limitBytes(100, 50, undefined)).toBe(150);
    expect(limitBytes(100, 50, { bytes: 120, minFreeBytes: 0 })).toBe(120);
    expect(limitBytes(100, 50, { bytes: undefined, minFreeBytes: 20 })).toBe(130);
    expect(limitBytes(100, 10, { bytes: undefined, minFreeBytes: 20 })).toBe(100);
  });
});
