/**
 * Whom a stream that transactions end in belongs to besides: a sampler, which counts its offsets by
 * itself, or writers of this store, whose numbers are issued here. Neither meets what is copied.
 */
import { describe, expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { eventRun } from '../../../engine/store/write/group-plan.ts';
import { verify } from '../../../engine/tools/verify.ts';
import type { CopyResult } from '../../../engine/txn/copier.ts';
import {
  COPIED_STREAM,
  copyOnce,
  expectSame,
  record,
  type CopyOnceOptions,
} from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  readEvents,
} from '../../support/stores.ts';

const EVENTS = 'test/events';
const OF_EVENTS = { stream: EVENTS, target: EVENTS };

function owners(): { from: LocalOwner; to: LocalOwner } {
  return { from: new LocalOwner(temporaryDirectory()), to: new LocalOwner(temporaryDirectory()) };
}

function copy(
  from: LocalOwner,
  to: LocalOwner,
  options: CopyOnceOptions = {},
): Promise<CopyResult> {
  const end = (owner: LocalOwner) => ({ dir: owner.dir, owner: owner.connect() });
  return copyOnce(end(from), end(to), options);
}

function expectUsage(work: Promise<unknown>, message: string): Promise<void> {
  return expect(work).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message) as string,
  });
}

/** Does something once, before a request of that kind is served. */
function before(owner: LocalOwner, request: string, work: () => void): void {
  let isDone = false;
  owner.fate = (type) => {
    if (type === request && !isDone) {
      isDone = true;
      work();
    }
    return 'served';
  };
}

async function expectSound(owner: LocalOwner): Promise<void> {
  owner.close();
  expect(await verify(owner.dir)).toMatchObject({ ok: true, damage: [] });
}

describe('a stream that is being recorded', () => {
  const REFUSAL = `${COPIED_STREAM} is being recorded`;

  test('takes no copy: nothing of one is written, and recording goes on', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1);
    const opened = beginSamples(to.writer, COPIED_STREAM, 'own');
    const { durableEnd } = to.writer;
    await expectUsage(copy(from, to), REFUSAL);
    expect(to.writer.durableEnd).toBe(durableEnd);
    commitSamples(to.writer, opened, 0, 10);
    expect(await recordsOf(to.dir, COPIED_STREAM)).toHaveLength(10);
    await expectSound(to);
  });

  test.each(['txn-begin', 'txn-commit'])(
    'takes none that was opened before recording began (%s)',
    async (request) => {
      const { from, to } = owners();
      record(from, new SeededRandom(SEED), 1);
      before(to, request, () => void beginSamples(to.writer, COPIED_STREAM, 'own'));
      await expectUsage(copy(from, to), REFUSAL);
      expect(to.writer.state.streamNamed(COPIED_STREAM)).toMatchObject({ nextOffset: 0 });
      await expectSound(to);
    },
  );

  test('or that comes between the look at a new configuration and its runs', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1);
    const { openRuns } = to.writer;
    before(to, 'txn-commit', () => openRuns.expect([COPIED_STREAM]));
    await expectUsage(copy(from, to), REFUSAL);
    await expectUsage(copy(from, to), REFUSAL);
    openRuns.expect([]);
    await copy(from, to);
    await expectSame(...closed(from, to));
  });

  test('is told, where its copy was committed and the answer lost, that it was', async () => {
    const { from, to } = owners();
    const client = await to.connect().client();
    const asked: Parameters<typeof client.ask>[] = [];
    record(from, new SeededRandom(SEED), 1);
    const spied = {
      client: () =>
        Promise.resolve({
          ask: (...question: Parameters<typeof client.ask>) => {
            asked.push(question);
            return client.ask(...question);
          },
        }),
      drop: () => undefined,
    };
    const source = { dir: from.dir, owner: from.connect() };
    await copyOnce(source, { dir: to.dir, owner: spied as never });
    beginSamples(to.writer, COPIED_STREAM, 'own');
    const commit = asked.findLast(([{ type }]) => type === 'txn-commit')!;
    expect(await client.ask(...commit)).toMatchObject({ type: 'committed' });
  });

  test('takes copies again once its runs have ended', async () => {
    const { from, to } = owners();
    record(from, new SeededRandom(SEED), 1);
    const { run } = beginSamples(to.writer, COPIED_STREAM, 'own');
    const builder = to.writer.group();
    to.writer.addRunEnd(builder, run);
    to.writer.commit(builder);
    await copy(from, to);
    await expectSame(...closed(from, to));
  });
});

