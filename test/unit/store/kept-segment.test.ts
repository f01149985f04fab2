/** Who follows the log keeps its newest segment open, and is not misled by what becomes of it. */
import { expect, test } from 'vitest';
import type { MarkFile } from '../../../engine/files/file-system.ts';
import { Store, type StoreEnvironment } from '../../../engine/store/store.ts';
import { StreamReader } from '../../../engine/store/read/stream-reader.ts';
import { ChunkStore, DIR, EVENTS, environmentOf, linesOf } from '../../support/chunk-store.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { sealAll } from '../../support/sealing.ts';

type Values = ReturnType<MarkFile['read']>;

/** The files of a process that is stopped now and then between reading the mark and the log. */
class FollowersFiles extends SimulatedFileSystem {
  /** what it reads next, and is stopped then */
  stale: Values;

  override openMark(path: string, generation: number): MarkFile {
    const mark = super.openMark(path, generation);
    const read = mark.read.bind(mark);
    mark.read = () => {
      const values = this.stale ?? read();
      this.stale = undefined;
      return values;
    };
    return mark;
  }
}

class Follower {
  readonly fs: FollowersFiles;
  readonly events: string[] = [];
  opened = 0;
  readonly #store: Store;
  readonly #reader: StreamReader;

  constructor({ fs }: ChunkStore) {
    const step = (operation: string, path: string): void => {
      if (operation === 'open' && path.endsWith('.seg')) this.opened++;
    };
    this.fs = new FollowersFiles(fs.disk, { ...calmHost, step });
    const environment: StoreEnvironment = environmentOf(this.fs);
    this.#store = Store.open(DIR, environment);
    this.#reader = new StreamReader(this.#store.reader, this.#store.stream(EVENTS).id, 0);
  }

  /** @returns how many events there are, as it knows now */
  refresh(): number {
    this.#store.reader.refresh();
    return this.#store.stream(EVENTS).nextOffset;
  }

  async follow(): Promise<void> {
    this.refresh();
    for await (const item of this.#reader.items()) {
      this.events.push(...linesOf(item));
    }
  }

  mark(): Values {
    const mark = this.fs.openMark(`${DIR}/mark`, this.#store.reader.state.generation);
    const values = mark.read();
    mark.close();
    return values;
  }

  close(): void {
    this.#store.close();
  }
}

test('a follower opens a segment once, however often the log grows', async () => {
  const store = new ChunkStore();
  const follower = new Follower(store);
  store.append(100);
  await follower.follow();
  const before = follower.opened;
  for (let i = 0; i < 20; i++) {
    store.append(100);
    await follower.follow();
  }
  expect(follower.opened - before).toBeLessThanOrEqual(1);
  expect(follower.events).toEqual(store.written.events);
  follower.close();
});

test.each([0, 3, 6, 9, 12, 15])(
  'a segment that is sealed, zeroed and filled anew under its follower hides nothing: %i later',
  async (appends) => {
    const store = new ChunkStore();
    const follower = new Follower(store);
    store.append();
    await follower.follow();
    store.append();
    follower.fs.stale = follower.mark();
    store.fillUpTo(2);
    await sealAll(store.fs, store.writer);
    for (let i = 0; i < appends; i++) store.append();
    expect(follower.refresh()).toBeGreaterThanOrEqual(2);
    await follower.follow();
    expect(follower.events).toEqual(store.written.events);
    follower.close();
  },
);
