/**
 * Copies between real stores, requests and replies lost as chance will have it: what arrives is
 * what was there, record by record, and every tool says the same of both sides.
 */
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { encodeFrame } from '../../../engine/control/frame.ts';
import type { Question } from '../../../engine/control/protocol.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { copyStream } from '../../../engine/connect/copy.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { storePaths } from '../../../engine/store/log/files.ts';
import { Store } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import type { Requests } from '../../../engine/targets/store-participant.ts';
import type { CopyResult } from '../../../engine/txn/copier.ts';
import {
  COPIED_STREAM,
  copyOnce as copyBetween,
  expectEqual,
  expectSame as expectBoth,
  record,
  unluckyCopy,
  type End,
} from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes, removeRecorded } from '../../support/stores.ts';
import { sealAll } from '../../support/sealing.ts';

const STREAM = COPIED_STREAM;

async function copyOnce(
  from: LocalOwner,
  to: LocalOwner,
  options: Parameters<typeof copyBetween>[2] = {},
): Promise<CopyResult> {
  const end = (owner: LocalOwner): End => ({ dir: owner.dir, owner: owner.connect() });
  return copyBetween(end(from), end(to), options);
}

/** The target has had runs of its own, so no number is the same on both sides by chance. */
function stores(): { from: LocalOwner; to: LocalOwner } {
  const from = new LocalOwner(temporaryDirectory());
  const to = new LocalOwner(temporaryDirectory(), 2 * MIB);
  for (const id of ['x', 'y', 'z']) beginEvents(to.writer, 'other/events', id);
  return { from, to };
}

async function expectSame(from: LocalOwner, to: LocalOwner): Promise<void> {
  [from, to].forEach((owner) => owner.close());
  await expectBoth(from.dir, to.dir);
}

describe('what arrives', () => {
  test.each([1, 7, 100, 100_000])(
    'everything, in transactions of %i records',
    async (batchRecords) => {
      const { from, to } = stores();
      record(from, new SeededRandom(SEED));
      expect(await copyOnce(from, to, { batchRecords })).toMatchObject({ ended: 'done' });
      await expectSame(from, to);
    },
  );

  test('what is added later, by the same copy; nothing twice', async () => {
    const { from, to } = stores();
    const random = new SeededRandom(SEED);
    for (let i = 0; i < 3; i++) {
      record(from, random, 1);
      await copyOnce(from, to);
      await copyOnce(from, to);
    }
    await expectSame(from, to);
  });

  test('over two hops: origin and order are those of the first store', async () => {
    const { from, to } = stores();
    const third = new LocalOwner(temporaryDirectory());
    record(from, new SeededRandom(SEED), 3);
    await copyOnce(from, to, { batchRecords: 50 });
    await copyOnce(to, third);
    await expectEqual(from.dir, to.dir);
    await expectEqual(from.dir, third.dir);
  });

  test('chunks as well as log, and what a trim has let go of as gaps', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED), 4);
    await sealAll(nodeFileSystem, from.writer);
    record(from, new SeededRandom(SEED + 1), 1);
    const store = Store.open(from.dir);
    const { id } = store.stream(STREAM);
    trimStream(from.writer, await planTrim(store.reader, id, 500));
    store.close();
    await copyOnce(from, to, { batchRecords: 333 });
    const [there, here] = [await recordsOf(from.dir, STREAM), await recordsOf(to.dir, STREAM)];
    expect(here).toEqual(there);
    expect(here[0]).toContain('lost retired');
  });

  test.each([['in the middle of a batch', 137], ['at the tail', 'tail'] as const])(
    'from an offset %s',
    async (_, begin) => {
      const { from, to } = stores();
      record(from, new SeededRandom(SEED), 1);
      const before = await recordsOf(from.dir, STREAM);
      await copyOnce(from, to, { from: begin as number });
      record(from, new SeededRandom(SEED + 1), 1);
      await copyOnce(from, to);
      const all = await recordsOf(from.dir, STREAM);
      const first = begin === 'tail' ? before.length : begin;
      expect(await recordsOf(to.dir, STREAM)).toEqual(all.slice(first));
    },
  );

  test('opaque events of several writers', async () => {
    const { from, to } = stores();
    const runs = ['a', 'b'].map((id) => beginEvents(from.writer, STREAM, id));
    for (let i = 0; i < 40; i++) {
      const run = runs[i % 2]!;
      from.writer.appendEvents(run, [bytes(`event ${i}`), bytes('')]);
    }
    await copyOnce(from, to, { batchRecords: 9 });
    await expectSame(from, to);
  });

  test('within one store, beside the stream it is of', async () => {
    const { from } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, from, { target: 'test/copy' });
    expect(await recordsOf(from.dir, 'test/copy')).toEqual(await recordsOf(from.dir, STREAM));
  });
});

