import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  KEEP_ALL,
  matchesPattern,
  ruleFor,
  type RetentionRule,
} from '../../../engine/base/retention.ts';

function rule(pattern: string): RetentionRule {
  return { pattern, ageMs: undefined, bytes: undefined, onFull: 'reject-new', class: 'normal' };
}

describe('patterns of streams', () => {
  test.each([
    ['*', 'plant/pump', true],
    ['plant/pump', 'plant/pump', true],
    ['plant/pump', 'plant/pump-3', false],
    ['plant/*', 'plant/pump', true],
    ['plant/*', 'plants/pump', false],
    ['plan*/pump', 'plant/pump', true],
    ['*/pump', 'plant/pump', true],
    ['*pump', 'plant/pump', false],
    ['plant*', 'plant/pump', false],
    ['plant/*-x-*', 'plant/a-x-b', true],
    ['plant/*-x-*', 'plant/a-xb', false],
    ['plant/ab*ba', 'plant/aba', false],
    ['plant/ab*ba', 'plant/abba', true],
    ['plant/a**b', 'plant/ab', true],
    ['plant/a.b', 'plant/axb', false],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected);
  });

  test('a star is any characters but the slash, as the regular expression says', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    fc.assert(
      fc.property(text, name, (pattern, part) => {
        const expression = new RegExp(`^s/${pattern.replaceAll('*', '[^/]*')}$`);
        expect(matchesPattern(`s/${pattern}`, `s/${part}`)).toBe(expression.test(`s/${part}`));
      }),
    );
  });

  test('a pattern of many stars takes no longer than its length', () => {
    const pattern = `s/${'a*'.repeat(90)}b`;
    expect(matchesPattern(pattern, `s/${'a'.repeat(190)}`)).toBe(false);
  });
});

describe('rules', () => {
  test('the first that matches wins', () => {
    const rules = ['plant/pump', 'plant/*', '*'].map(rule);
    const patternFor = (name: string): string => ruleFor(rules, name).pattern;
    expect(patternFor('plant/pump')).toBe('plant/pump');
    expect(patternFor('plant/fan')).toBe('plant/*');
    expect(patternFor('lab/pump')).toBe('*');
  });

  test('what no rule names is kept', () => {
    expect(ruleFor([rule('plant/*')], 'lab/pump')).toBe(KEEP_ALL);
  });
});
