/** What `validate` says of memory is what a recorder of that configuration takes. */
import { describe, expect, test } from 'vitest';
import { RING_MIN_SECONDS } from '../../../engine/base/constants.ts';
import { resolveConfig, type RecorderConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { bufferSizes } from '../../../engine/recorder/buffers.ts';
import { closeDrivers, planGroups } from '../../../engine/recorder/plan.ts';
import type { BufferSizes } from '../../../engine/tools/types.ts';
import { memoryFiles } from '../../support/memory-files.ts';

function configOf(sources: string, store = '{}'): RecorderConfig {
  const text = `store: ${store}\nsources: ${sources}\n`;
  const files = memoryFiles({ './helicorder.yaml': text });
  return resolveConfig({ files, drivers: DRIVERS, environment: {}, hostName: 'box' }).config;
}

const LOAD = '{source: sysfs, stream: a/load, rate: 1, channels: [{name: l, path: /proc/loadavg}]}';

describe('the sizes of buffers', () => {
  test('are those of the rings that recording makes', () => {
    const config = configOf(`[{source: synthetic, count: 3}, ${LOAD}]`);
    const plan = planGroups(config);
    const { groups } = bufferSizes(config);
    expect(groups.map(({ bus, rateHz, sources }) => [bus, rateHz, sources.length])).toEqual([
      ['native', 1000, 3],
      ['typescript', 1, 1],
    ]);
    groups.forEach(({ ringBytes, rowBytes }, i) => {
      const { spec } = plan.groups[i]!;
      expect(rowBytes).toBe(spec.rowBytes);
      expect(spec.ring.byteLength - ringBytes, 'the control block').toBe(512);
    });
    closeDrivers(plan.groups);
  });

  test.each([
    ['0.1', '100ms', 1],
    ['1000', '100ms', 100],
    ['1000', '10s', 10_000],
    ['20000', '1ms', 20],
  ])('at %s Hz and a flush each %s a batch has %i rows', (rate, flush, batchRows) => {
    const [group] = bufferSizes(
      configOf(`[{source: synthetic, rate: ${rate}}]`, `{flush: ${flush}}`),
    ).groups;
    expect(group).toMatchObject({ batchRows });
    expect(group!.maxBatchRows).toBeGreaterThanOrEqual(batchRows);
    expect(group!.ringSeconds).toBeGreaterThanOrEqual(RING_MIN_SECONDS);
  });

  test('a wide rate group has shorter batches, so that its buffer stays small', () => {
    const { groups } = bufferSizes(configOf('[{source: synthetic, count: 200}]'));
    expect(groups[0]!.maxBatchRows).toBeLessThan(16_384);
    expect(groups[0]!.maxBatchBytes).toBeLessThanOrEqual(4 * 2 ** 20);
  });

  test('what a batch may need grows with its rows, and in a backlog is what it always was', () => {
    const config = (flush: string): RecorderConfig =>
      configOf('[{source: synthetic, count: 32}]', `{flush: ${flush}}`);
    const [short, long] = ['10ms', '100ms'].map((flush) => bufferSizes(config(flush)).groups[0]!);
    expect(short!.batchBytes).toBeGreaterThan(0);
    expect(long!.batchBytes).toBeGreaterThan(short!.batchBytes);
    expect(long!.maxBatchBytes).toBeGreaterThan(long!.batchBytes);
    expect(long!.maxBatchBytes).toBe(short!.maxBatchBytes);
  });

  test('expected is the sum of program, sources, rings and log', () => {
    const config = configOf(`[{source: synthetic}, ${LOAD}]`);
    const sizes = bufferSizes(config);
    const { groups, programBytes, sourceBytes, logBytes, expectedRssBytes } = sizes;
    const rings = groups.reduce((sum, { ringBytes }) => sum + ringBytes, 0);
    expect(expectedRssBytes).toBe(programBytes + sourceBytes + rings + logBytes);
  });

  test('each source counts, and the thread that drivers in TypeScript need', () => {
    const of = (sources: string): BufferSizes => bufferSizes(configOf(sources));
    const [one, many] = [of('[{source: synthetic}]'), of('[{source: synthetic, count: 50}]')];
    expect(many.sourceBytes).toBe(50 * one.sourceBytes);
    expect(many.programBytes).toBe(one.programBytes);
    expect(of(`[${LOAD}]`).programBytes).toBeGreaterThan(one.programBytes);
  });

  test('a device that is not here is named, the others are measured', () => {
    const missing = '{source: network, interface: nosuch0, stream: a/b}';
    const sizes = bufferSizes(configOf(`[${missing}, {source: synthetic}]`));
    expect(sizes.groups).toHaveLength(1);
    expect(sizes.unavailable).toEqual([
      { source: 'b', problem: expect.stringContaining('nosuch0') as string },
    ]);
  });
});
