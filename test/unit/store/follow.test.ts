/** How reading that follows a stream ends, beside an owner who has nothing more to say. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { Store, type ReadOptions } from '../../../engine/store/store.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const STREAM = 'test/events';

/** Beside its owner, who has written two events. */
function ownedStore(): Store {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  onTestFinished(() => writer.abandon());
  const opened = beginEvents(writer, STREAM);
  for (const event of ['one', 'two']) writer.appendEvents(opened, [bytes(event)]);
  const store = Store.open(dir);
  onTestFinished(() => store.close());
  return store;
}

async function follow(store: Store, options: ReadOptions): Promise<number[]> {
  const offsets: number[] = [];
  for await (const item of store.read(STREAM, { ...options, follow: true })) {
    if (item.kind !== 'fault') offsets.push(item.firstOffset);
  }
  return offsets;
}

describe('a reader that follows', () => {
  it.each([
    ['the end there is', { to: 2 }, [0, 1]],
    ['the end there is, from there', { from: 'tail', to: 2 }, []],
    ['an offset before it', { to: 1 }, [0]],
  ] as const)('up to %s waits for no more', async (_, options, offsets) => {
    expect(await follow(ownedStore(), options)).toEqual(offsets);
  });

  it('ends where the store is closed while it waits', async () => {
    const store = ownedStore();
    const wait = store.reader.wait.bind(store.reader);
    store.reader.wait = async (timeoutMs) => {
      const waited = wait(timeoutMs);
      store.close();
      await waited;
    };
    expect(await follow(store, {})).toEqual([0, 1]);
  });
});
