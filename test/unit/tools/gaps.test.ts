import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { encodeGap } from '../../../engine/batch/format.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { Store } from '../../../engine/store/store.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { gapPieces, gaps, type GapsPiece } from '../../../engine/tools/gaps.ts';
import type { GapsReport } from '../../../engine/tools/types.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR } from '../../support/chunk-store.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { beginSamples, commitGap, commitSamples, openWriter } from '../../support/stores.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/log-v1', import.meta.url));

async function gapsOf(
  dir: string,
  stream: string,
  times: Parameters<typeof gaps>[2] = {},
): Promise<GapsReport> {
  const store = Store.open(dir);
  const report = await gaps(store, stream, times);
  store.close();
  return report;
}

async function timeAt(dir: string, stream: string, offset: number): Promise<bigint> {
  const store = Store.open(dir);
  try {
    for await (const item of store.read(stream, { from: offset })) {
      if (item.kind === 'samples') return item.batch.timeNanos[offset - item.firstOffset]!;
    }
    throw new Error(`no sample at ${offset}`);
  } finally {
    store.close();
  }
}

describe('the account of a stream', () => {
  it('balances: ticks scheduled are samples and gaps, and each gap is listed once', async () => {
    const dir = join(temporaryDirectory(), 'store');
    cpSync(FIXTURE, dir, { recursive: true });
    const report = await gapsOf(dir, 'golden/samples');
    expect(report).toMatchObject({ balanced: true, imbalances: [], nominalHz: 1000 });
    expect(report).toMatchObject({ ticksScheduled: '346', samples: '90', gapTicks: '256' });
    expect(report.gaps).toHaveLength(13);
    const ticks = report.gaps.map((gap) => Number(gap.ticks));
    expect(ticks.reduce((sum, count) => sum + count, 0)).toBe(256);
  });

  it('gives lateness in microseconds, whatever the resolution of the time column', async () => {
    const dir = join(temporaryDirectory(), 'store');
    cpSync(FIXTURE, dir, { recursive: true });
    const { latenessMicros } = await gapsOf(dir, 'golden/samples');
    expect(latenessMicros).toEqual({ min: 41, p50: 41, p99: 41, p999: 41, max: 41 });
  });

  it('of a perfect 1 kHz stream has a median period of 1000 µs', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    for (let i = 0; i < 5; i++) commitSamples(writer, opened, 100 * i, 100);
    writer.close();
    const report = await gapsOf(dir, 'test/samples');
    expect(report.deltaMicros).toEqual({ min: 1000, p50: 1000, p99: 1000, p999: 1000, max: 1000 });
    expect(report.measuredHz).toBeCloseTo(1000, 9);
  });

  it('measures no Δt from one run to the next, nor from what is retired', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    commitSamples(writer, opened, 0, 300);
    const again = beginSamples(writer);
    commitGap(writer, again, 300, 10_000);
    commitSamples(writer, again, 10_300, 300);
    const even = { min: 1000, p50: 1000, p99: 1000, p999: 1000, max: 1000 };
    const all = await gapsOf(dir, 'test/samples');
    expect(all).toMatchObject({ balanced: true, samples: '600', deltaMicros: even });
    expect(all.measuredHz).toBeCloseTo(1000, 9);
    const store = Store.open(dir);
    trimStream(writer, await planTrim(store.reader, opened.stream.id, 450));
    store.close();
    writer.close();
    const rest = await gapsOf(dir, 'test/samples');
    expect(rest).toMatchObject({ balanced: true, samples: '151', deltaMicros: even });
    expect(rest.measuredHz).toBeCloseTo(1000, 9);
  });

  it('measures Δt by the monotonic clock, whatever is done to the wall clock', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    const utc = 1_700_000_000_000_000_000n;
    commitSamples(writer, opened, 0, 300, utc);
    commitSamples(writer, opened, 300, 300, utc - 3_600_000_000_000n);
    commitSamples(writer, opened, 600, 300, utc + 60_000_000_000n);
    writer.close();
    const report = await gapsOf(dir, 'test/samples');
    expect(report.deltaMicros).toMatchObject({ min: 1000, max: 1000 });
    expect(report.measuredHz).toBeCloseTo(1000, 9);
    expect(report.firstTimestampNanos).toBe(String(utc - 3_600_000_000_000n + 300_040_000n));
    expect(report.lastTimestampNanos).toBe(String(utc + 60_000_000_000n + 899_040_000n));
  });

  it('of a range of time counts what is stored with its samples, and balances', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    for (let i = 0; i < 5; i++) commitSamples(writer, opened, 100 * i, 100);
    writer.close();
    const from = await timeAt(dir, 'test/samples', 250);
    const some = await gapsOf(dir, 'test/samples', { fromTime: from, toTime: from + 1n });
    expect(some).toMatchObject({ balanced: true, samples: '100', ticksScheduled: '100' });
    expect(some).toMatchObject({
      firstTimestampNanos: String(await timeAt(dir, 'test/samples', 200)),
      lastTimestampNanos: String(await timeAt(dir, 'test/samples', 299)),
    });
    const none = await gapsOf(dir, 'test/samples', { fromTime: 2n ** 62n });
    expect(none).toMatchObject({ firstTimestampNanos: null, lastTimestampNanos: null });
    const rest = await gapsOf(dir, 'test/samples', { fromTime: from });
    expect(rest).toMatchObject({ balanced: true, samples: '300' });
  });

  it('comes in pieces that memory has room for, however many gaps there are', async () => {
    const { environment, writer } = new ChunkStore();
    const opened = beginSamples(writer, 'test/gaps');
    for (let i = 0; i < 1250; i++) {
      const ticks = commitGap(writer, opened, 5 * i, 2) + commitGap(writer, opened, 5 * i + 2, 2);
      commitSamples(writer, opened, 5 * i + ticks, 1);
    }
    const store = Store.open(DIR, environment);
    const pieces: GapsPiece[] = [];
    for await (const piece of gapPieces(store, 'test/gaps')) pieces.push(piece);
    const { gaps: list, ...rest } = await gaps(store, 'test/gaps');
    store.close();
    expect(pieces.map((piece) => piece.gaps.length)).toEqual([1000, 250]);
    expect(pieces.flatMap((piece) => piece.gaps)).toEqual(list);
    expect(pieces.map((piece) => piece.rest)).toEqual([undefined, rest]);
    expect(list[1249]).toMatchObject({ reason: 'late', firstTick: '6245', ticks: '4' });
    expect(rest.gapsByReason).toEqual([{ reason: 'late', gaps: 1250, ticks: '5000' }]);
    const { streams } = await verify(DIR, environment);
    const verified = streams.find(({ name }) => name === 'test/gaps');
    expect(verified?.gaps).toMatchObject([{ reason: 'late', ticks: '5000' }]);
  });

  it('tells the ticks that are known beside gaps that have none', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    commitSamples(writer, opened, commitGap(writer, opened, 0, 7), 3);
    const { run, stream } = opened;
    const place = { run: run.id, firstSeq: run.nextSeq, firstOffset: stream.nextOffset };
    const builder = writer.group();
    const bounds = { minNanos: 1n, maxNanos: 2n };
    const gap = { ...place, records: 1, reason: 'late' as const, ticks: undefined, bounds };
    builder.add(KIND.gap, stream.id, encodeGap(gap));
    writer.commit(builder);
    writer.close();
    const { streams } = await verify(dir);
    expect(streams[0]?.gaps).toEqual([{ reason: 'late', ticks: null, knownTicks: '7' }]);
  });

  it('names the place where a tick is missing', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginSamples(writer);
    commitSamples(writer, opened, 0, 10);
    commitSamples(writer, opened, 11, 10);
    writer.close();
    const report = await gapsOf(dir, 'test/samples');
    expect(report.balanced).toBe(false);
    expect(report.imbalances).toEqual(['at offset 10: expected tick 10, found 11']);
  });
});
