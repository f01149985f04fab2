/** What the thread that owns the log does for clients, over a store in memory. */
import { describe, expect, it, test } from 'vitest';
import { canonicalSchema, OPAQUE_SCHEMA } from '../../../engine/batch/schema.ts';
import { TXN_OPEN_MS } from '../../../engine/base/constants.ts';
import { encodeEventList, type Answer } from '../../../engine/control/protocol.ts';
import { removeStream } from '../../../engine/store/write/changes.ts';
import { trimEntry } from '../../../engine/store/entries/control-entries.ts';
import { opened, type Scene } from '../../support/control-scene.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { beginSamples, bytes } from '../../support/stores.ts';

describe('writers', () => {
  test('appends of many clients share a write, and are numbered in their order', () => {
    const scene = opened();
    const [one, two] = [scene.open(1, 'one').run, scene.open(2, 'two').run];
    const keys = [
      scene.append(1, one, 'a', 'b'),
      scene.append(2, two, 'x'),
      scene.append(1, one, 'c'),
    ];
    const before = scene.disk.writes;
    scene.serve();
    expect(scene.disk.writes - before).toBe(1);
    expect(keys.map((key) => scene.answers[key])).toEqual([
      { type: 'appended', firstSeq: 1, firstOffset: 0 },
      { type: 'appended', firstSeq: 1, firstOffset: 2 },
      { type: 'appended', firstSeq: 3, firstOffset: 3 },
    ]);
  });

  it('move the cursor of what they read in the group of what they append, or not at all', () => {
    const scene = opened();
    const [input, pen] = [scene.open(1, 'in', 'a/in'), scene.open(2, 'pen')];
    scene.append(1, input.run, 'x', 'y');
    scene.serve();
    const cursor = { name: 'reader', stream: 'a/in', offset: 2, detail: 'state' };
    const append = (offset: number, ...events: string[]): Answer => {
      const request = { type: 'append', run: pen.run, cursor: { ...cursor, offset } };
      return scene.ask(2, request, encodeEventList(events.map(bytes)));
    };
    const { cursors } = scene.writer.state;
    const { writes } = scene.disk;
    expect(append(3, 'too far')).toMatchObject({ code: 'USAGE' });
    expect([scene.disk.writes, cursors.size]).toEqual([writes, 0]);
    expect(append(1, 'a', 'b')).toEqual({ type: 'appended', firstSeq: 1, firstOffset: 0 });
    expect(cursors.get('reader')).toMatchObject({ offset: 1, detail: 'state' });
    expect(append(2)).toEqual({ type: 'appended', firstSeq: 3, firstOffset: 2 });
    expect(scene.disk.writes).toBe(writes + 2);
    scene.open(3, 'pen');
    expect(append(0, 'late')).toMatchObject({ code: 'FENCED' });
    expect(append(0)).toMatchObject({ code: 'FENCED' });
    expect(cursors.get('reader')).toMatchObject({ offset: 2 });
  });

  it('say where their input is in the group of what they append, or not at all', () => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    const position = { file: 'notes.txt', offset: 9, hash: 'ab' };
    const append = (more: object, ...events: string[]): Answer =>
      scene.ask(1, { type: 'append', run, ...more }, encodeEventList(events.map(bytes)));
    const kept = (): unknown => scene.writer.state.positions.of(1, 'pen');
    const { writes } = scene.disk;
    const cursor = { name: 'reader', stream: 'a/b', offset: 0 };
    expect(append({ position, cursor }, 'a')).toMatchObject({ code: 'USAGE' });
    expect(append({ position: { ...position, offset: -1 } }, 'a')).toMatchObject({ code: 'USAGE' });
    expect(append({ position })).toMatchObject({ code: 'PROTOCOL' });
    expect([scene.disk.writes, kept()]).toEqual([writes, undefined]);
    const [one, two] = [
      scene.submit(1, { type: 'append', run, position }, encodeEventList([bytes('a')])),
      scene.append(1, run, 'b', 'c'),
    ];
    scene.serve();
    expect(scene.answers[one]).toMatchObject({ firstSeq: 1 });
    expect(scene.answers[two]).toMatchObject({ firstSeq: 2 });
    expect(kept()).toEqual({ ...position, seq: 1 });
    expect(append({ position: { ...position, offset: 20 } }, 'd', 'e')).toMatchObject({
      firstSeq: 4,
    });
    expect(kept()).toEqual({ ...position, offset: 20, seq: 5 });
    expect(scene.disk.writes).toBe(writes + 2);
  });

  it('opened again fence the one before, and go on behind it', () => {
    const scene = opened();
    const first = scene.open(1, 'pen');
    scene.append(1, first.run, 'a');
    const second = scene.open(2, 'pen');
    expect(second).toMatchObject({ lastSeq: 1 });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    const late = scene.append(1, first.run, 'late');
    const good = scene.append(2, second.run, 'b');
    scene.serve();
    expect(scene.answers[late]).toMatchObject({ type: 'failed', code: 'FENCED' });
    expect(scene.answers[good]).toEqual({ type: 'appended', firstSeq: 2, firstOffset: 1 });
  });

  it('belong to the connection that opened them', () => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    for (const type of ['append', 'end']) {
      const payload = encodeEventList([bytes('x')]);
      expect(scene.ask(2, { type, run }, payload)).toMatchObject({ code: 'USAGE' });
    }
    expect(scene.ask(1, { type: 'append', run }, Uint8Array.of(9, 0))).toMatchObject({
      code: 'PROTOCOL',
    });
  });

  it('of a client that has gone are ended behind what it had still asked for', () => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    const other = scene.open(2, 'other');
    scene.append(1, run, 'last words');
    scene.service.gone(1);
    scene.serve();
    const state = scene.writer.state.runs;
    expect(state.get(run)).toMatchObject({ endReason: 'disconnected', nextSeq: 2 });
    expect(state.get(other.run)).toMatchObject({ endReason: null });
    scene.service.close();
    expect(state.get(other.run)).toMatchObject({ endReason: 'stopped' });
  });

  it('may append as much at once as they were told, and no more', () => {
    const scene = opened();
    const { run, groupLimit, eventLimit } = scene.open(1, 'pen');
    const random = new SeededRandom(SEED);
    const append = (...sizes: number[]): Answer =>
      scene.ask(1, { type: 'append', run }, encodeEventList(sizes.map((n) => random.bytes(n))));
    expect(append(groupLimit / 2, groupLimit / 2)).toMatchObject({ type: 'appended' });
    expect(append(eventLimit)).toMatchObject({ type: 'appended' });
    expect(append(groupLimit / 2, groupLimit / 2 + 1)).toMatchObject({ code: 'USAGE' });
    expect(append(eventLimit + 1)).toMatchObject({ code: 'USAGE' });
    expect(append(1)).toMatchObject({ type: 'appended', firstSeq: 4 });
  });
});

