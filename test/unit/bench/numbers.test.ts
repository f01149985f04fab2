import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFio } from '../../../bench/fio.ts';
import { runProgram } from '../../../bench/process.ts';
import { parseRecords, repeat, synthesize } from '../../../bench/capture.ts';
import { columnBytes } from '../../../bench/columns.ts';
import { parseHistogram } from '../../../bench/cyclictest.ts';
import {
  loadBetween,
  parseCpuTimes,
  parseProcessTimes,
  sleptPercent,
  threadNamed,
  threadTimes,
} from '../../../bench/machine.ts';
import { footprint } from '../../../bench/recorder.ts';
import { missedTicks } from '../../../bench/together.ts';
import { encodeColumn, encodeColumnDense } from '../../../engine/codecs/codec.ts';
import {
  median,
  medianInterval,
  poissonUpperBound,
  quantileOfCounts,
  quantileOfSorted,
} from '../../../bench/stats.ts';

describe('order statistics', () => {
  it('the median of an odd number is one of them, of an even number the mean of the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
  });

  it('a quantile is the smallest value that so many do not exceed', () => {
    const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (some, quantile) => {
        const sorted = some.toSorted((a, b) => a - b);
        const found = quantileOfSorted(sorted, quantile);
        const within = (limit: number): number => sorted.filter((one) => one <= limit).length;
        expect(within(found)).toBeGreaterThanOrEqual(Math.ceil(sorted.length * quantile));
        expect(within(found - 1)).toBeLessThan(Math.ceil(sorted.length * quantile));
      }),
    );
  });

  it('counts give the same quantile as the values they count', () => {
    const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (some, quantile) => {
        const counts = new Float64Array(51);
        for (const one of some) counts[one]!++;
        const sorted = some.toSorted((a, b) => a - b);
        expect(quantileOfCounts(counts, 0, quantile)).toBe(quantileOfSorted(sorted, quantile));
      }),
    );
  });

  it('a quantile beyond the histogram is not made up', () => {
    expect(quantileOfCounts([1, 1], 2, 0.99)).toBe(Infinity);
  });
});

describe('ticks missed', () => {
  it.each([
    [0, 2.996],
    [1, 4.744],
    [5, 10.513],
    [100, 118.1],
  ])('%i events are no more than %f on average, with 95 %%', (count, bound) => {
    expect(poissonUpperBound(count, 0.95)).toBeCloseTo(bound, count < 100 ? 2 : 0);
  });

  it('none at all allows three', () => {
    const ticks = Array.from({ length: 1000 }, (_, i) => 70 + i);
    const { missedPercent, allowancePercent } = missedTicks(ticks);
    expect(missedPercent).toBe(0);
    expect(allowancePercent).toBeCloseTo(0.3, 2);
  });

  it('stalls are counted, and as long as they are', () => {
    const ticks = [0, 1, 2, 7, 8, 9, 12, 13, 14, 15];
    const { missedPercent, allowancePercent } = missedTicks(ticks);
    expect(missedPercent).toBeCloseTo((100 * 6) / 16);
    expect(allowancePercent).toBeCloseTo(((poissonUpperBound(2, 0.95) - 2) * 3 * 100) / 16);
  });
});

describe('the confidence interval of a median', () => {
  it.each([
    [1, [1, 1], 0],
    [5, [1, 5], 0.9375],
    [7, [1, 7], 0.984],
    [8, [2, 7], 0.93],
    [20, [6, 15], 0.959],
  ])('of %s values is %s', (count, [low, high], confidence) => {
    const interval = medianInterval(Array.from({ length: count }, (_, i) => count - i));
    expect(interval).toMatchObject({ low, high });
    expect(interval.confidence).toBeCloseTo(confidence, 3);
  });

  it('holds the true median as often as it says', () => {
    let state = 20_201_230;
    const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    let within = 0;
    for (let i = 0; i < 4000; i++) {
      const { low, high } = medianInterval(Array.from({ length: 9 }, uniform));
      if (low <= 0.5 && 0.5 <= high) within++;
    }
    // k = 2 of n = 9: 1 − 2·(1 + 9)/512
    expect(within / 4000).toBeCloseTo(1 - 20 / 512, 1);
  });
});

describe("cyclictest's histogram", () => {
  const text = [
    '# Histogram',
    '000000 000000',
    '000020 000090',
    '000070 000008',
    '002500 000002',
    '# Total: 000000100',
    '# Max Latencies: 02500',
    '# Histogram Overflows: 00000',
  ].join('\n');

  it('gives quantiles within the period, and a missed tick for each whole one', () => {
    const metrics = parseHistogram(text, 1000);
    expect(metrics).toMatchObject({ p50: 20, p99: 500, max: 500, ticks: 100 });
    expect(metrics).toMatchObject({ 'tail0.1': 20, 'tail0.05': 70, 'tail0.01': 500 });
    expect(metrics.missedPercent).toBeCloseTo((100 * 4) / 104);
  });

  it('counts what lies beyond it', () => {
    const beyond = text.replace('Overflows: 00000', 'Overflows: 00001');
    expect(parseHistogram(beyond, 1000)).toMatchObject({ ticks: 101, p999: Infinity });
  });

  it('that lacks a line is an error that names it', () => {
    expect(() => parseHistogram('000020 000090', 1000)).toThrow('Histogram Overflows');
  });
});

