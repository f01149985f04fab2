import { describe, expect, test } from 'vitest';
import { reportOf, type TuneOptions } from '../../../engine/tools/tune.ts';
import type { BufferSizes } from '../../../engine/tools/types.ts';
import { call } from '../../support/program.ts';

const BUFFERS: BufferSizes = {
  groups: [
    {
      bus: 'native',
      rateHz: 1000,
      sources: ['a', 'b'],
      channels: { i16: 6 },
      rowBytes: 24,
      ringBytes: 65_536,
      ringSeconds: 2.73,
      batchRows: 100,
      batchBytes: 2048,
      maxBatchRows: 16_384,
      maxBatchBytes: 262_144,
    },
  ],
  programBytes: 100 * 2 ** 20,
  sourceBytes: 2 ** 18,
  logBytes: 5_505_024,
  expectedRssBytes: 100 * 2 ** 20 + 2 ** 18 + 5_570_560,
  unavailable: [{ source: 'eth7', problem: 'there is no eth7' }],
};

describe('configuration', () => {
  test('config show names each origin', async () => {
    const { code, out } = await call('config show --config good.yaml --rate 5 --json');
    expect(code).toBe(0);
    const { values } = JSON.parse(out) as { values: { key: string; origin: string }[] };
    const origins = Object.fromEntries(values.map(({ key, origin }) => [key, origin]));
    expect(origins).toMatchObject({
      cpu: 'good.yaml:1',
      'sources[0].rate': '--rate',
      'store.dir': 'default',
    });
  });

  test('validate prints what would run, or exits 78', async () => {
    const good = await call('validate good.yaml', { bufferSizes: () => BUFFERS });
    expect([good.code, good.out.split('\n')[0]]).toEqual([0, 'configuration  good.yaml: ok']);
    expect((await call('validate bad.yaml')).code).toBe(78);
    const bad = await call('validate bad.yaml --json');
    expect(bad.code).toBe(78);
    const { ok, problems } = JSON.parse(bad.out) as { ok: boolean; problems: string[] };
    expect([ok, problems.length > 0]).toEqual([false, true]);
    expect(bad.err).toContain(problems[0]);
  });

  test('validate says what memory the configuration takes', async () => {
    const { out } = await call('validate good.yaml', { bufferSizes: () => BUFFERS });
    const [group, log, memory, missing] = out.split('\n').slice(-5);
    expect(group).toBe(
      'rate group     1000 Hz, 2 sources: ring of 64 KiB holds 2.7 s, ' +
        '100 rows a batch of at most 2 KiB, 16384 of 256 KiB in a backlog',
    );
    expect(log).toContain('5.25 MiB');
    expect(memory).toContain('about 106 MiB resident: 100 MiB for the program, 256 KiB for its');
    expect(missing).toBe('not here       eth7: there is no eth7');
    const json = await call('validate good.yaml --json', { bufferSizes: () => BUFFERS });
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, cpu: 1, buffers: BUFFERS });
  });

  test('tune asks about the configured sources and names what it recommends', async () => {
    const box = {
      ...{ fileSystem: 'ext4', direct: true, syncCpuMicros: 20, wakeCpuMicros: 25 },
      syncMicros: { p50: 111, p99: 300, max: 9000 },
      wakeMicros: { p50: 40, p99: 1000, max: 9000 },
      writeBytesPerSecond: 1e9,
    };
    const asked: TuneOptions[] = [];
    const engine = {
      bufferSizes: () => BUFFERS,
      tune: (options: TuneOptions) => {
        asked.push(options);
        return Promise.resolve(reportOf(box, options));
      },
    };
    const { code, out, err } = await call('tune --max-latency 20ms --flush-ms 30', engine);
    expect(code).toBe(0);
    expect(asked[0]).toMatchObject({
      ...{ maxLatencyMs: 20, configured: { flushMs: 30 } },
      loads: [{ rateHz: 1000, sources: 2, channels: { i16: 6 } }],
    });
    expect(out).toMatch(/│ > +│ 10 /);
    expect(out).toMatch(/│ \* +│ 30 /);
    expect(out).toContain('recommended  --flush-ms 10 --samples-per-event 1000');
    expect(err).toContain('left out: eth7: there is no eth7');
    const json = await call('tune --json', engine);
    expect(JSON.parse(json.out)).toMatchObject({ recommended: { flushMs: 200 } });
    expect((await call('tune --max-latency soon', engine)).code).toBe(64);
  });
});
