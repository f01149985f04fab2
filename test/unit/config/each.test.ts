/** One entry of `sources` that stands for many. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { testDrivers } from '../../support/drivers.ts';
import { memoryFiles } from '../../support/memory-files.ts';

function resolve(source: string): ResolvedConfig {
  const files = memoryFiles({ './helicorder.yaml': `sources:\n  - {${source}}\n` });
  return resolveConfig({ files, environment: {}, hostName: 'box', drivers: testDrivers });
}

describe('each', () => {
  test('is one source for every combination, its texts filled in', () => {
    const { config } = resolve(
      'source: synthetic, each: {rack: [a, b], n: 0..511}, seed: "{n}", rate: 500, ' +
        'stream: "plant/{rack}-{n}", routingKey: "rack {rack}"',
    );
    expect(config.sources).toHaveLength(1024);
    expect(config.sources[513]).toMatchObject({
      name: 'b-1',
      stream: 'plant/b-1',
      writer: 'b-1',
      routingKey: 'rack b',
      rateHz: 500,
      options: { seed: 1, channels: 3 },
    });
  });

  test('fills in lists within a source, and keeps what has no braces', () => {
    const { config } = resolve(
      'source: network, each: {port: [eth0, eth1]}, stream: "net/{port}", interface: "{port}", ' +
        'statistics: [rx_bytes]',
    );
    expect(config.sources.map(({ options }) => options)).toEqual([
      { interface: 'eth0', statistics: ['rx_bytes'] },
      { interface: 'eth1', statistics: ['rx_bytes'] },
    ]);
  });

  test('numbers with leading zeros keep their digits', () => {
    const { config } = resolve('source: network, each: {n: 08..10}, stream: "net/p{n}"');
    expect(config.sources.map(({ name }) => name)).toEqual(['p08', 'p09', 'p10']);
  });

  test('goes with count', () => {
    const { config } = resolve(
      'source: synthetic, each: {n: [1, 2]}, stream: "a/x{n}", count: 2, seed: "{n}"',
    );
    expect(config.sources.map(({ name }) => name)).toEqual(['x1-0', 'x1-1', 'x2-0', 'x2-1']);
  });

  test('the example is what it says', () => {
    const path = 'examples/many-sensors.yaml';
    const files = memoryFiles({ [path]: readFileSync(path, 'utf8') });
    const { config } = resolveConfig({
      files,
      path,
      environment: {},
      hostName: 'box',
      drivers: DRIVERS,
    });
    expect(config.sources).toHaveLength(1024 + 2);
    expect(config.sources[512]).toMatchObject({ name: 'b000', stream: 'rack-b/probe-000' });
  });

  test('is shown as it was written', () => {
    const { values } = resolve(
      'source: synthetic, each: {n: 0..3}, stream: "a/x{n}", seed: "{n}", rate: 10',
    );
    const shown = Object.fromEntries(values.map(({ key, value }) => [key, value]));
    expect(shown).toMatchObject({
      'sources[0].each': { n: '0..3' },
      'sources[0].stream': 'a/x{n}',
      'sources[0].name': 'x{n}',
      'sources[0].writer': 'x{n}',
      'sources[0].seed': '{n}',
      'sources[0].rate': 10,
      'sources[0].channels': 3,
    });
  });

  test.each([
    ['source: synthetic, each: {n: 0..3}', 'stream: must contain {n}'],
    ['source: synthetic, each: {n: 0..3, m: [1]}, stream: "a/{m}"', 'must contain {n}'],
    [
      'source: synthetic, each: {probe: 0..3}, stream: "a/{probe}{probes}"',
      'did you mean "probe"?',
    ],
    [
      'source: synthetic, each: {n: 0..99, m: 0..99}, stream: "a/{n}-{m}"',
      'stands for 10000 sources',
    ],
    ['source: synthetic, each: {n: 3..0}, stream: "a/{n}"', 'numbers such as 0..511'],
    ['source: synthetic, each: {n: []}, stream: "a/{n}"', 'each.n'],
    ['source: synthetic, each: 5, stream: "a/{n}"', 'expected {probe: 0..511}'],
    ['source: synthetic, each: {"a b": [1]}, stream: "a/{n}"', 'each'],
    ['source: synthetic, each: {n: 0..3}, stream: "a/{n}", seed: "{n}x"', 'seed'],
    ['source: synthetic, eech: {n: 0..3}, stream: "a/b"', 'did you mean "each"?'],
    ['source: synthetic, each: {n: [1, 1]}, stream: "a/{n}"', 'is used by another source'],
  ])('refuses {%s}', (source, why) => {
    const refused = (): unknown => resolve(source);
    expect(refused).toThrow(HelicorderError);
    expect(refused).toThrow(/helicorder\.yaml:2/);
    expect(refused).toThrow(why);
  });
});
