import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventRepacker } from '../../../engine/batch/event.ts';
import type { SampleEvent } from '../../../engine/batch/event.ts';
import { eventJson } from '../../../engine/batch/json.ts';
import type { SampleGap } from '../../../engine/batch/ledger.ts';
import type { SampleBatch } from '../../../engine/batch/samples.ts';
import type { Channel } from '../../../engine/batch/schema.ts';

/** `filtered`: a sample that a copy has left out. */
type Item = { kind: 'sample' } | { kind: 'filtered' } | { kind: 'gap'; ticks: number };

/** A run's records from number `from` to `to` as one batch. */
function batchOf(run: number, base: number, items: Item[], from: number, to: number): SampleBatch {
  const ticks: number[] = [];
  const gaps: SampleGap[] = [];
  let [tick, ordinal, first] = [0, 0, 0];
  items.slice(0, to).forEach((item, index) => {
    if (index === from) first = ordinal;
    if (item.kind === 'gap') {
      const place = { recordIndex: index - from, samplesBefore: ticks.length };
      if (index >= from) {
        gaps.push({ ...place, reason: 'late', firstTick: tick, ticks: item.ticks, nanos: 0n });
      }
      tick += item.ticks;
      return;
    }
    if (item.kind === 'filtered') {
      if (index >= from)
        addFiltered(gaps, { recordIndex: index - from, samples: ticks.length, tick });
    } else if (index >= from) ticks.push(tick);
    tick++;
    ordinal++;
  });
  return {
    ...{ run, firstSeq: base + from + 1, firstOffset: base + from, ordinal: first },
    ...{ records: to - from, samples: ticks.length, gaps },
    ticks: Float64Array.from(ticks),
    timeNanos: BigInt64Array.from(ticks, (t) => BigInt(t) * 1000n),
    latenessNanos: new Float64Array(ticks.length),
    columns: [Float64Array.from(ticks, (t) => t * 2), BigUint64Array.from(ticks, BigInt)],
  };
}

/** Neighbours are one gap of their batch. */
function addFiltered(
  gaps: SampleGap[],
  { recordIndex, samples, tick }: { recordIndex: number; samples: number; tick: number },
): void {
  const last = gaps.at(-1);
  const isNext = last?.reason === 'filtered' && last.recordIndex + last.ticks === recordIndex;
  if (isNext) last.ticks++;
  else {
    const place = { recordIndex, samplesBefore: samples, firstTick: tick };
    gaps.push({ ...place, reason: 'filtered', ticks: 1, nanos: 0n });
  }
}

const items: fc.Arbitrary<Item[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Item>({ kind: 'sample' }) },
    { weight: 3, arbitrary: fc.constant<Item>({ kind: 'filtered' }) },
    fc.record({ kind: fc.constant('gap' as const), ticks: fc.integer({ min: 1, max: 9 }) }),
  ),
  { minLength: 1, maxLength: 80 },
);

function repack(runs: Item[][], cuts: number[], samplesPerEvent: number): SampleEvent[] {
  const repacker = new EventRepacker(samplesPerEvent);
  const events: SampleEvent[] = [];
  let [base, next] = [0, 0];
  runs.forEach((run, index) => {
    let from = 0;
    while (from < run.length) {
      const to = Math.min(run.length, from + (cuts[next++ % cuts.length] ?? 1));
      events.push(...repacker.push(batchOf(index + 1, base, run, from, to)));
      from = to;
    }
    base += run.length;
  });
  const last = repacker.flush();
  return last === undefined ? events : [...events, last];
}

const cutsOf = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 });
const runsOf = fc.array(items, { minLength: 1, maxLength: 4 });

function keptOrdinals(run: readonly Item[]): number[] {
  const ordered = run.filter(({ kind }) => kind !== 'gap');
  return ordered.flatMap(({ kind }, ordinal) => (kind === 'sample' ? [ordinal] : []));
}

