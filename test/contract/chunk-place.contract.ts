/**
 * What sealing and reading rely on from a place for chunks. Every place passes it: a directory of
 * the machine's file system and of a simulated one, and an object store.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { chunkName } from '../../engine/store/chunks/format.ts';
import type { ChunkPlace } from '../../engine/store/chunks/place.ts';
import { SeededRandom } from '../support/random.ts';

export interface PlaceUnderTest {
  place: ChunkPlace;
  /** the same place as another process sees it */
  other: ChunkPlace;
  /** what lies there and was never completed */
  leftovers: () => number;
  setAway: (isAway: boolean) => void;
}

const [ONE, TWO] = [chunkName({ first: 1, end: 2 }), chunkName({ first: 2, end: 3 })];
const random = new SeededRandom(4);
const OLD = random.bytes(10_000);
const NEW = random.bytes(7_000);

async function put(place: ChunkPlace, name: string, bytes: Uint8Array): Promise<void> {
  const sink = await place.put(name);
  for (let at = 0; at < bytes.length; at += 3000) await sink.write(bytes.subarray(at, at + 3000));
  expect(sink.bytes).toBe(bytes.length);
  await sink.commit();
}

async function content(place: ChunkPlace, name: string): Promise<Uint8Array | undefined> {
  const source = await place.open(name);
  const bytes = await source?.read(0, source.bytes);
  source?.close();
  return bytes;
}

const namesOf = async (place: ChunkPlace): Promise<string[]> =>
  (await place.list()).map(({ name }) => name);

export function describeChunkPlace(name: string, make: () => PlaceUnderTest): void {
  describe(`a place for chunks: ${name}`, () => {
    let made: PlaceUnderTest;
    beforeEach(() => {
      made = make();
    });
    describePut(() => made);
    describeRead(() => made);
    describeAway(() => made);
  });
}

function describePut(made: () => PlaceUnderTest): void {
  it('what is put appears whole, and not before it is committed', async () => {
    const { place, other } = made();
    const sink = await place.put(ONE);
    await sink.write(OLD);
    expect(await namesOf(other)).toEqual([]);
    expect(await other.open(ONE)).toBeUndefined();
    await sink.commit();
    expect(await other.list()).toEqual([{ name: ONE, bytes: OLD.length }]);
    expect(await content(other, ONE)).toEqual(OLD);
  });

  it('one of the same name is replaced as a whole', async () => {
    const { place, other } = made();
    await put(place, ONE, OLD);
    const sink = await place.put(ONE);
    await sink.write(NEW);
    expect(await content(other, ONE)).toEqual(OLD);
    await sink.commit();
    expect(await content(other, ONE)).toEqual(NEW);
    expect(await other.list()).toEqual([{ name: ONE, bytes: NEW.length }]);
  });

  it('what is given up leaves nothing, and what was there stays', async () => {
    const { place, leftovers } = made();
    await put(place, ONE, OLD);
    for (const name of [ONE, TWO]) {
      const sink = await place.put(name);
      await sink.write(NEW);
      await sink.abort();
    }
    expect(leftovers()).toBe(0);
    expect(await namesOf(place)).toEqual([ONE]);
    expect(await content(place, ONE)).toEqual(OLD);
  });

  it('a put that was killed is never listed, can be made again, and is swept', async () => {
    const { place, other, leftovers } = made();
    await put(place, TWO, OLD);
    await (await place.put(ONE)).write(NEW);
    expect(leftovers()).toBe(1);
    expect(await namesOf(other)).toEqual([TWO]);
    await other.sweep();
    expect(leftovers()).toBe(0);
    await put(other, ONE, NEW);
    await other.sweep();
    expect(await namesOf(other)).toEqual([ONE, TWO]);
    expect(await content(other, ONE)).toEqual(NEW);
    expect(await content(other, TWO)).toEqual(OLD);
  });

  it('what is removed is gone, and to remove what is not there is no error', async () => {
    const { place, other } = made();
    await place.remove(ONE);
    await put(place, ONE, OLD);
    await place.remove(ONE);
    await place.remove(ONE);
    expect(await namesOf(other)).toEqual([]);
    expect(await other.open(ONE)).toBeUndefined();
  });
}

function describeRead(made: () => PlaceUnderTest): void {
  it('is read from anywhere, and beyond its end there is nothing', async () => {
    const { place } = made();
    await put(place, ONE, OLD);
    const source = (await place.open(ONE))!;
    expect(source.bytes).toBe(OLD.length);
    for (const [at, length] of [
      [0, 64],
      [9_936, 64],
      [4095, 2],
      [5000, 0],
    ] as const) {
      expect(await source.read(at, length)).toEqual(OLD.slice(at, at + length));
    }
    expect(await source.read(9_990, 100)).toEqual(OLD.slice(9_990));
    expect(await source.read(10_000, 10)).toHaveLength(0);
    expect(await source.read(20_000, 10)).toHaveLength(0);
    source.close();
  });

  it('what is read belongs to the caller', async () => {
    const { place } = made();
    await put(place, ONE, OLD);
    const source = (await place.open(ONE))!;
    (await source.read(0, 100)).fill(0);
    expect(await source.read(0, 100)).toEqual(OLD.slice(0, 100));
    source.close();
  });

  it.each(['replaced', 'removed'])(
    'one that is %s while it is open is never a mixture',
    async (how) => {
      const { place, other } = made();
      await put(place, ONE, OLD);
      const source = (await other.open(ONE))!;
      expect(await source.read(0, 5000)).toEqual(OLD.slice(0, 5000));
      await (how === 'removed' ? place.remove(ONE) : put(place, ONE, NEW));
      const rest = await source.read(5000, 5000).catch((error: unknown) => error);
      if (rest instanceof Error) expect(rest).toMatchObject({ code: 'UNAVAILABLE' });
      else expect(rest).toEqual(OLD.slice(5000));
      source.close();
    },
  );
}

function describeAway(made: () => PlaceUnderTest): void {
  it('one that is away says so to every call, and has everything when it is back', async () => {
    const { place, setAway } = made();
    await put(place, ONE, OLD);
    setAway(true);
    const calls = [
      () => place.list(),
      () => place.open(ONE),
      () => place.put(TWO),
      () => place.remove(ONE),
      () => place.sweep(),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    setAway(false);
    expect(await namesOf(place)).toEqual([ONE]);
    expect(await content(place, ONE)).toEqual(OLD);
  });
}