describe('a writer that the target has itself', () => {
  const REFUSAL = `${EVENTS} has a writer w of its own`;

  function write(owner: LocalOwner, events: readonly string[], id = 'w'): void {
    const opened = beginEvents(owner.writer, EVENTS, id);
    owner.writer.appendEvents(
      opened,
      events.map((event) => bytes(event)),
    );
  }

  test('keeps its name: what is copied of one of that name is refused', async () => {
    const { from, to } = owners();
    write(from, ['a1', 'a2', 'a3']);
    const own = Array.from({ length: 10 }, (_, i) => `b${i + 1}`);
    write(to, own);
    for (let i = 0; i < 2; i++) await expectUsage(copy(from, to, OF_EVENTS), REFUSAL);
    const { run } = beginEvents(to.writer, EVENTS);
    expect(run.nextSeq).toBe(11);
    expect(await readEvents(to.dir, EVENTS)).toEqual(own);
    await expectSound(to);
  });

  test('also where it begins while the transaction is open', async () => {
    const { from, to } = owners();
    write(from, ['a1', 'a2']);
    before(to, 'txn-commit', () => write(to, ['b1']));
    await expectUsage(copy(from, to, OF_EVENTS), REFUSAL);
    expect(await readEvents(to.dir, EVENTS)).toEqual(['b1']);
    await expectSound(to);
  });

  test('is as good as any other under another name, whoever comes first', async () => {
    const { from, to } = owners();
    write(from, ['a1', 'a2']);
    write(to, ['b1'], 'own');
    await copy(from, to, OF_EVENTS);
    write(to, ['b2'], 'own');
    write(from, ['a3']);
    await copy(from, to, OF_EVENTS);
    expect(await readEvents(to.dir, EVENTS)).toEqual(['b1', 'a1', 'a2', 'b2', 'a3']);
    await expectSound(to);
  });

  test('does not go on where a copied one was', async () => {
    const { from, to } = owners();
    write(from, ['a1', 'a2', 'a3']);
    await copy(from, to, OF_EVENTS);
    const { durableEnd } = to.writer;
    const begin = (): unknown => to.writer.beginRuns([eventRun(EVENTS, 'w')]);
    expect(begin).toThrow(HelicorderError);
    expect(begin).toThrow(`${EVENTS} holds records of a writer w of another store`);
    expect(to.writer.durableEnd).toBe(durableEnd);
    const open = { type: 'open', stream: EVENTS, writer: 'w' } as const;
    const client = await to.connect().client();
    await expectUsage(client.ask(open, 'opened'), 'of another store');
    write(from, ['a4']);
    await copy(from, to, OF_EVENTS);
    expect(await readEvents(to.dir, EVENTS)).toEqual(['a1', 'a2', 'a3', 'a4']);
    await expectSound(to);
  });

  test('may be copied from two stores into a third, and each copy begun anew', async () => {
    const { from, to } = owners();
    const other = new LocalOwner(temporaryDirectory());
    for (let i = 1; i <= 3; i++) {
      write(from, [`a${i}`]);
      write(other, [`b${i}`]);
      for (const source of [from, other]) {
        before(to, 'txn-commit', () => to.restart());
        await copy(source, to, { ...OF_EVENTS, batchRecords: 1 });
      }
    }
    expect(await readEvents(to.dir, EVENTS)).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
    await expectSound(to);
  });
});

function closed(from: LocalOwner, to: LocalOwner): [string, string] {
  for (const owner of [from, to]) owner.close();
  return [from.dir, to.dir];
}
