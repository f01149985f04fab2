import { describe, expect, it } from 'vitest';
import { encodeEvents } from '../../../engine/batch/format.ts';
import { packEvents } from '../../../engine/batch/opaque.ts';
import { OPAQUE_SCHEMA, canonicalSchema, schemaId } from '../../../engine/batch/schema.ts';
import { control, count } from '../../../engine/store/entries/control-fields.ts';
import {
  runEntry,
  schemaEntry,
  streamEntry,
} from '../../../engine/store/entries/control-entries.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import {
  retentionEntry,
  type RetentionEntry,
} from '../../../engine/store/entries/retention-entry.ts';
import type { CommittedGroup } from '../../../engine/store/entries/data.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { EntryList, type Entry } from '../../../engine/store/entries/entries.ts';
import { ControlState } from '../../../engine/store/state/state.ts';

const SIZE = { length: 1000, padded: 4096 };
const SCHEMA = schemaId(OPAQUE_SCHEMA);

function entry(kind: number, payload: Uint8Array, changes: Partial<Entry> = {}): Entry {
  return { kind, index: 0, flags: 0, stream: 1, payload, intact: true, ...changes };
}

const streamOne = entry(
  KIND.stream,
  streamEntry.encode({
    ...{ id: 1, name: 'a/b', incarnation: '00', createdNanos: 5n },
    ...{ schemaId: SCHEMA, samplesPerEvent: 1 },
  }),
);
const schemaOne = entry(
  KIND.schema,
  schemaEntry.encode({ id: SCHEMA, schema: canonicalSchema(OPAQUE_SCHEMA) }),
);

function run(id: number, changes: { firstSeq?: number; bootId?: string } = {}): Entry {
  const { firstSeq = 1, bootId = 'boot' } = changes;
  const payload = runEntry.encode({
    ...{ id, stream: 1, writer: 'w', epoch: id * 2 ** 20, firstSeq, schemaId: SCHEMA, bootId },
    ...{ t0Nanos: 0n, periodNanos: 0n, resolutionNanos: 1n, attributes: [] },
    copied: undefined,
    clock: { monotonicNanos: 1n, boottimeNanos: 1n, utcNanos: 1n },
    kernelClock: { synchronized: false, maxErrorMicros: 0 },
  });
  return entry(KIND.run, payload);
}

function events(runId: number, firstSeq: number, firstOffset: number, count: number): Entry {
  const identity = { run: runId, firstSeq, firstOffset, utcNanos: 9n };
  const content = Array.from({ length: count }, () => new Uint8Array([1, 2, 3]));
  return entry(KIND.events, encodeEvents(packEvents(content, identity)));
}

function group(...entries: Entry[]): CommittedGroup {
  return { segment: 1, entries: new EntryList(entries), size: SIZE };
}

function stateWith(...entries: Entry[]): ControlState {
  const state = new ControlState();
  state.apply(group(schemaOne, streamOne, run(1), ...entries));
  return state;
}

const damaged = expect.objectContaining({ code: 'DAMAGED' });

describe('a counter in a control entry', () => {
  const entry = control('test', { value: count });
  const decoded = (text: string): number =>
    entry.decode(new TextEncoder().encode(JSON.stringify({ value: text }))).value;

  it.each([0, 7, Number.MAX_SAFE_INTEGER])('is what was encoded: %i', (value) => {
    expect(decoded(String(value))).toBe(value);
  });

  it.each(['', ' 7 ', '1e3', '-5', '+5', '0x10', '7.0', '9007199254740993'])(
    'is digits, and below 2^53: "%s" is damage',
    (text) => {
      expect(() => decoded(text)).toThrow(damaged);
    },
  );
});

