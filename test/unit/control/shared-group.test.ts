/** What many clients ask at once costs one write, and is as if they had asked in turns. */
import { describe, expect, test } from 'vitest';
import { canonicalSchema, OPAQUE_SCHEMA } from '../../../engine/batch/schema.ts';
import type { Answer } from '../../../engine/control/protocol.ts';
import { encodePieces } from '../../../engine/txn/piece-format.ts';
import { Chain } from '../../../engine/txn/chain.ts';
import { opened, type Scene } from '../../support/control-scene.ts';
import { pieceOf, testOrigin } from '../../support/pieces.ts';
import { bytes } from '../../support/stores.ts';

const SCHEMA = bytes(canonicalSchema(OPAQUE_SCHEMA));

interface Copy {
  stream: string;
  writer: string;
}

/** Copies of as many sources. */
const copiesInto = (streams: readonly string[]): Copy[] =>
  streams.map((stream, i) => ({ stream, writer: `source-${i}/1/0` }));

/** Asks all of it at once. @returns the answers, and how many writes it took */
function askAll(scene: Scene, ask: (() => number)[]): { answers: Answer[]; writes: number } {
  const keys = ask.map((one) => one());
  const before = scene.disk.writes;
  scene.serve();
  return { answers: keys.map((key) => scene.answers[key]!), writes: scene.disk.writes - before };
}

function openCopies(scene: Scene, copies: readonly Copy[]): { epochs: number[]; writes: number } {
  const open = { type: 'txn-open', samplesPerEvent: 1 };
  const ask = copies.map((copy, i) => () => scene.submit(i, { ...open, ...copy }, SCHEMA));
  const { answers, writes } = askAll(scene, ask);
  const epochs = answers.map((answer) => {
    if (answer.type !== 'position') throw new Error(JSON.stringify(answer));
    return answer.epoch;
  });
  return { epochs, writes };
}

/** Everything up to the commit. @returns the commit, yet to be asked for */
function prepared(scene: Scene, copy: Copy, by: number, epoch: number, events: string[]): object {
  const begun = scene.ask(by, { type: 'txn-begin', ...copy, epoch, lo: 1 });
  if (begun.type !== 'begun') throw new Error(JSON.stringify(begun));
  const origin = { ...testOrigin('opaque'), writer: `pen-${by}` };
  const meant = events.map(
    (event) => ({ type: 'event', bytes: bytes(event), utcNanos: 1n }) as const,
  );
  const piece = pieceOf(meant, { origin, originSeq: 1, lo: 1, ordinal: 0 });
  const { txn } = begun;
  expect(scene.ask(by, { type: 'txn-append', txn }, encodePieces([piece]))).toEqual({
    type: 'done',
  });
  const chain = new Chain(0n);
  chain.add(piece);
  const range = { lo: 1, hi: events.length, count: events.length, before: 0n, chain: chain.value };
  return { type: 'txn-commit', ...copy, epoch, txn, ...range };
}