describe('repacking', () => {
  test('events do not depend on how batches were cut', () => {
    fc.assert(
      fc.property(runsOf, cutsOf, cutsOf, fc.integer({ min: 1, max: 25 }), (runs, a, b, n) => {
        expect(repack(runs, a, n)).toEqual(repack(runs, b, n));
      }),
    );
  });

  test('every sample is in the event of its ordinal, what is left out ends them where it stood', () => {
    fc.assert(
      fc.property(runsOf, cutsOf, fc.integer({ min: 1, max: 25 }), (runs, cuts, n) => {
        const events = repack(runs, cuts, n);
        runs.forEach((run, index) => {
          const own = events.filter((event) => event.run === index + 1);
          const ordinals = keptOrdinals(run);
          const blocks = [...new Set(ordinals.map((ordinal) => Math.floor(ordinal / n)))];
          const inBlock = (block: number): number[] =>
            ordinals.filter((ordinal) => Math.floor(ordinal / n) === block);
          expect(own.map((event) => event.samples)).toEqual(
            blocks.map((block) => inBlock(block).length),
          );
          expect(own.map((event) => event.ordinal)).toEqual(
            blocks.map((block) => inBlock(block)[0]),
          );
        });
        for (const event of events) {
          expect(event.lastOffset - event.firstOffset).toBe(event.lastSeq - event.firstSeq);
          expect(event.columns[0]!.length).toBe(event.samples);
        }
      }),
    );
  });

  test('an event ends when samples that are left out reach its end, not with the next sample', () => {
    const run = (['sample', 'filtered', 'filtered', 'sample'] as const).map((kind) => ({ kind }));
    const repacker = new EventRepacker(3);
    const [first] = repacker.push(batchOf(1, 0, run, 0, 3));
    expect(first).toMatchObject({ samples: 1, filtered: 0, lastOffset: 0 });
    expect(repacker.push(batchOf(1, 0, run, 3, 4))).toEqual([]);
    expect(repacker.flush()).toMatchObject({ ordinal: 3, filtered: 2, firstOffset: 3 });
  });

  test('a gap is in the event of the sample behind it', () => {
    const run: Item[] = [
      { kind: 'gap', ticks: 3 },
      { kind: 'sample' },
      { kind: 'sample' },
      { kind: 'gap', ticks: 2 },
      { kind: 'sample' },
    ];
    const events = repack([run], [2], 2);
    expect(events.map((event) => event.gaps.map((gap) => gap.offset))).toEqual([[0], [3]]);
    expect(events.map((event) => [...event.ticks])).toEqual([[3, 4], [7]]);
    expect(events.map((event) => [event.firstOffset, event.lastOffset])).toEqual([
      [1, 2],
      [4, 4],
    ]);
  });
});

describe('the reference JSON', () => {
  const wide: Channel = { name: 'RxBytes', type: 'u64', unit: 'B', scale: 1, offset: 0 };
  const event: SampleEvent = {
    ...{ run: 3, ordinal: 0, samples: 2, firstSeq: 1, lastSeq: 3, firstOffset: 0, lastOffset: 2 },
    ticks: Float64Array.of(0, 2),
    timeNanos: BigInt64Array.of(1609363757807000001n, 1609363757809999999n),
    columns: [BigUint64Array.of(18446744073709551615n, 9007199254740993n)],
    gaps: [{ offset: 1, seq: 2, reason: 'late', firstTick: 1, ticks: 1, nanos: 0n }],
    filtered: 0,
  };

  test('has its keys in order and its numbers exact to the last digit', () => {
    const attributes = [
      ['RemoteAddr', 'ubuntu'],
      ['Interface', 'ens"33'],
    ] as const;
    expect(eventJson(event, [wide], { attributes })).toBe(
      '{"TimestampNanos":[1609363757807000001,1609363757809999999],' +
        '"RxBytes":[18446744073709551615,9007199254740993],' +
        '"RemoteAddr":"ubuntu","Interface":"ens\\"33",' +
        '"LastTimestampFormatted":"2020-12-30T21:29:17.809Z"}',
    );
  });

  test('prints physical values, and null where there is no number', () => {
    const channel: Channel = { name: 'X', type: 'i8', unit: 'm/s²', scale: 0.5, offset: 1 };
    const scaled = { ...event, columns: [Float64Array.of(3, -4)] };
    expect(JSON.parse(eventJson(scaled, [channel]))).toMatchObject({ X: [2.5, -1] });
    const broken = { ...event, columns: [Float64Array.of(NaN, 1)] };
    expect(JSON.parse(eventJson(broken, [channel]))).toMatchObject({ X: [null, 1.5] });
  });

  test('adds the ledger behind everything else, 64-bit numbers quoted', () => {
    const text = eventJson(event, [wide], { ledger: { writer: 'w', epoch: 2n ** 60n, run: 3 } });
    expect(text).toContain(
      '809Z","writer":"w","epoch":"1152921504606846976","firstSeq":"1","lastSeq":"3",' +
        '"firstOffset":"0","lastOffset":"2","run":"3",' +
        '"gaps":[{"offset":"1","reason":"late","firstTick":"1","ticks":"1"}]}',
    );
  });
});
