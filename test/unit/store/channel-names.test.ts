/** Names of channels: what is no good is not written, and where it was, all of it stays. */
import { describe, expect, it } from 'vitest';
import { canonicalSchema, schemaId, type Schema } from '../../../engine/batch/schema.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import {
  runEntry,
  schemaEntry,
  streamEntry,
} from '../../../engine/store/entries/control-entries.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import type { StoreWriter, OpenedRun } from '../../../engine/store/write/writer.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR, EVENTS, SAMPLES, recordsOf } from '../../support/chunk-store.ts';
import { PERIOD_NANOS, commitSamples } from '../../support/stores.ts';

const BAD = 'test/bad';

function schemaOf(...names: string[]): Schema {
  const rest = { type: 'i16' as const, unit: '1', scale: 1, offset: 0 };
  return { kind: 'samples', channels: names.map((name) => ({ name, ...rest })) };
}

/** As a recorder of before wrote it: past all checks. */
function beginUnchecked(writer: StoreWriter, schema: Schema): OpenedRun {
  const { state } = writer;
  const [like] = [...state.runs.values()].filter(({ periodNanos }) => periodNanos > 0n);
  const [id, stream] = [schemaId(schema), { ...state.streamNamed(SAMPLES)! }];
  Object.assign(stream, {
    id: state.nextStream,
    name: BAD,
    schemaId: id,
    incarnation: 'ab'.repeat(8),
  });
  const run = { ...like!, id: state.nextRun, stream: stream.id, schemaId: id, firstSeq: 1 };
  const builder = writer.group();
  builder.add(KIND.schema, 0, schemaEntry.encode({ id, schema: canonicalSchema(schema) }));
  builder.add(KIND.stream, stream.id, streamEntry.encode(stream));
  builder.add(KIND.run, stream.id, runEntry.encode(run));
  writer.commit(builder);
  return { run: state.runs.get(run.id)!, stream: state.streamNamed(BAD)!, before: undefined };
}

describe('a run is refused, and nothing of it written', () => {
  const attributes: [string, string][] = [
    ['RemoteAddr', 'box'],
    ['Interface', 'lo'],
  ];

  it.each([
    ['two channels of one name', ['A', 'B', 'A'], 'channel 2: "A" is the name of another channel'],
    ['a name of 256 bytes', ['ä'.repeat(128)], '1 to 255 bytes, not 256'],
    ['a key of the event', ['TimestampNanos'], '"TimestampNanos" is a key that every event has'],
    ['an attribute of its source', ['Interface'], '"Interface" is a key that every event has'],
  ])('for %s', (_, names, why) => {
    const { writer } = new ChunkStore();
    const before = writer.durableEnd;
    const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
    const what = { stream: BAD, writer: 'w', schema: schemaOf(...names), samplesPerEvent: 1 };
    const begin = (): unknown => writer.beginRuns([{ ...what, ...schedule, attributes }]);
    expect(begin).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(begin).toThrow(why);
    expect(writer.durableEnd).toBe(before);
  });

  it('for what is no schema', () => {
    const { writer } = new ChunkStore();
    const schema = schemaOf('A');
    if (schema.kind === 'samples') schema.channels[0]!.scale = Number.NaN;
    const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
    const what = { stream: BAD, writer: 'w', schema, samplesPerEvent: 1, attributes };
    expect(() => writer.beginRuns([{ ...what, ...schedule }])).toThrow('is not a number');
  });
});

it('a stream that has such a name already is read, sealed and let go of like any other', async () => {
  const store = new ChunkStore();
  const bad = beginUnchecked(store.writer, schemaOf('X'.repeat(300)));
  commitSamples(store.writer, bad, 0, 20);
  store.fillUpTo(3);
  const before = await recordsOf(store.environment, BAD);
  expect(before).toHaveLength(20);
  expect(await store.settle()).toContain('sealed');
  for (const stream of [BAD, SAMPLES, EVENTS]) {
    expect((await recordsOf(store.environment, stream)).length).toBeGreaterThan(0);
  }
  expect(await recordsOf(store.environment, BAD)).toEqual(before);
  expect(await verify(DIR, store.environment)).toMatchObject({ ok: true });
  const retention = [{ ...KEEP_ALL, pattern: BAD, bytes: 1 }];
  expect(await store.settle({ retention })).toContain('planned');
  expect(await verify(DIR, store.environment)).toMatchObject({ ok: true });
});