describe('the control state', () => {
  it('takes records that follow the last ones, and counts them', () => {
    const state = stateWith(events(1, 1, 0, 3), events(1, 4, 3, 2));
    expect(state.streams.get(1)).toMatchObject({ nextOffset: 5, totals: { records: 5 } });
    expect(state.runs.get(1)).toMatchObject({ nextSeq: 6, lastNanos: 9n });
  });

  it.each([
    ['an offset too far on', events(1, 4, 4, 1)],
    ['an offset that was there', events(1, 4, 2, 1)],
    ['a seq too far on', events(1, 5, 3, 1)],
    ['a seq that was there', events(1, 3, 3, 1)],
    ['an unknown run', events(2, 4, 3, 1)],
    ['an unknown stream', { ...events(1, 4, 3, 1), stream: 2 }],
  ])('refuses %s', (_, bad) => {
    const state = stateWith(events(1, 1, 0, 3));
    expect(() => state.apply(group(bad))).toThrow(damaged);
  });

  it('after damage takes a jump forward, and counts what it jumped over', () => {
    const state = stateWith(events(1, 1, 0, 3));
    state.apply(group(events(1, 6, 5, 1)), true);
    expect(state.streams.get(1)).toMatchObject({ nextOffset: 6, totals: { records: 6 } });
    expect(state.runs.get(1)!.nextSeq).toBe(7);
  });

  it('even after damage refuses to go back', () => {
    const state = stateWith(events(1, 1, 0, 3));
    expect(() => state.apply(group(events(1, 4, 2, 1)), true)).toThrow(damaged);
  });

  it('after damage issues no number again that a lost stream or run had', () => {
    const state = stateWith(events(1, 1, 0, 3));
    state.apply(group(events(4, 4, 3, 2), { ...events(5, 1, 0, 1), stream: 8 }), true);
    expect(state).toMatchObject({ nextRun: 6, nextStream: 9 });
    expect(state.streams.get(1)!.nextOffset).toBe(5);
    expect(state.runs.get(1)!.nextSeq).toBe(6);
  });

  it('skips an unknown kind that is ignorable, and refuses one that is not', () => {
    const state = stateWith();
    const unknown = entry(900, new Uint8Array(3));
    state.apply(group({ ...unknown, flags: 1 }));
    expect(() => state.apply(group(unknown))).toThrow(
      expect.objectContaining({
        code: 'FORMAT_VERSION',
        message: expect.stringContaining('900') as string,
      }),
    );
  });

  it('does not believe an entry that is not intact', () => {
    const state = stateWith();
    state.apply(group({ ...events(1, 1, 0, 3), intact: false }), true);
    expect(state.streams.get(1)!.nextOffset).toBe(0);
  });

  it('a new run takes over seqs; the last tick only within one boot', () => {
    const state = stateWith(events(1, 1, 0, 3));
    state.runs.get(1)!.lastTick = 77;
    state.apply(group(run(2, { firstSeq: 4 })));
    expect(state.latestRun(1, 'w')).toMatchObject({ id: 2, nextSeq: 4, lastTick: 77 });
    expect(state.runs.has(1)).toBe(false);
    state.apply(group(run(3, { firstSeq: 4, bootId: 'another' })));
    expect(state.latestRun(1, 'w')).toMatchObject({ id: 3, lastTick: null, lastNanos: 9n });
  });

  it.each([0, 255, 256, 257, 600])('comes back from its snapshot with %i streams more', (count) => {
    const state = stateWith(events(1, 1, 0, 3));
    for (let id = 2; id < 2 + count; id++) {
      const payload = streamEntry.encode({
        ...{ id, name: `s/${id}`, incarnation: `${id}`, createdNanos: 0n },
        ...{ schemaId: SCHEMA, samplesPerEvent: id },
      });
      state.apply(group(entry(KIND.stream, payload)));
    }
    const pieces = state.snapshot();
    const again = ControlState.fromSnapshot(pieces);
    expect(again.snapshot()).toEqual(pieces);
    expect(again.streams.size).toBe(count + 1);
    expect(again.streamNamed('a/b')).toEqual(state.streamNamed('a/b'));
    expect(again.latestRun(1, 'w')).toEqual(state.latestRun(1, 'w'));
  });

  it('keeps what it was told to keep, also words that it does not know, which lose nothing', () => {
    const told: RetentionEntry = {
      budget: { bytes: 2 ** 34, minFreeBytes: 2 ** 30 },
      rules: [
        { ...KEEP_ALL, pattern: 'a/*', ageMs: 1000 * 86_400_000.5, class: 'bulk' },
        { ...KEEP_ALL, bytes: 5, onFull: 'drop-oldest' },
      ],
    };
    const state = stateWith(entry(KIND.retention, retentionEntry.encode(told)));
    expect(ControlState.fromSnapshot(state.snapshot()).retention).toEqual(told);
    const later = new TextDecoder()
      .decode(retentionEntry.encode(told))
      .replace('drop-oldest', 'drop-newest')
      .replace('bulk', 'bulky');
    const [first, second] = retentionEntry.decode(new TextEncoder().encode(later)).rules;
    expect([first!.class, second!.onFull]).toEqual(['critical', 'reject-new']);
  });
});
