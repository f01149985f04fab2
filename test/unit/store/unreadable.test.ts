/**
 * What a disk does not give, in the log or in a chunk: an error that names the file and its bytes,
 * and nothing that lies in other files is any worse for it.
 */
import { describe, expect, it } from 'vitest';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { Store } from '../../../engine/store/store.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { ChunkStore, DIR, SAMPLES } from '../../support/chunk-store.ts';
import { calmHost, type Host } from '../../support/simulated-file-system.ts';

const LAST_SEGMENT = 4;
/** `skip`: so many of them do not fail yet */
let failing: { operation: string; path: string; skip?: number } | undefined;
const fault: Host['fault'] = (operation, path) => {
  if (operation !== failing?.operation || path !== failing.path) return undefined;
  failing.skip = (failing.skip ?? 0) - 1;
  return failing.skip < 0 ? 'EIO' : undefined;
};

/** Of several segments, sealed or not. */
async function makeStore(isSealed: boolean): Promise<ChunkStore> {
  failing = undefined;
  const store = new ChunkStore(undefined, undefined, { ...calmHost, fault });
  store.fillUpTo(LAST_SEGMENT);
  store.append();
  if (isSealed) await store.settle();
  return store;
}

const segment = (number: number): string => `${DIR}/log/${String(number).padStart(20, '0')}.seg`;

async function samplesFrom(store: Store, from: number): Promise<number> {
  let records = 0;
  for await (const item of store.read(SAMPLES, { from })) {
    if (item.kind === 'samples') records += item.batch.samples;
  }
  return records;
}

describe.each([
  ['a segment of the log', false],
  ['a chunk', true],
])('%s', (_, isSealed) => {
  const pathIn = (store: ChunkStore): string => (isSealed ? store.chunks()[0]! : segment(2));

  it('that cannot be read is named, with its bytes, and the rest is served', async () => {
    const store = await makeStore(isSealed);
    const reader = Store.open(DIR, store.environment);
    const path = pathIn(store);
    failing = { operation: 'read', path };
    await expect(samplesFrom(reader, 0)).rejects.toMatchObject({
      code: 'STORE_IO',
      message: expect.stringMatching(/^cannot read \S+ \(\d+ bytes at \d+\): EIO$/) as string,
      details: { file: path, errno: 'EIO' },
    });
    const end = reader.stream(SAMPLES).nextOffset;
    expect(await samplesFrom(reader, end - 20)).toBeGreaterThanOrEqual(20);
    reader.close();
  });

  it('that cannot be opened is named', async () => {
    const store = await makeStore(isSealed);
    const reader = Store.open(DIR, store.environment);
    const path = pathIn(store);
    failing = { operation: 'open', path };
    await expect(samplesFrom(reader, 0)).rejects.toMatchObject({
      code: 'STORE_IO',
      message: `cannot open ${path}: EIO`,
    });
    reader.close();
  });

  it('is damage to verify, which finds what is wrong with later ones as well', async () => {
    const store = await makeStore(isSealed);
    const paths = isSealed ? store.chunks() : [segment(2), segment(3)];
    failing = { operation: 'read', path: paths[0]! };
    rot(store, paths.at(-1)!);
    const { ok, damage } = await verify(DIR, store.environment);
    expect(ok).toBe(false);
    expect(damage[0]).toMatchObject({ file: paths[0], what: 'cannot be read: EIO' });
    expect(damage.map(({ file }) => file)).toContain(paths.at(-1));
  });
});

it('met while a reader reads on, it leaves one that reads on when the disk gives it', async () => {
  for (let nth = 1, isMet = true; isMet; nth++) {
    const store = await makeStore(false);
    const reader = StoreReader.open(DIR, store.environment);
    store.fillUpTo(LAST_SEGMENT + 1);
    store.append();
    failing = { operation: 'read', path: segment(LAST_SEGMENT + 1), skip: nth - 1 };
    try {
      reader.refresh();
      isMet = false;
      expect(nth).toBeGreaterThan(2);
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORE_IO' });
    }
    failing = undefined;
    reader.refresh();
    const other = StoreReader.open(DIR, store.environment);
    expect(reader.end).toBe(other.end);
    expect(reader.state.streamNamed(SAMPLES)).toEqual(other.state.streamNamed(SAMPLES));
    reader.close();
    other.close();
  }
});

/** A block in the middle of a file is another one. */
function rot({ fs }: ChunkStore, path: string): void {
  const file = fs.open(path, 'write');
  file.write(new Uint8Array(4096).fill(0xee), 16 * 4096);
  file.close();
}