describe('what fio prints', () => {
  it('is read behind its notes', () => {
    const job = { read: { bw_bytes: 0 }, write: { bw_bytes: 7 } };
    expect(parseFio(`note: both iodepth\n${JSON.stringify({ jobs: [job] })}`)).toEqual(job);
  });

  it.each(['', 'fio: no such file', '{"jobs":[]}'])('"%s" is an error', (text) => {
    expect(() => parseFio(text)).toThrow('fio printed no job');
  });
});

describe('a thread', () => {
  it('slept while it neither ran nor waited for a processor', () => {
    const from = { cpuNanos: 1000, queuedNanos: 10 };
    expect(sleptPercent(from, { cpuNanos: 1600, queuedNanos: 110 }, 1000)).toBeCloseTo(30);
    expect(sleptPercent(from, { cpuNanos: 2100, queuedNanos: 10 }, 1000)).toBe(0);
  });

  it('is found by its name', () => {
    expect(() => threadNamed('nobody')).toThrow('no thread is called nobody');
    expect(threadTimes(process.pid).cpuNanos).toBeGreaterThan(0);
  });
});

describe('a program', () => {
  const kill = ['-e', "process.kill(process.pid, 'SIGKILL')"];

  it('that is to be killed may not end otherwise, and no other may be killed', async () => {
    const run = (args: string[], endsBy?: 'SIGKILL'): Promise<unknown> =>
      runProgram(process.execPath, args, { timeoutMs: 30_000, ...(endsBy && { endsBy }) });
    await expect(run(kill, 'SIGKILL')).resolves.toMatchObject({ stdout: '' });
    await expect(run(kill)).rejects.toMatchObject({ code: 'WORKER_DIED' });
    await expect(run(['-e', ''], 'SIGKILL')).rejects.toMatchObject({ code: 'WORKER_DIED' });
  });
});

describe('the load of others', () => {
  it('is what is busy and not ours; steal is nobody’s', () => {
    const system = parseCpuTimes('cpu  100 0 50 800 20 0 0 30 5 0\ncpu0 1 2 3');
    expect(system).toEqual({ busy: 150, steal: 30, total: 1000 });
    const before = { system: { busy: 0, steal: 0, total: 0 }, own: { own: 0, children: 0 } };
    const load = loadBetween(before, { system, own: { own: 20, children: 80 } }, 2);
    expect(load).toEqual({ seconds: 5, stealPercent: 3, otherPercent: 5 });
  });

  it('reads past a process name with brackets and spaces', () => {
    const fields = 'S 1 1 1 0 -1 0 0 0 0 0 11 22 33 44 20';
    expect(parseProcessTimes(`7 (a) b (c)) ${fields}`)).toEqual({ own: 33, children: 77 });
  });
});

describe('CPU and memory of a recorder', () => {
  const readings = [0, 1000, 2000, 3000, 4000].map((atMs) => ({
    atMs: atMs + 500,
    cpuSeconds: atMs === 0 ? 1 : 1.5 + atMs / 10_000,
    rssMib: 90 + atMs / 1000,
  }));

  it('leave out the warm-up', () => {
    const { cpuPercent, rssMib, rssGrowthMib } = footprint(readings, 1000);
    expect(cpuPercent).toBeCloseTo(10);
    expect(rssMib).toBe(94);
    expect(rssGrowthMib).toBe(1);
  });

  it('are not made up for a recorder that ended before it was warm', () => {
    expect(() => footprint(readings, 4000)).toThrow('ended before it was warm');
  });
});

describe('the capture', () => {
  it('has dense columns, even made up, livelier than it is: a seventh below the log’s', () => {
    const capture = synthesize(16_000);
    const dense = columnBytes(capture, encodeColumnDense).total;
    expect(dense).toBeLessThan(2.62);
    expect(dense).toBeLessThan((6 / 7) * columnBytes(capture, encodeColumn).total);
  });

  it('is read record by record, padding left out', () => {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    [3, -1, 64].forEach((value, i) => view.setInt8(16 + i, value));
    view.setBigInt64(24, 1_600_000_000_000_625_000n, true);
    const { x, y, z, timeNanos } = parseRecords(bytes);
    expect([x[1], y[1], z[1], timeNanos[1]]).toEqual([3, -1, 64, 1_600_000_000_000_625_000n]);
  });

  it('repeated goes on in time, one period after its end', () => {
    const once = synthesize(100);
    const twice = repeat(once, 200);
    expect(twice.timeNanos[100]! - twice.timeNanos[99]!).toBe(625_000n);
    expect(twice.z.slice(100)).toEqual(once.z);
    const steps = Array.from({ length: 99 }, (_, i) => twice.timeNanos[101 + i]!);
    expect(steps[98]! - steps[0]!).toBe(once.timeNanos[99]! - once.timeNanos[1]!);
  });

  it('made up has the statistics it was made after', () => {
    const { x, y, z } = synthesize(16_000);
    const range = (axis: Int8Array): number[] => [Math.min(...axis), Math.max(...axis)];
    expect([range(x), range(y), range(z)]).toEqual([
      [-2, 3],
      [-2, 3],
      [61, 67],
    ]);
  });
});
