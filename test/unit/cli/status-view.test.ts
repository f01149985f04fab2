import { expect, test } from 'vitest';
import { LiveBlock, statusLine, statusLines, summaryLine } from '../../../cli/status-view.ts';
import type { RecorderStatus } from '../../../engine/tools/types.ts';

const STATUS: RecorderStatus = {
  state: 'recording',
  uptimeSeconds: 3661,
  sources: 1,
  samples: '1000',
  samplesPerSecond: 1000,
  ticksScheduled: '1001',
  missed: {
    ...{ late: '1', overflow: '0', full: '0', device: '0' },
    ...{ stopped: '7', crash: '0', suspendedNanos: '0' },
  },
  latenessMicros: { p50: 20, p99: 60, max: 12_500 },
  scheduling: {
    ...{ rung: 'other', cpu: -1, memoryLocked: false, refused: [], grant: 'setcap …' },
    ...{ spinMicros: 0, cpuDmaLatencyMicros: null },
  },
  durable: { lsn: '1:8192', offsets: [{ stream: 'a/b', nextOffset: '1000' }] },
  bytesPerSample: 3.1,
  paddingBytes: '4096',
  diskBytes: '67108864',
  limitBytes: '1000000000',
  fullInSeconds: null,
  freeBytes: '1073741824',
  writes: {
    rung: 'direct',
    commitMicros: { p50: 100, p99: 200, max: 300 },
    durableMicros: { p50: 50_000, p99: 90_000, max: 120_000 },
    recentDurableMicros: { p50: 50_000, p99: 60_000, max: 70_000 },
  },
  warnings: ['the disk is slow'],
};

function terminal(columns: number, rows = 24) {
  const written: string[] = [];
  const output = {
    isTTY: true,
    columns,
    rows,
    write: async (chunk: string | Uint8Array) => void written.push(String(chunk)),
  };
  return { output, written };
}

test('how the threads wait is told where it was asked for', () => {
  const lineOf = (more: Partial<RecorderStatus['scheduling']>): string | undefined =>
    statusLines({ ...STATUS, scheduling: { ...STATUS.scheduling, ...more } }).find((line) =>
      line.startsWith('scheduling'),
    );
  expect(lineOf({})).toBe('scheduling  other');
  expect(lineOf({ rung: 'fifo', memoryLocked: true, spinMicros: 60, cpuDmaLatencyMicros: 0 })).toBe(
    'scheduling  fifo, memory locked, spins for 60 µs, wakes within 0 µs',
  );
});

test('the block shows everything the status says', () => {
  const text = statusLines(STATUS).join('\n');
  for (const fact of [
    '01:01:01',
    'late 1',
    'stopped 7',
    'max 12.5 ms',
    'setcap …',
    'a/b 1000',
    '64 MiB',
    'p99 60.0 ms',
  ]) {
    expect(text).toContain(fact);
  }
  expect(text).toContain('warning     the disk is slow');
  expect(statusLine(STATUS)).not.toContain('\n');
});

test('a block is redrawn over itself with one write', async () => {
  const { output, written } = terminal(80);
  const block = new LiveBlock(output);
  await block.draw(['one', 'two']);
  await block.draw(['three', 'four']);
  expect(written).toEqual([
    '\rone\x1b[K\ntwo\x1b[K\n\x1b[J',
    '\x1b[2A\rthree\x1b[K\nfour\x1b[K\n\x1b[J',
  ]);
});

test('no line is wider and no block higher than the terminal', async () => {
  const { output, written } = terminal(20, 4);
  await new LiveBlock(output).draw(Array.from({ length: 9 }, () => 'x'.repeat(50)));
  expect(written[0]).toBe(`\r${`${'x'.repeat(19)}\x1b[K\n`.repeat(3)}\x1b[J`);
});

test('after the terminal became narrower the wrapped rows are taken back too', async () => {
  const { output, written } = terminal(80);
  const block = new LiveBlock(output);
  await block.draw(['x'.repeat(70)]);
  output.columns = 30;
  await block.draw(['y']);
  expect(written[1]).toMatch(/^\x1b\[3A\r/);
});

test('a gap without ticks is unknown, not none', () => {
  const gaps = [
    { reason: 'late', ticks: '2' },
    { reason: 'stopped', ticks: '0' },
  ];
  const summary = { samples: '8', ticksScheduled: '10', gaps, seconds: 1, clean: true };
  expect(summaryLine(summary)).toContain('gaps: late 2, stopped unknown');
});
