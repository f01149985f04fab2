/**
 * Whom a stream that transactions end in belongs to besides: a sampler, which counts its offsets by
 * itself.
 */
import { describe, expect, test } from 'vitest';
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
import { beginSamples, commitSamples } from '../../support/stores.ts';

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

function closed(from: LocalOwner, to: LocalOwner): [string, string] {
  for (const owner of [from, to]) owner.close();
  return [from.dir, to.dir];
}
