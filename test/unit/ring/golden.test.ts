/** The ring of version 1 as it lies in memory: `test/support/golden-ring.ts` says what is in it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBatch, decodeTimes } from '../../../engine/batch/format.ts';
import { decodeSamples } from '../../../engine/batch/samples.ts';
import { CHANNEL_TYPES, type ChannelType } from '../../../engine/batch/schema.ts';
import { ROW_VALIDITY_AT } from '../../../engine/ring/layout.ts';
import { RingConsumer, type RingRecord } from '../../../engine/ring/ring.ts';
import { RESULT, native } from '../../../native/index.ts';
import { LAYOUT, PERIOD_NANOS, SOURCES, type GoldenRecord } from '../../support/golden-ring.ts';

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));
const EXPECTED = JSON.parse(fixture('ring-v1.json').toString()) as GoldenRecord[];

function goldenMemory(): SharedArrayBuffer {
  const bytes = fixture('ring-v1.bin');
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

function integerAt(view: DataView, type: ChannelType, at: number): string {
  switch (type) {
    case 'i8':
      return String(view.getInt8(at));
    case 'i16':
      return String(view.getInt16(at, true));
    case 'u32':
      return String(view.getUint32(at, true));
    case 'i64':
      return String(view.getBigInt64(at, true));
    default:
      return String(view.getBigUint64(at, true));
  }
}

function recordOf(view: DataView, record: RingRecord): GoldenRecord {
  if (record.kind === 'gap') {
    const { firstTick, ticks, reason, nanos } = record;
    return { firstTick, ticks, reason, nanos: String(nanos) };
  }
  const { tick, timeNanos, at } = record;
  const valid = view.getUint8(at + ROW_VALIDITY_AT);
  const sources = LAYOUT.sources.map(({ channels }, source) => {
    if (((valid >> source) & 1) === 0) return null;
    return channels.map(({ type, rowOffset }) =>
      integerAt(view, CHANNEL_TYPES[type]!, at + rowOffset),
    );
  });
  return { tick, timeNanos: String(timeNanos), sources };
}

/** What one source's batch must hold: its samples, and gaps with failed reads among them. */
function expectedOf(source: number): string[] {
  const lines: string[] = [];
  let failed: { first: number; ticks: number } | undefined;
  const endFailed = (): void => {
    if (failed) lines.push(`gap device ${failed.first} ${failed.ticks} 0`);
    failed = undefined;
  };
  for (const record of EXPECTED) {
    if (!('tick' in record)) {
      endFailed();
      const { reason, firstTick, ticks, nanos } = record;
      lines.push(`gap ${reason} ${firstTick} ${ticks} ${nanos}`);
      continue;
    }
    const values = record.sources[source]!;
    if (values === null) {
      failed ??= { first: record.tick, ticks: 0 };
      failed.ticks++;
      continue;
    }
    endFailed();
    lines.push(`sample ${record.tick} ${record.timeNanos} ${values.join(' ')}`);
  }
  endFailed();
  return lines;
}

function nativePayloads(memory: SharedArrayBuffer): Uint8Array[] {
  const encoder = new native.RowEncoder({
    ...{ ring: new Uint8Array(memory), ...LAYOUT },
    ...{ t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n },
  });
  const out = new Uint8Array(encoder.bound(100));
  const entries = new Uint32Array(2 * (1 + SOURCES.length));
  const cursors = Float64Array.from(SOURCES.flatMap((_, i) => [i + 1, 1, 0, 0]));
  const result = new Float64Array(RESULT.length);
  const count = encoder.encode(out, 0, 100, 0n, cursors, entries, result);
  let at = 0;
  return Array.from({ length: count }, (_, i) => out.slice(at, (at += entries[2 * i]!)));
}

describe('the golden ring of version 1', () => {
  it('is read by the consumer in TypeScript', () => {
    const consumer = new RingConsumer(goldenMemory());
    const records = [...consumer.records()].map((record) => recordOf(consumer.view, record));
    expect(records).toEqual(EXPECTED);
  });

  it('is read by the native encoder, source by source', () => {
    const [times, ...batches] = nativePayloads(goldenMemory());
    expect(batches).toHaveLength(SOURCES.length);
    batches.forEach((payload, source) => {
      const schema = { kind: 'samples' as const, ...SOURCES[source]! };
      const batch = decodeSamples(decodeTimes(times!), decodeBatch(payload), schema);
      const lines: string[] = [];
      let sample = 0;
      for (let index = 0; index < batch.records; index++) {
        const gap = batch.gaps.find(({ recordIndex }) => recordIndex === index);
        if (gap) lines.push(`gap ${gap.reason} ${gap.firstTick} ${gap.ticks} ${gap.nanos}`);
        else {
          const values = batch.columns.map((column) => String(column[sample]));
          const place = `${batch.ticks[sample]} ${batch.timeNanos[sample]}`;
          lines.push(`sample ${place} ${values.join(' ')}`);
          sample++;
        }
      }
      expect(lines).toEqual(expectedOf(source));
    });
  });
});
