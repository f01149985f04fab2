import { describe, expect, test } from 'vitest';
import { ruleFor } from '../../../engine/base/retention.ts';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { testDrivers } from '../../support/drivers.ts';
import { memoryFiles } from '../../support/memory-files.ts';

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;

interface Given {
  flags?: Record<string, string>;
  environment?: Record<string, string>;
  more?: Record<string, string>;
}

function resolve(
  text: string,
  { flags = {}, environment = {}, more = {} }: Given = {},
): ResolvedConfig {
  const path = '/etc/helicorder/helicorder.yaml';
  const files = memoryFiles({ [path]: text, ...more });
  return resolveConfig({ files, environment, flags, hostName: 'box', drivers: testDrivers });
}

function store(text: string, flags: Record<string, string> = {}): ResolvedConfig['config'] {
  return resolve(`store: {${text}}`, { flags }).config;
}

describe('the budget', () => {
  test.each([
    ['16MiB', 1],
    ['31MiB', 1],
    ['200MiB', 12],
    ['1GiB', 64],
    ['20GiB', 64],
  ])('%s without a segment size is cut into segments of %d MiB', (bytes, mib) => {
    expect(store(`budget: {bytes: ${bytes}}`).segmentBytes).toBe(mib * MIB);
  });

  test('a given segment size holds, if eight of them have room', () => {
    expect(store('segmentSize: 8MiB, budget: {bytes: 64MiB}').segmentBytes).toBe(8 * MIB);
    expect(() => store('segmentSize: 8MiB, budget: {bytes: 63MiB}')).toThrow(
      'helicorder.yaml:1: store.budget.bytes: 63MiB has no room for 8 segments of 8MiB: ' +
        'give at least 64MiB, or a store.segmentSize of 3MiB, or none',
    );
  });

  test('a flag that is too small is a misuse', () => {
    const tooSmall = (): unknown => store('segmentSize: 8MiB', { 'budget-bytes': '32MiB' });
    expect(tooSmall).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(tooSmall).toThrow(/^--budget-bytes: 32MiB has no room for 8 segments of 8MiB/);
  });

  test('budget and place of the chunks come from files, variables and flags', () => {
    const text = 'store: {budget: {bytes: 20GiB, minFree: 1GiB}}\nchunks: {dir: /mnt/a}\n';
    const { config } = resolve(text);
    expect(config.budget).toEqual({ bytes: 20 * 1024 * MIB, minFreeBytes: 1024 * MIB });
    expect(config.chunksDir).toBe('/mnt/a');
    const environment = { HELICORDER_BUDGET_MIN_FREE: '2GiB' };
    const resolved = resolve(text, { environment, flags: { 'chunks-dir': '/mnt/b' } });
    expect(resolved.config.budget.minFreeBytes).toBe(2048 * MIB);
    expect(resolved.config.chunksDir).toBe('/mnt/b');
    expect(resolved.values).toEqual(
      expect.arrayContaining([
        {
          key: 'store.budget.bytes',
          value: '20GiB',
          origin: '/etc/helicorder/helicorder.yaml:1',
        },
        {
          key: 'store.budget.minFree',
          value: '2GiB',
          origin: 'HELICORDER_BUDGET_MIN_FREE',
        },
        { key: 'chunks.dir', value: '/mnt/b', origin: '--chunks-dir' },
      ]),
    );
  });
});

const TEXT = `
defaults:
  retain: {age: 4w, bytes: 2GiB}
streams:
  - {stream: plant/*, class: bulk, retain: {age: 7d}}
  - {stream: '*/pump', class: critical}
sources:
  - {source: network, stream: plant/eth0, onFull: drop-oldest, retain: {bytes: 1MiB}}
  - {source: synthetic, stream: plant/pump}
`;

describe('retention', () => {
  test('a source over the first pattern that matches over the defaults, key by key', () => {
    const { retention } = resolve(TEXT).config;
    expect(ruleFor(retention, 'plant/eth0')).toEqual({
      pattern: 'plant/eth0',
      ageMs: 7 * DAY_MS,
      bytes: MIB,
      onFull: 'drop-oldest',
      class: 'bulk',
    });
    expect(ruleFor(retention, 'plant/pump')).toMatchObject({ pattern: 'plant/*', class: 'bulk' });
    expect(ruleFor(retention, 'lab/pump')).toMatchObject({
      class: 'critical',
      ageMs: 28 * DAY_MS,
      bytes: 2048 * MIB,
    });
    expect(ruleFor(retention, 'lab/fan')).toMatchObject({
      pattern: '*',
      class: 'normal',
      onFull: 'reject-new',
    });
  });

  test('every effective value is shown with where it comes from', () => {
    const { values } = resolve(TEXT, { flags: { class: 'critical' } });
    const shown = (key: string): unknown[] => {
      const found = values.find((value) => value.key === key);
      return [found?.value, found?.origin];
    };
    const file = '/etc/helicorder/helicorder.yaml';
    expect(shown('defaults.retain.age')).toEqual(['28d', `${file}:3`]);
    expect(shown('defaults.class')).toEqual(['normal', 'default']);
    expect(shown('streams[0].stream')).toEqual(['plant/*', `${file}:5`]);
    expect(shown('streams[0].retain.age')).toEqual(['7d', `${file}:5`]);
    expect(shown('streams[1].retain.age')).toEqual(['28d', `${file}:3`]);
    expect(shown('sources[0].retain.bytes')).toEqual(['1MiB', `${file}:8`]);
    expect(shown('sources[0].retain.age')).toEqual(['7d', `${file}:5`]);
    expect(shown('sources[1].class')).toEqual(['critical', '--class']);
    expect(shown('sources[1].onFull')).toEqual(['reject-new', 'default']);
  });

  test('each of several synthetic sources has its rule', () => {
    const text = 'sources: [{source: synthetic, stream: a/b, count: 2, class: bulk}]';
    const { retention } = resolve(text).config;
    expect(retention.map(({ pattern }) => pattern)).toEqual(['a/b-0', 'a/b-1', '*']);
  });

  test('patterns of later files stand behind those of earlier ones', () => {
    const more = { '/etc/helicorder/conf.d/a.yaml': "streams: [{stream: 'a/*', class: bulk}]" };
    const { retention } = resolve("streams: [{stream: 'b/*'}]", { more }).config;
    expect(retention.map(({ pattern }) => pattern)).toEqual(['b/*', 'a/*', '*']);
  });
});
