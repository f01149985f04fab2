/** Copies of what a trim has let go of at the source, and what becomes of them in the target. */
import { expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { trimStream } from '../../../engine/store/write/changes.ts';
import { runSnapshot } from '../../../engine/store/entries/control-entries.ts';
import { liveRun } from '../../../engine/store/state/live.ts';
import { Store } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { copyOnce, type End } from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes } from '../../support/stores.ts';
import { verify } from '../../../engine/tools/verify.ts';

const EVENTS = 'test/events';
const COPY = { stream: EVENTS, target: EVENTS };

const endOf = (owner: LocalOwner): End => ({ dir: owner.dir, owner: owner.connect() });

async function trimTo(owner: LocalOwner, offset: number): Promise<void> {
  const store = Store.open(owner.dir);
  trimStream(owner.writer, await planTrim(store.reader, store.stream(EVENTS).id, offset));
  store.close();
}

/** A source with events of which the first are gone, and an empty target. */
async function trimmed(): Promise<{ from: LocalOwner; to: LocalOwner }> {
  const from = new LocalOwner(temporaryDirectory());
  const to = new LocalOwner(temporaryDirectory(), MIB);
  const writers = ['a', 'b'].map((id) => beginEvents(from.writer, EVENTS, id));
  for (let i = 0; i < 6; i++) from.writer.appendEvents(writers[i % 2]!, [bytes(`event ${i}`)]);
  await trimTo(from, 3);
  return { from, to };
}

function fillSegments(owner: LocalOwner): void {
  const filler = beginEvents(owner.writer, 'test/filler', 'f');
  for (let i = 0; i < 30; i++) {
    owner.writer.appendEvents(filler, [new SeededRandom(i).bytes(100_000)]);
  }
}

test('events that are gone: the target can be trimmed, rolls its log and is opened again', async () => {
  const { from, to } = await trimmed();
  await copyOnce(endOf(from), endOf(to), COPY);
  const there = await recordsOf(from.dir, EVENTS);
  expect(there[0]).toContain('lost retired');
  expect(await recordsOf(to.dir, EVENTS)).toEqual(there);
  fillSegments(to);
  expect(await recordsOf(to.dir, EVENTS)).toEqual(there);
  await trimTo(to, 5);
  fillSegments(to);
  to.close();
  const again = new LocalOwner(to.dir);
  expect((await verify(again.dir)).damage).toEqual([]);
  expect((await recordsOf(again.dir, EVENTS)).at(-1)).toEqual(there.at(-1));
});

test('a snapshot that an older version has written of such a copy is read', async () => {
  const { from } = await trimmed();
  const run = liveRun([...from.writer.state.runs.values()][0]!);
  const text = new TextDecoder().decode(runSnapshot.encode({ ...run, lastTick: 7 }));
  const older = text.replace('"lastTick":"7"', '"lastTick":"-1"');
  expect(older).not.toBe(text);
  expect(runSnapshot.decode(bytes(older)).lastTick).toBeNull();
  // and nobody writes one any more
  expect(() => runSnapshot.encode({ ...run, lastTick: -1 })).toThrow('not negative');
});

test('a second copy that cannot compare what is gone says so', async () => {
  const { from, to } = await trimmed();
  await copyOnce(endOf(from), endOf(to), { ...COPY, cursor: 'one' });
  await trimTo(from, 5);
  const second = copyOnce(endOf(from), endOf(to), { ...COPY, cursor: 'two' });
  await expect(second).rejects.toMatchObject({
    code: 'SOURCE_DIVERGED',
    message: expect.stringContaining('or some that the source has let go of') as string,
  });
});