describe('refusals', () => {
  it('leave nothing in the next group', () => {
    const scene = opened();
    beginSamples(scene.writer);
    const request = { type: 'open', stream: 'test/samples', writer: 'pen' };
    expect(scene.ask(1, request)).toMatchObject({ code: 'USAGE' });
    const before = scene.disk.writes;
    expect(scene.ask(1, { type: 'remove', stream: 'no/such' })).toMatchObject({
      code: 'NO_SUCH_STREAM',
    });
    expect(scene.ask(1, { type: 'remove-cursor', name: 'x' })).toMatchObject({
      code: 'NO_SUCH_CURSOR',
    });
    expect(scene.ask(1, { type: 'remove', stream: 'test/samples' })).toMatchObject({
      code: 'USAGE',
    });
    expect(scene.disk.writes).toBe(before);
    expect(scene.open(1, 'pen')).toMatchObject({ lastSeq: 0 });
  });

  it('a writer of a stream that a sampler is about to make', () => {
    const scene = opened();
    scene.writer.openRuns.expect(['test/samples']);
    const request = { type: 'open', stream: 'test/samples', writer: 'pen' };
    expect(scene.ask(1, request)).toMatchObject({ code: 'USAGE' });
    beginSamples(scene.writer);
    expect(scene.writer.state.runs.size).toBe(1);
  });

  it.each([
    ['of no stream', { stream: 77, lowWater: 0 }],
    ['beyond its end', { stream: 1, lowWater: 9 }],
    ['that does not add up', { stream: 1, lowWater: 1 }],
  ])('a trim %s', (_, what) => {
    const scene = opened();
    scene.open(1, 'pen');
    const records = what.lowWater === 9 ? 9 : 0;
    const gone = { writer: 'pen', run: 1, records, samples: 0, ticks: 0, lastTick: null };
    const payload = trimEntry.encode({ ...what, writers: [gone] });
    expect(scene.ask(1, { type: 'trim' }, payload)).toMatchObject({ code: 'USAGE' });
    expect(scene.ask(1, { type: 'trim' }, bytes('{}'))).toMatchObject({ type: 'failed' });
    expect(scene.open(1, 'pen')).toMatchObject({ type: 'opened' });
  });
});

