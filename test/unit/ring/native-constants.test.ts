/** TypeScript and C++ write and read the same bytes: neither may change a number alone. */
import { expect, test } from 'vitest';
import { defined } from '../../../engine/base/assert.ts';
import { BATCH_MAX_ROWS } from '../../../engine/base/constants.ts';
import { HISTOGRAM_BUCKETS } from '../../../engine/base/histogram.ts';
import { LATENESS_BUCKETS, REASONS } from '../../../engine/batch/ledger.ts';
import { CHANNEL_TYPES } from '../../../engine/batch/schema.ts';
import { NETWORK_COUNTERS } from '../../../engine/drivers/network.ts';
import {
  GAP_BYTES,
  MISS_REASONS,
  PENDING_GAPS_MAX,
  RECORD,
  RING,
  ROW_TICK_AT,
  ROW_TIME_AT,
  ROW_VALIDITY_AT,
  createRing,
} from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { SAMPLER_STATUS_WORDS, STATUS_WORD } from '../../../engine/sampler/status.ts';
import {
  nativeConstants,
  nativeEnum,
  nativeSource,
  nativeStrings,
  withNativeNames,
} from '../../support/native-source.ts';

const layout = nativeSource('ring_layout.h');
const constants = nativeConstants(layout);

function native(name: string): number {
  return defined(constants[name], name);
}

test('the control block has one layout', () => {
  const { magic, version, cachedHeadAt, ...offsets } = RING;
  expect(constants).toMatchObject({
    kRingMagic: magic,
    kRingVersion: version,
    ...withNativeNames(offsets),
  });
  // the C++ reader keeps no copy of head in the ring; its place must stay clear of the others
  expect(Object.values(offsets)).not.toContain(cachedHeadAt);
});

test('records have the same kinds, and rows and gaps the same fields', () => {
  expect(nativeEnum(layout, 'RecordKind')).toEqual(withNativeNames(RECORD));
  expect(constants).toMatchObject({
    kTickAt: ROW_TICK_AT,
    kTimeAt: ROW_TIME_AT,
    kValidityAt: ROW_VALIDITY_AT,
    kGapBytes: GAP_BYTES,
    kPendingMax: PENDING_GAPS_MAX,
    kMissReasons: MISS_REASONS,
  });
});

test("what TypeScript's producer writes lies where C++ looks for it", () => {
  const memory = createRing(512);
  const producer = new RingProducer(memory);
  const { view } = producer;
  const row = producer.claimRow(70, 71n, 32);
  producer.commit();
  expect(row).toBe(native('kDataAt'));
  expect(view.getUint16(row + native('kKindAt'), true)).toBe(RECORD.row);
  expect(native('kTickAt')).toBe(native('kRecordHeaderBytes'));
  expect(view.getBigUint64(row + native('kTickAt'), true)).toBe(70n);
  expect(view.getBigInt64(row + native('kTimeAt'), true)).toBe(71n);
  producer.miss(71, 5, 'suspended', 99n);
  producer.close();
  const gap = row + 32;
  expect(view.getUint32(gap, true)).toBe(native('kGapBytes'));
  expect(view.getUint16(gap + native('kKindAt'), true)).toBe(RECORD.gap);
  expect(view.getBigUint64(gap + native('kTickAt'), true)).toBe(71n);
  expect(view.getBigUint64(gap + native('kGapTicksAt'), true)).toBe(5n);
  expect(view.getBigUint64(gap + native('kGapReasonAt'), true)).toBe(BigInt(REASONS.suspended));
  expect(view.getBigUint64(gap + native('kGapNanosAt'), true)).toBe(99n);
  expect(view.getUint32(native('kClosedAt'), true)).toBe(1);
});

test('gap reasons have the same codes', () => {
  expect(nativeEnum(layout, 'GapReason')).toEqual(withNativeNames(REASONS));
});

test("a sampler's counters are the same words, its histogram the same buckets", () => {
  const source = nativeSource('sampler_status.h');
  const { histogram, ...counters } = STATUS_WORD;
  const renamed = {
    kScheduled: counters.ticksScheduled,
    kRows: counters.rows,
    kLate: counters.lateTicks,
    kOverflow: counters.overflowTicks,
    kFull: counters.fullTicks,
    kDeviceFailures: counters.deviceFailures,
    kSuspendedNanos: counters.suspendedNanos,
    kLastTick: counters.lastTick,
    kMaxLatenessNanos: counters.maxLatenessNanos,
    kReading: counters.reading,
    kPolls: counters.polls,
    kHistogram: histogram,
  };
  expect(Object.keys(renamed)).toHaveLength(Object.keys(STATUS_WORD).length);
  expect(nativeEnum(source, 'Word')).toEqual(renamed);
  expect(nativeConstants(source)['kBuckets']).toBe(HISTOGRAM_BUCKETS);
  expect(SAMPLER_STATUS_WORDS).toBe(histogram + HISTOGRAM_BUCKETS);
});

test('the encoder numbers channel types alike and takes as much at once', () => {
  const source = nativeSource('batch.h');
  const { kTypes, ...types } = nativeEnum(nativeSource('channel.h'), 'ChannelType');
  const numbered = CHANNEL_TYPES.map((type, i) => [type, i] as const);
  expect(types).toEqual(withNativeNames(Object.fromEntries(numbered)));
  expect(kTypes).toBe(CHANNEL_TYPES.length);
  expect(nativeConstants(source)).toMatchObject({
    kLatenessBuckets: LATENESS_BUCKETS,
    kRowsMax: BATCH_MAX_ROWS,
  });
});

test('network counters have the same names in the same order', () => {
  const names = nativeStrings(nativeSource('network_reader.cc'), 'kNetworkCounterNames');
  expect(names).toEqual([...NETWORK_COUNTERS]);
  const { kNetworkCounters } = nativeConstants(nativeSource('network_reader.h'));
  expect(kNetworkCounters).toBe(NETWORK_COUNTERS.length);
});
