/**
 * The whole path, with the machine's own counters: a network interface sampled at 1 kHz while both
 * cores are loaded, made durable, and read back in every form.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GapsReport, StreamInfo, VerifyReport } from '../../engine/tools/types.ts';
import {
  helicorder,
  helicorderJson,
  helicorderOut,
  helicorderRun,
  Program,
} from '../support/cli.ts';
import { sharedDirectory } from '../support/directory.ts';
import { checkSamples, parseRecords, type RecordLine } from '../support/records.ts';

const STREAM = 'examples/network';
const RATE_HZ = 1000;
const SECONDS = process.env['HELICORDER_SOAK'] ? 60 : 5;
const SAMPLES_PER_EVENT = 1000;
const KEYS = ['TimestampNanos', 'RxBytes', 'TxBytes', 'RemoteAddr', 'Interface'];
/** Reasons that a healthy store and interface can have. */
const EXPLAINED = ['late', 'overflow', 'suspended'];

interface NetworkEvent {
  TimestampNanos: string[];
  RxBytes: string[];
  TxBytes: string[];
  RemoteAddr: string;
  Interface: string;
  LastTimestampFormatted: string;
}

interface Counters {
  rx: bigint;
  tx: bigint;
}

const dir = sharedDirectory();
const stored = ['--data-dir', dir];
let before: Counters;
let after: Counters;
let summary: string;
let records: RecordLine[];

function kernelCounters(): Counters {
  const read = (name: string): bigint =>
    BigInt(readFileSync(join('/sys/class/net/lo/statistics', name), 'utf8').trim());
  return { rx: read('rx_bytes'), tx: read('tx_bytes') };
}

/** A process that takes all of a core that it gets, and sends itself bytes over the interface. */
function busyProcess(): Program {
  const script =
    "const s = require('node:dgram').createSocket('udp4');" +
    's.bind(0, "127.0.0.1", () => { const to = s.address().port; const burn = () => {' +
    's.send("x".repeat(500), to, "127.0.0.1"); const end = Date.now() + 20;' +
    'while (Date.now() < end); setImmediate(burn); }; burn(); });';
  return new Program(process.execPath, ['-e', script], {
    isShared: true,
    lifeMs: 1000 * SECONDS + 60_000,
  });
}

/** Integers beyond 2^53 as text, so that no digit is lost in the test either. */
function parseExactly(line: string): NetworkEvent {
  return JSON.parse(line.replace(/(?<=[[,])(\d+)(?=[\],])/g, '"$1"')) as NetworkEvent;
}

beforeAll(
  async () => {
    const load = [busyProcess(), busyProcess()];
    before = kernelCounters();
    const words = ['run', '--interface', 'lo', '--rate', String(RATE_HZ)];
    const run = helicorder([...words, '--duration', `${SECONDS}s`, ...stored], {
      isShared: true,
      lifeMs: 1000 * SECONDS + 60_000,
    });
    const ended = await run.ended;
    after = kernelCounters();
    await Promise.all(load.map((program) => program.kill()));
    expect(ended.code, ended.stderr).toBe(0);
    summary = ended.stderr;
    const reading = ['stream', 'cat', STREAM, ...stored, '--format', 'ndjson-records'];
    records = parseRecords((await helicorderOut(reading, '', { isShared: true })).split('\n'));
  },
  1000 * SECONDS + 90_000,
);

