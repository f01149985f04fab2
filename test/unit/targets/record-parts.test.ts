/** What `crash/kill-copy` compares by finds whatever differs between two streams, and where. */
import { expect, test } from 'vitest';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { COPIED_STREAM, copyOnce, record } from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { expectSameRecords, filtered, partsOf, type Part } from '../../support/record-parts.ts';
import { sealAllThereIs } from '../../support/sealing.ts';

/** A copy that is cut elsewhere, its source in chunks. */
async function copied(): Promise<{ from: string; to: string; records: number }> {
  const [from, to] = [0, 1].map(() => new LocalOwner(temporaryDirectory())) as [
    LocalOwner,
    LocalOwner,
  ];
  record(from, new SeededRandom(SEED));
  const ends = [from, to].map((owner) => ({ dir: owner.dir, owner: owner.connect() }));
  await copyOnce(ends[0]!, ends[1]!, { batchRecords: 77 });
  await sealAllThereIs(nodeFileSystem, from.writer);
  const records = from.writer.state.streamNamed(COPIED_STREAM)!.nextOffset;
  [from, to].forEach((owner) => owner.close());
  return { from: from.dir, to: to.dir, records };
}

/** The parts of a stream with one of them changed. */
async function* changed(dir: string, index: number, change: (part: Part) => Part) {
  let i = 0;
  for await (const parts of partsOf(dir, COPIED_STREAM)) {
    yield parts.map((part) => (i++ === index ? change(part) : part));
  }
}

test('a stream and its copy are the same, however they are cut', async () => {
  const { from, to, records } = await copied();
  const [there, here] = [partsOf(from, COPIED_STREAM), partsOf(to, COPIED_STREAM)];
  const same = await expectSameRecords(there, here, 'copy');
  expect(same.records).toBe(records);
  expect(same.samples + same.gapTicks.get('late')!).toBeGreaterThan(records);
  const kept = [from, to].map((dir) => {
    return filtered(partsOf(dir, COPIED_STREAM), 0, (raw) => raw % 3 === 0);
  });
  const third = await expectSameRecords(kept[0]!, kept[1]!, 'filtered');
  expect(third.records).toBe(records);
  expect(third.samples).toBeLessThan(same.samples / 2);
});

test.each<[string, (part: Part) => Part]>([
  ['a seq', (part) => ({ ...part, seq: part.seq + 1 })],
  ['an origin', (part) => ({ ...part, origin: '' })],
  ['a record less', (part) => ({ ...part, records: part.records - 1 })],
  ...[0, 1, 2, 3].map((place): [string, (part: Part) => Part] => [
    `a value of array ${place}`,
    (part) => {
      if (part.kind !== 'samples') throw new Error('samples were expected');
      const arrays = part.arrays.map((values) => values.slice());
      const array = arrays[place]!;
      if (array instanceof Float64Array) array[array.length - 1]! += 1;
      else array[array.length - 1]! += 1n;
      return { ...part, arrays };
    },
  ]),
])('%s that differs is found', async (_, change) => {
  const { from, to } = await copied();
  const other = changed(to, 0, change);
  await expect(expectSameRecords(partsOf(from, COPIED_STREAM), other, 'here')).rejects.toThrow(
    /^here: expected .* at offset \d+, seq \d+ of .*found/,
  );
});

test('so is the end of one that is longer', async () => {
  const { from } = await copied();
  const none = (async function* (): AsyncGenerator<Part[]> {})();
  const all = expectSameRecords(partsOf(from, COPIED_STREAM), none, 'here');
  await expect(all).rejects.toThrow(/found nothing more$/);
});
