import { describe, expect, it } from 'vitest';
import type { GapEntry } from '../../../engine/batch/format.ts';
import { gapBefore } from '../../../engine/collector/gap-before.ts';
import type { RunSnapshot, StreamSnapshot } from '../../../engine/store/entries/control-entries.ts';

const BOOT = 'b0070000-0000-4000-8000-000000000001';
const OTHER_BOOT = 'b0070000-0000-4000-8000-000000000002';
const SECOND = 1_000_000_000n;

function run(changes: Partial<RunSnapshot>): RunSnapshot {
  return {
    ...{ id: 1, stream: 1, writer: 'w', epoch: 2 ** 20, firstSeq: 1, schemaId: 's', bootId: BOOT },
    ...{ t0Nanos: 0n, periodNanos: 1_000_000n, resolutionNanos: 1n, attributes: [] },
    copied: undefined,
    clock: { monotonicNanos: 0n, boottimeNanos: 0n, utcNanos: 0n },
    kernelClock: { synchronized: true, maxErrorMicros: 0 },
    ...{ nextSeq: 501, ordinal: 500, lastTick: 499, lastNanos: 1000n * SECOND, endReason: null },
    ...changes,
  };
}

/** The state gives a new run its predecessor's last tick within one boot and schedule only. */
function gapOf(
  before: RunSnapshot | undefined,
  changes: Partial<RunSnapshot>,
  first: { tick: number; utcNanos: bigint; boottimeNanos: bigint },
): GapEntry | undefined {
  const opened = { run: run({ id: 2, ...changes }), stream: {} as StreamSnapshot, before };
  return gapBefore(opened, first, { seq: 501, offset: 700 });
}

const at = (tick: number, utcSeconds = 1010n, boottimeSeconds = 5000n) => ({
  ...{ tick, utcNanos: utcSeconds * SECOND, boottimeNanos: boottimeSeconds * SECOND },
});

describe('the gap before a run', () => {
  it('is none for the first run of a writer', () => {
    expect(gapOf(undefined, { lastTick: null }, at(0))).toBeUndefined();
  });

  it('within one boot and schedule names the missing ticks exactly', () => {
    expect(gapOf(run({}), {}, at(600))).toEqual({
      ...{ reason: 'crash', run: 2, firstSeq: 501, firstOffset: 700, records: 1 },
      ...{ ticks: { first: 500, count: 100 }, bounds: undefined },
    });
  });

  it('is none if the next tick follows', () => {
    expect(gapOf(run({}), {}, at(500))).toBeUndefined();
  });

  it('after a clean stop has the reason stopped', () => {
    expect(gapOf(run({ endReason: 'stopped' }), {}, at(501))).toMatchObject({
      reason: 'stopped',
      ticks: { first: 500, count: 1 },
    });
  });

  it('after another period has the time between as bounds, and no ticks', () => {
    const gap = gapOf(run({ periodNanos: 7n }), { lastTick: null }, at(600));
    const elapsed = 10n * SECOND;
    expect(gap).toMatchObject({ reason: 'crash', ticks: undefined });
    expect(gap!.bounds).toEqual({ minNanos: elapsed, maxNanos: elapsed });
  });

  it('across boots lasted at least this boot, at most the difference of UTC', () => {
    const before = run({ bootId: OTHER_BOOT });
    const gap = gapOf(before, { lastTick: null }, at(3, 1010n, 4n));
    expect(gap).toMatchObject({ ticks: undefined });
    expect(gap!.bounds).toEqual({ minNanos: 4n * SECOND, maxNanos: 10n * SECOND });
  });

  it('across boots has a lower bound that is not above the upper one', () => {
    const before = run({ bootId: OTHER_BOOT });
    const gap = gapOf(before, { lastTick: null }, at(3, 1010n, 60n));
    expect(gap!.bounds).toEqual({ minNanos: 10n * SECOND, maxNanos: 10n * SECOND });
  });

  it('with a wall clock set back has bounds of 0', () => {
    const gap = gapOf(run({ bootId: OTHER_BOOT }), { lastTick: null }, at(3, 900n, 60n));
    expect(gap!.bounds).toEqual({ minNanos: 0n, maxNanos: 0n });
  });

  it('is none if nothing was ever recorded before', () => {
    const before = run({ bootId: OTHER_BOOT, lastTick: null, lastNanos: null });
    expect(gapOf(before, { lastTick: null }, at(3))).toBeUndefined();
  });
});