describe('a full disk', () => {
  const waits = [
    ['append', (scene: Scene, run: number) => scene.append(1, run, 'a')],
    ['open', (scene: Scene) => scene.submit(2, { type: 'open', stream: 'c/d', writer: 'w' })],
  ] as const;

  it.each(waits)('delays %s and what is behind it, says so, and loses nothing', (_, submit) => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    scene.disk.isFull = true;
    const waiting = submit(scene, run);
    scene.serve();
    const behind = scene.append(1, run, 'behind');
    scene.serve();
    expect(scene.answers[waiting]).toBeUndefined();
    expect(scene.answers[behind]).toBeUndefined();
    expect(scene.waits).toHaveLength(1);
    scene.disk.isFull = false;
    scene.writer.resume();
    scene.serve();
    expect(scene.answers[waiting]).not.toMatchObject({ type: 'failed' });
    expect(scene.answers[behind]).toMatchObject({ type: 'appended' });
  });

  it('refuses a change that there is no room for, and acknowledges nothing of it', () => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    scene.disk.isFull = true;
    const waiting = scene.append(1, run, 'a');
    scene.serve();
    const cursor = { type: 'set-cursor', name: 'c', stream: 'a/b', offset: 0 };
    expect(scene.ask(2, cursor)).toMatchObject({ type: 'failed', code: 'NO_SPACE' });
    expect(scene.writer.state.cursors.size).toBe(0);
    scene.disk.isFull = false;
    scene.writer.resume();
    scene.serve();
    expect(scene.answers[waiting]).toMatchObject({ type: 'appended', firstSeq: 1 });
    expect(scene.ask(2, cursor)).toEqual({ type: 'done' });
  });

  it('keeps the stream of what waits, though the run has been ended', () => {
    const scene = opened();
    scene.open(1, 'pen');
    const { writer, disk } = scene;
    const builder = writer.group();
    writer.addRunEnd(builder, writer.state.latestRun(1, 'pen')!, 'stopped');
    disk.isFull = true;
    expect(() => writer.commit(builder)).toThrow(/ENOSPC/);
    expect(() => removeStream(writer, 'a/b')).toThrow(/is being recorded/);
    disk.isFull = false;
    writer.resume();
    removeStream(writer, 'a/b');
    expect(writer.state.streams.size).toBe(0);
  });
});

describe('transactions of copies', () => {
  test('an old one is let go of, though its client is still there', () => {
    const scene = opened();
    const copy = { stream: 'a/b', writer: 'source/1/0' };
    const schema = bytes(canonicalSchema(OPAQUE_SCHEMA));
    const held = scene.ask(1, { type: 'txn-open', ...copy, samplesPerEvent: 1 }, schema);
    if (held.type !== 'position') throw new Error(`${JSON.stringify(held)} for txn-open`);
    const begin = { type: 'txn-begin', ...copy, epoch: held.epoch, lo: 1 };
    const begun = scene.ask(1, begin);
    if (begun.type !== 'begun') throw new Error(`${JSON.stringify(begun)} for txn-begin`);
    const flush = { type: 'txn-flush', txn: begun.txn };
    const wait = (ms: number): bigint => (scene.clock.monotonicNanos += BigInt(ms) * 1_000_000n);
    wait(TXN_OPEN_MS - 1);
    expect(scene.ask(1, flush)).toEqual({ type: 'done' });
    wait(2);
    const message = 'the transaction has been open for more than 10 min';
    expect(scene.ask(1, flush)).toEqual({ type: 'refused', outcome: 'ABORTED', message });
    expect(scene.ask(1, begin)).toMatchObject({ type: 'begun' });
  });
});