describe('a stream that was removed, and made again under its name', () => {
  const EVENTS = 'test/events';
  const write = ({ writer }: LocalOwner, ...events: string[]): void =>
    void writer.appendEvents(beginEvents(writer, EVENTS), events.map(bytes));

  // each of them as the copier's last word on the stream that was there
  test.each([1, 2, 3])(
    'is copied from its beginning, whatever the copier was saying: cursor entry %i',
    async (entry) => {
      const { from, to } = stores();
      write(from, 'old 1', 'old 2', 'old 3');
      let entries = 0;
      from.fate = (type) => {
        if (type !== 'set-cursor' || ++entries !== entry) return 'served';
        removeRecorded(from.writer, EVENTS);
        write(from, 'new 1', 'new 2', 'new 3', 'new 4');
        return 'served';
      };
      const what = { stream: EVENTS, target: EVENTS };
      await expect(copyOnce(from, to, what)).rejects.toMatchObject({
        code: 'NO_SUCH_STREAM',
        message: `stream ${EVENTS} was removed`,
      });
      expect(from.writer.state.cursors.size).toBe(0);
      const before = (await recordsOf(to.dir, EVENTS)).length;
      await copyOnce(from, to, what);
      expect((await recordsOf(to.dir, EVENTS)).slice(before)).toEqual(
        await recordsOf(from.dir, EVENTS),
      );
    },
  );
});

describe('a copy whose source does not answer', () => {
  /** An owner that falls silent at a change, until the connection is dropped. */
  function silentAt(owner: LocalOwner, entry: number, onSilent: () => void): Requests {
    const requests = owner.connect();
    let [entries, drop] = [0, (): void => undefined];
    const ask = async (question: Question, ...rest: unknown[]): Promise<unknown> => {
      const client = await requests.client();
      if (question.type !== 'set-cursor' || ++entries < entry) {
        return client.ask(question, ...(rest as ['done']));
      }
      onSilent();
      return new Promise((_, reject) => {
        drop = () => reject(new HelicorderError('DISCONNECTED', 'dropped'));
      });
    };
    return { client: () => Promise.resolve({ ask: ask as never }), drop: () => drop() };
  }

  test.each(['intent', 'cursor'])('can be stopped while it writes its %s', async (entry) => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED), 1);
    const stop = new AbortController();
    const owner = silentAt(from, entry === 'intent' ? 2 : 3, () =>
      setImmediate(() => stop.abort()),
    );
    const ends = [
      { dir: from.dir, owner },
      { dir: to.dir, owner: to.connect() },
    ] as const;
    expect(await copyBetween(...ends, { signal: stop.signal })).toMatchObject({ ended: 'stopped' });
    await copyOnce(from, to);
    await expectSame(from, to);
  });

  test('can be stopped before it has begun, and says where it would', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED), 1);
    const stop = new AbortController();
    const silent = createServer((socket) => {
      socket.once('data', () => {
        socket.write(encodeFrame({ type: 'hello', version: 1, program: 'silent' }));
        // a request
        socket.once('data', () => stop.abort());
      });
    });
    await new Promise<void>((resolve) => {
      silent.listen(storePaths(from.dir).control, resolve);
    });
    const ends = { dataDir: from.dir, from: STREAM, toDataDir: to.dir, to: STREAM };
    expect(await copyStream({ ...ends, begin: 7, signal: stop.signal })).toMatchObject({
      ...{ base: 7, nextOffset: 7, records: 0, done: false },
    });
    silent.close();
    [from, to].forEach((store) => store.close());
  });
});

describe('whatever fails', () => {
  const seeds = process.env.HELICORDER_SOAK ? 100 : 10;
  test(`requests and replies lost, owners and copiers dying: ${seeds} seeds`, async () => {
    for (let seed = 1; seed <= seeds; seed++) await unlucky(seed);
  });
});

async function unlucky(seed: number): Promise<void> {
  const { from, to } = stores();
  await unluckyCopy(from, to, seed, (options) => copyOnce(from, to, options));
  const [there, here] = [await recordsOf(from.dir, STREAM), await recordsOf(to.dir, STREAM)];
  expect(here, `seed ${seed}`).toEqual(there);
  [from, to].forEach((owner) => owner.close());
}