describe(`${SECONDS} s of lo at 1 kHz on loaded cores`, () => {
  test('samples + gaps = ticks scheduled, and no gap is unexplained', async () => {
    const account = checkSamples(records);
    expect(account.samples + account.gapTicks).toBe(account.scheduled);
    expect(account.scheduled).toBeGreaterThan(0.9 * SECONDS * RATE_HZ);
    for (const { type, reason } of records) {
      if (type === 'gap') expect(EXPLAINED).toContain(reason);
    }
    expect(summary).toContain(`${account.samples} samples of ${account.scheduled} ticks`);

    const report = await helicorderJson<VerifyReport>(['verify', ...stored]);
    expect(report).toMatchObject({ ok: true, damage: [], tornTails: [] });
    expect(report.streams).toEqual([
      {
        name: STREAM,
        records: String(records.length),
        firstOffset: '0',
        lastOffset: String(records.length - 1),
        writers: [
          {
            id: 'network',
            epoch: records[0]!.epoch,
            firstSeq: '1',
            lastSeq: String(records.length),
          },
        ],
        ticksScheduled: String(account.scheduled),
        samples: String(account.samples),
        gaps: expect.any(Array) as unknown,
        awayRecords: '0',
        seams: '0',
      },
    ]);
  });

  test("values are the kernel's counters: they never fall, between ours before and after", () => {
    const samples = records.filter(({ type }) => type === 'sample');
    for (const [name, key] of [
      ['RxBytes', 'rx'],
      ['TxBytes', 'tx'],
    ] as const) {
      const values = samples.map((sample) => BigInt(sample.values[name]!));
      expect(values[0]).toBeGreaterThanOrEqual(before[key]);
      expect(values.at(-1)).toBeLessThanOrEqual(after[key]);
      expect(values.every((value, i) => i === 0 || value >= values[i - 1]!)).toBe(true);
      expect(values.at(-1), 'the load is seen').toBeGreaterThan(values[0]!);
    }
  });

  test('time stamps rise, each within its tick or late by what its gap says', () => {
    const samples = records.filter(({ type }) => type === 'sample');
    for (let i = 1; i < samples.length; i++) {
      const step = BigInt(samples[i]!.timestampNanos) - BigInt(samples[i - 1]!.timestampNanos);
      const ticks = BigInt(samples[i]!.tick) - BigInt(samples[i - 1]!.tick);
      expect(step).toBeGreaterThan((ticks - 2n) * 1_000_000n);
      expect(step).toBeLessThan((ticks + 2n) * 1_000_000n);
    }
  });
});

describe('cat', () => {
  const cat = (...more: string[]): string[] => ['stream', 'cat', STREAM, ...stored, ...more];

  test('JSON: events of 1000 samples, these keys in this order, the last one short', async () => {
    const text = await helicorderOut(cat());
    const lines = text.split('\n').slice(0, -1);
    const samples = records.filter(({ type }) => type === 'sample');
    expect(lines).toHaveLength(Math.ceil(samples.length / SAMPLES_PER_EVENT));
    lines.forEach((line, number) => {
      const event = parseExactly(line);
      const held = samples.slice(number * SAMPLES_PER_EVENT, (number + 1) * SAMPLES_PER_EVENT);
      expect(Object.keys(event)).toEqual([...KEYS, 'LastTimestampFormatted']);
      expect(event.TimestampNanos).toEqual(held.map(({ timestampNanos }) => timestampNanos));
      expect(event.RxBytes).toEqual(held.map(({ values }) => values['RxBytes']));
      expect(event.TxBytes).toEqual(held.map(({ values }) => values['TxBytes']));
      expect(event.RemoteAddr).toBe(hostname());
      expect(event.Interface).toBe('lo');
      const lastMs = Number(BigInt(held.at(-1)!.timestampNanos) / 1_000_000n);
      expect(event.LastTimestampFormatted).toBe(new Date(lastMs).toISOString());
    });
    expect(await helicorderOut(cat()), 'two cats agree byte for byte').toBe(text);
  });

  test('--from, --to and --max-events give whole events, as a whole cat does', async () => {
    const events = (await helicorderOut(cat())).split('\n').slice(0, -1);
    const offsets = offsetsOf(records);
    const inSecond = String(offsets[SAMPLES_PER_EVENT + 500]);
    expect(await helicorderOut(cat('--from', inSecond, '--max-events', '2'))).toBe(
      `${events[1]}\n${events[2]}\n`,
    );
    const inFirst = String(offsets[500]);
    expect(await helicorderOut(cat('--from', inFirst, '--to', inSecond))).toBe(
      `${events[0]}\n${events[1]}\n`,
    );
    expect(await helicorderOut(cat('--max-events', '1'))).toBe(`${events[0]}\n`);
    const last = String(offsets.at(-1));
    expect(await helicorderOut(cat('--from', last))).toBe(`${events.at(-1)}\n`);
  });

  test('--max-events ends the record formats where it ends the JSON one', async () => {
    const last = offsetsOf(records)[2 * SAMPLES_PER_EVENT - 1]!;
    const wanted = records.filter(({ offset }) => Number(offset) <= last);
    const text = await helicorderOut(cat('--format', 'ndjson-records', '--max-events', '2'));
    expect(parseRecords(text.split('\n'))).toEqual(wanted);
    const csv = await helicorderOut(cat('--format', 'csv', '--max-events', '2'));
    expect(csv.split('\n').slice(1, -1)).toHaveLength(2 * SAMPLES_PER_EVENT);
  });

  test('ndjson-records and csv cut exactly', async () => {
    const text = await helicorderOut(
      cat('--format', 'ndjson-records', '--from', '1234', '--to', '1300'),
    );
    expect(parseRecords(text.split('\n'))).toEqual(records.slice(1234, 1300));
    const csv = await helicorderOut(cat('--format', 'csv', '--from', '1234', '--to', '1300'));
    const rows = records
      .slice(1234, 1300)
      .filter(({ type }) => type === 'sample')
      .map(
        (sample) =>
          `${sample.timestampNanos},${sample.values['RxBytes']},${sample.values['TxBytes']}`,
      );
    expect(csv).toBe(`${['TimestampNanos,RxBytes,TxBytes', ...rows].join('\n')}\n`);
  });

  test('--with-ledger adds where each event comes from', async () => {
    const [line] = (await helicorderOut(cat('--with-ledger', '--max-events', '1'))).split('\n');
    const event = parseExactly(line!) as unknown as Record<string, unknown>;
    const samples = records.filter(({ type }) => type === 'sample');
    expect(event).toMatchObject({
      writer: 'network',
      epoch: records[0]!.epoch,
      firstSeq: samples[0]!.seq,
      lastSeq: samples[SAMPLES_PER_EVENT - 1]!.seq,
      firstOffset: samples[0]!.offset,
      lastOffset: samples[SAMPLES_PER_EVENT - 1]!.offset,
    });
  });

  test('raw is not for samples: exit 64 and what is', async () => {
    const { code, stdout, stderr } = await helicorderRun(cat('--format', 'raw'));
    expect(code, stderr).toBe(64);
    expect(stderr).toMatch(/json/);
    expect(stdout).toBe('');
  });
});

