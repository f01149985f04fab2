/** What a person asks of the threads that sample, and of the processors they run on. */
import { describe, expect, test } from 'vitest';
import type { Environment } from '../../../engine/config/config-file.ts';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { memoryFiles } from '../../support/memory-files.ts';

interface Given {
  environment?: Environment;
  flags?: Record<string, string>;
}

function resolve(text: string, { environment = {}, flags = {} }: Given = {}): ResolvedConfig {
  const files = memoryFiles({ './helicorder.yaml': `${text}\n` });
  return resolveConfig({ files, drivers: DRIVERS, environment, flags, hostName: 'box' });
}

function valueOf({ values }: ResolvedConfig, key: string): unknown[] {
  const { value, origin } = values.find((one) => one.key === key)!;
  return [value, origin];
}

test('by default no thread spins, and processors sleep as the kernel decides', () => {
  const resolved = resolve('sources: [{source: synthetic}]');
  expect(resolved.config).toMatchObject({ spinNanos: 0, cpuDmaLatencyMicros: undefined });
  expect(valueOf(resolved, 'spin')).toEqual(['0us', 'default']);
  expect(valueOf(resolved, 'cpuDmaLatency')).toEqual([null, 'default']);
});

test('file, variable and flag take both, each over the one before', () => {
  const text = 'spin: 20us\ncpuDmaLatency: 1ms';
  const environment = { HELICORDER_SPIN: '60us', HELICORDER_CPU_DMA_LATENCY: '20us' };
  const flags = { spin: '0.1ms', 'cpu-dma-latency': '0us' };
  const both = ({ config }: ResolvedConfig): unknown[] => {
    return [config.spinNanos, config.cpuDmaLatencyMicros];
  };
  expect(both(resolve(text))).toEqual([20_000, 1000]);
  expect(both(resolve(text, { environment }))).toEqual([60_000, 20]);
  const resolved = resolve(text, { environment, flags });
  expect(both(resolved)).toEqual([100_000, 0]);
  expect(valueOf(resolved, 'spin')).toEqual(['0.1ms', '--spin']);
  expect(valueOf(resolved, 'cpuDmaLatency')).toEqual(['0us', '--cpu-dma-latency']);
});

test.each([
  ['spin: 201us', ':1: spin: must be at most 200us'],
  ['spin: 60', ':1: spin: 60 has no unit, expected a duration such as'],
  ['spin: 0', ':1: spin: 0 has no unit'],
  ['spin: -1us', ':1: spin: "-1us" is not a duration'],
  ['cpuDmaLatency: 2s', ':1: cpuDmaLatency: must be whole microseconds, at most 1s'],
  ['cpuDmaLatency: 500ns', ':1: cpuDmaLatency: must be whole microseconds'],
  ['cpuDmaLatency: 0', ':1: cpuDmaLatency: 0 has no unit'],
])('%j is an error that names the key', (text, message) => {
  expect(() => resolve(text)).toThrow(
    expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining(message) }),
  );
});

describe('a spin of half a period or more', () => {
  const sources = (rate: string): string =>
    `sources:\n  - {source: synthetic, stream: a/slow}\n` +
    `  - {source: synthetic, stream: a/fast, rate: ${rate}}`;

  test('is an error that names the key, and the source with its rate', () => {
    expect(() => resolve(`spin: 50us\n${sources('10kHz')}`)).toThrow(
      expect.objectContaining({
        code: 'CONFIG',
        message:
          './helicorder.yaml:1: spin: 50us must be less than half the period of every source, ' +
          'and fast has a rate of 10000 Hz: a period of 100us',
      }),
    );
  });

  test.each([
    ['50us', '9999', false],
    ['49.999us', '10kHz', false],
    ['25us', '20kHz', true],
    ['71.429us', '7kHz', true],
    ['71.428us', '7kHz', false],
  ])('%s at %s: %s', (spin, rate, isRefused) => {
    const run = (): unknown => resolve(`spin: ${spin}\n${sources(rate)}`);
    if (isRefused) expect(run).toThrow(/fast has a rate of/);
    else expect(run).not.toThrow();
  });

  test('given as a flag is a misuse', () => {
    const flags = { spin: '200us', rate: '2500' };
    expect(() => resolve('sources: [{source: synthetic}]', { flags })).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(/^--spin: 200us/) }),
    );
  });

  test('says nothing against a source whose thread never spins', () => {
    const source = '{source: sysfs, stream: a/v, rate: 10kHz, channels: [{name: V, path: /v}]}';
    expect(() => resolve(`spin: 200us\nsources: [${source}]`)).not.toThrow();
  });
});