describe('alarms and refusals', () => {
  test('a target that lost what it had reported', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to);
    const empty = new LocalOwner(temporaryDirectory());
    await expect(copyOnce(from, empty)).rejects.toMatchObject({ code: 'TARGET_ROLLED_BACK' });
  });

  test('a source that went another way goes on as another copy, where somebody says', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to);
    const chain = (record: string): string => record.replace(/"chain":"\w+"/, '"chain":"1"');
    const cursor = from.writer.state.cursors.get('copy')!;
    from.writer.state.cursors.set('copy', { ...cursor, detail: chain(cursor.detail!) });
    const store = Store.open(from.dir);
    const { name } = store.stream(STREAM);
    store.close();
    const client = await from.connect().client();
    const detail = chain(cursor.detail!);
    const question = { type: 'set-cursor', name: 'copy', stream: name, offset: cursor.offset! };
    await client.ask({ ...question, detail } as never, 'done');
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'SOURCE_DIVERGED' });
    }
    // what a configuration says at each start is nobody who has looked
    const standing = copyOnce(from, to, { from: cursor.offset!, isStanding: true });
    await expect(standing).rejects.toMatchObject({
      code: 'SOURCE_DIVERGED',
      message: expect.stringContaining('give stream cp this --cursor') as string,
    });
    const before = (await recordsOf(to.dir, STREAM)).length;
    record(from, new SeededRandom(SEED + 2), 1);
    await copyOnce(from, to, { from: cursor.offset! });
    const all = await recordsOf(from.dir, STREAM);
    expect(await recordsOf(to.dir, STREAM)).toEqual([
      ...all.slice(0, before),
      ...all.slice(before),
    ]);
  });

  test('a cursor set by hand is nobody’s copy', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    const client = await from.connect().client();
    const question = { type: 'set-cursor', name: 'copy', stream: STREAM, offset: 3 } as const;
    await client.ask(question, 'done');
    await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('a cursor that was lost, of records that are gone, doubles none', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to);
    const before = await recordsOf(to.dir, STREAM);
    const store = Store.open(from.dir);
    trimStream(from.writer, await planTrim(store.reader, store.stream(STREAM).id, 500));
    store.close();
    const client = await from.connect().client();
    await client.ask({ type: 'remove-cursor', name: 'copy' }, 'done');
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'SOURCE_DIVERGED' });
    }
    expect(await recordsOf(to.dir, STREAM)).toEqual(before);
  });

  test('a second copy from elsewhere does not bring again what the first has brought', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    const half = 100;
    await copyOnce(from, to, { until: half });
    const other = { cursor: 'other', from: half - 1 };
    await expect(copyOnce(from, to, other)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('would double them') as string,
    });
    await copyOnce(from, to, { cursor: 'behind', from: half });
    await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'USAGE' });
    await expectSame(from, to);
  });

  test('the same copy under another name of its cursor brings nothing twice', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to, { until: 100 });
    await copyOnce(from, to, { cursor: 'other' });
    await copyOnce(from, to);
    await expectSame(from, to);
  });

  test('a cursor is of one target', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to, { until: 10 });
    await expect(copyOnce(from, to, { target: 'test/other' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(`is of a copy into ${STREAM}`) as string,
    });
  });

  test('an event that the target never takes is told, and not sent for ever', async () => {
    const from = new LocalOwner(temporaryDirectory(), 4 * MIB);
    const to = new LocalOwner(temporaryDirectory(), MIB);
    const opened = beginEvents(from.writer, STREAM);
    from.writer.appendEvents(opened, [bytes('small')]);
    from.writer.appendEvents(opened, [new SeededRandom(SEED).bytes(0.9 * MIB)]);
    await expect(copyOnce(from, to)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('the target takes at most') as string,
    });
    expect(await recordsOf(to.dir, STREAM)).toHaveLength(1);
  });

  test('a target with events of another length is another stream', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    beginEvents(to.writer, STREAM);
    await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'USAGE' });
    expect([...from.writer.state.cursors.keys()], 'nothing holds records back').toEqual([]);
  });

  test('a copy that is refused takes its cursor away, unless it has sent something', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    await copyOnce(from, to, { until: 100 });
    const cursors = (): string[] => [...from.writer.state.cursors.keys()];
    const other = { cursor: 'other', from: 99 };
    await expect(copyOnce(from, to, other)).rejects.toMatchObject({ code: 'USAGE' });
    expect(cursors()).toEqual(['copy']);
    beginEvents(to.writer, 'test/events');
    const standing = { ...other, cursor: 'standing', target: 'test/events', isStanding: true };
    await expect(copyOnce(from, to, standing)).rejects.toMatchObject({ code: 'USAGE' });
    expect(cursors(), 'what a configuration asks for is asked again').toEqual(['copy', 'standing']);
    await copyOnce(from, to);
    await expectSame(from, to);
  });

  test('one that was begun goes on existing where the target refuses what was sent', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED));
    to.fate = (type) => {
      if (type === 'txn-commit') throw new HelicorderError('USAGE', 'not this one');
      return 'served';
    };
    await expect(copyOnce(from, to)).rejects.toMatchObject({ code: 'USAGE' });
    expect([...from.writer.state.cursors.keys()], 'an intent was durable').toEqual(['copy']);
    to.fate = () => 'served';
    await copyOnce(from, to);
    await expectSame(from, to);
  });
});