/** Of each sample. */
function offsetsOf(all: readonly RecordLine[]): number[] {
  return all.filter(({ type }) => type === 'sample').map(({ offset }) => Number(offset));
}

describe('what the other commands say of it', () => {
  test('info', async () => {
    const info = await helicorderJson<StreamInfo>(['stream', 'info', STREAM, ...stored]);
    const samples = records.filter(({ type }) => type === 'sample');
    const channel = { type: 'u64', unit: 'B', scale: 1, offset: 0 };
    expect(info).toMatchObject({
      scope: 'examples',
      name: 'network',
      id: expect.stringMatching(/^[0-9a-f]+$/) as string,
      schema: {
        channels: [
          { name: 'RxBytes', ...channel },
          { name: 'TxBytes', ...channel },
        ],
      },
      records: String(records.length),
      samples: String(samples.length),
      firstOffset: '0',
      lastOffset: String(records.length - 1),
      writers: [{ id: 'network', epoch: records[0]!.epoch, lastSeq: String(records.length) }],
      firstTimestampNanos: samples[0]!.timestampNanos,
      lastTimestampNanos: samples.at(-1)!.timestampNanos,
    });
    expect(info.bytesPerRecord).toBeCloseTo(Number(info.bytes) / records.length, 6);
    expect(Number(info.paddingBytes)).toBeGreaterThan(0);
  });

  test('ls', async () => {
    const listed = await helicorderJson<{ streams: StreamInfo[] }>(['stream', 'ls', ...stored]);
    const info = await helicorderJson<StreamInfo>(['stream', 'info', STREAM, ...stored]);
    expect(listed).toEqual({ streams: [info] });
    expect(await helicorderOut(['stream', 'ls', ...stored])).toContain(STREAM);
  });

  test('gaps: balanced, and each gap that a cat shows', async () => {
    const report = await helicorderJson<GapsReport>(['gaps', STREAM, ...stored]);
    const account = checkSamples(records);
    expect(report).toMatchObject({
      stream: STREAM,
      balanced: true,
      ticksScheduled: String(account.scheduled),
      samples: String(account.samples),
      nominalHz: RATE_HZ,
    });
    const listed = report.gaps.reduce((sum, { ticks }) => sum + Number(ticks), 0);
    expect(listed).toBe(account.gapTicks);
    expect(report.measuredHz).toBeGreaterThan(0.8 * RATE_HZ);
    expect(report.deltaMicros!.min).toBeLessThanOrEqual(report.deltaMicros!.p50);
    expect(report.latenessMicros!.p50).toBeLessThanOrEqual(report.latenessMicros!.max);
    expect(await helicorderOut(['gaps', STREAM, ...stored])).toMatch(/balance/i);
  });
});