describe('clients that ask at once', () => {
  test('open writers with one write, also in one stream', () => {
    const scene = opened();
    scene.open(0, 'first');
    const names = ['one', 'two', 'three'];
    const ask = names.map((writer, i) => () => {
      return scene.submit(i, { type: 'open', stream: 'a/b', writer });
    });
    const { answers, writes } = askAll(scene, ask);
    expect(writes).toBe(1);
    const runs = answers.map((answer) => (answer.type === 'opened' ? answer.run : undefined));
    expect(runs).toEqual([2, 3, 4]);
    expect(scene.writer.state.writersOf(1).map(({ writer }) => writer)).toEqual([
      'first',
      ...names,
    ]);
  });

  test('open copies with one write, their epochs durable', () => {
    const scene = opened();
    const copies = copiesInto(['a/1', 'a/2', 'a/3', 'a/4']);
    const { epochs, writes } = openCopies(scene, copies);
    expect(writes).toBe(1);
    const { state } = scene.writer;
    const held = copies.map(({ stream, writer }) => {
      return state.lastTransaction(state.streamNamed(stream)!.id, writer)?.epoch;
    });
    expect(held).toEqual(epochs);
  });

  test('commit with one write, into streams of their own and into one', () => {
    const scene = opened();
    const copies = copiesInto(['a/1', 'a/2', 'a/1']);
    const { epochs } = openCopies(scene, copies);
    const lengths = [2, 1, 3];
    const commits = copies.map((copy, i) => {
      const events = Array.from({ length: lengths[i]! }, (_, n) => `${i}.${n}`);
      return prepared(scene, copy, i, epochs[i]!, events);
    });
    const { answers, writes } = askAll(
      scene,
      commits.map((commit, i) => () => scene.submit(i, commit)),
    );
    expect(writes).toBe(1);
    expect(answers).toEqual([
      { type: 'committed', firstOffset: 0, endOffset: 2 },
      { type: 'committed', firstOffset: 0, endOffset: 1 },
      { type: 'committed', firstOffset: 2, endOffset: 5 },
    ]);
    expect(scene.writer.state.streamNamed('a/1')?.nextOffset).toBe(5);
  });

  test('append, open and commit in one group; what is refused leaves nothing there', () => {
    const scene = opened();
    const pen = scene.open(8, 'pen', 'a/pen');
    const [copy] = copiesInto(['a/1']) as [Copy];
    const { epochs } = openCopies(scene, [copy]);
    const commit = prepared(scene, copy, 1, epochs[0]!, ['x']);
    const wrong = { type: 'txn-open', ...copy, samplesPerEvent: 7 };
    const { answers, writes } = askAll(scene, [
      () => scene.append(8, pen.run, 'a', 'b'),
      () => scene.submit(2, { ...wrong, stream: 'a/pen' }, SCHEMA),
      () => scene.append(9, 99, 'nobody'),
      () => scene.submit(1, commit),
      () => scene.submit(3, { type: 'open', stream: 'a/new', writer: 'w' }),
      () => scene.append(8, pen.run, 'c'),
    ]);
    expect(writes).toBe(1);
    expect(answers).toMatchObject([
      { type: 'appended', firstSeq: 1, firstOffset: 0 },
      { code: 'USAGE' },
      { code: 'USAGE' },
      { type: 'committed', firstOffset: 0, endOffset: 1 },
      { type: 'opened', lastSeq: 0 },
      { type: 'appended', firstSeq: 3, firstOffset: 2 },
    ]);
    const names = [...scene.writer.state.streams.values()].map(({ name }) => name);
    expect(names).toEqual(['a/pen', 'a/1', 'a/new']);
  });

  test('set cursors with one write, each of them or not at all', () => {
    const scene = opened();
    const { run } = scene.open(0, 'pen');
    scene.append(0, run, 'x', 'y');
    const set = { type: 'set-cursor', stream: 'a/b' };
    const { answers, writes } = askAll(
      scene,
      [1, 7, 2].map((offset, i) => () => scene.submit(i, { ...set, name: `c${i}`, offset })),
    );
    // and the append before them
    expect(writes).toBe(2);
    expect(answers).toMatchObject([{ type: 'done' }, { code: 'USAGE' }, { type: 'done' }]);
    const { cursors } = scene.writer.state;
    expect([...cursors.values()].map(({ offset }) => offset)).toEqual([1, 2]);
  });
});

describe('what could change the answer to another waits for its group:', () => {
  test('a writer that is opened again behind its appends fences those behind', () => {
    const scene = opened();
    const { run } = scene.open(1, 'pen');
    const { answers } = askAll(scene, [
      () => scene.append(1, run, 'a', 'b'),
      () => scene.submit(2, { type: 'open', stream: 'a/b', writer: 'pen' }),
    ]);
    expect(answers[0]).toMatchObject({ type: 'appended', firstSeq: 1 });
    expect(answers[1]).toMatchObject({ type: 'opened', lastSeq: 2 });
    const late = scene.append(1, run, 'late');
    scene.serve();
    expect(scene.answers[late]).toMatchObject({ code: 'FENCED' });
  });

  test('two writers that make one stream, the second of which may hold something else', () => {
    const scene = opened();
    const { answers } = askAll(scene, [
      () => scene.submit(1, { type: 'open', stream: 'a/new', writer: 'one' }),
      () => scene.submit(2, { type: 'open', stream: 'a/new', writer: 'two' }),
    ]);
    expect(answers.map(({ type }) => type)).toEqual(['opened', 'opened']);
    expect(scene.writer.state.streams.size).toBe(1);
  });

  test('a copy that is opened again while its older self commits', () => {
    const scene = opened();
    const [copy] = copiesInto(['a/1']) as [Copy];
    const { epochs } = openCopies(scene, [copy]);
    const commit = prepared(scene, copy, 1, epochs[0]!, ['x']);
    const again = { type: 'txn-open', ...copy, samplesPerEvent: 1 };
    const { answers } = askAll(scene, [
      () => scene.submit(2, again, SCHEMA),
      () => scene.submit(1, commit),
    ]);
    expect(answers[0]).toMatchObject({ type: 'position', last: 0 });
    expect(answers[1]).toMatchObject({ type: 'refused', outcome: 'FENCED' });
  });
});
