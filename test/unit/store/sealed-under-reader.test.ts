/**
 * The segment that somebody reads is sealed and goes: the reader goes on in the chunk, with what it
 * has not given yet.
 */
import { expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { segmentOf } from '../../../engine/store/log/format.ts';
import { listSegments } from '../../../engine/store/log/segment.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/writer.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter, text } from '../../support/stores.ts';

const DIR = '/store';
const STREAM = 'test/events';
const NOISE = Buffer.from(new SeededRandom(5).bytes(30_000)).toString('base64');
const SEGMENT = 2;

/** Which offsets are of the writer that begins another run later. */
const isRestarted = (offset: number): boolean => offset % 4 === 1;

/** Two writers over some segments; later ones do not name the first run of the second. */
function written(writer: StoreWriter): number {
  const steady = beginEvents(writer, STREAM, 'steady');
  let offset = 0;
  for (const segments of [4, 5]) {
    const restarted = beginEvents(writer, STREAM, 'restarted');
    for (; segmentOf(writer.durableEnd) < segments; offset++) {
      const run = isRestarted(offset) ? restarted : steady;
      writer.appendEvents(run, [bytes(`${offset} ${NOISE}`)]);
    }
  }
  return offset;
}

/** What a reader from an offset in segment 2 gives, which is sealed once it has given one item. */
async function readWhileSealed(
  fromOf: (firstOffset: number) => number,
): Promise<{ found: string[]; from: number; end: number }> {
  const fs = new SimulatedFileSystem();
  const environment: StoreEnvironment = { ...systemEnvironment, fs, pause: () => {} };
  const writer = openWriter(DIR, MIB, environment);
  const end = written(writer);
  const store = Store.open(DIR, environment);
  const { id } = store.stream(STREAM);
  let first = 0;
  while (segmentOf((await store.reader.locate(id, first)).lsn) < SEGMENT) first++;
  const from = fromOf(first);
  expect(segmentOf((await store.reader.locate(id, from)).lsn)).toBe(SEGMENT);
  const found: string[] = [];
  for await (const item of store.read(STREAM, { from })) {
    if (found.length === 0) await sealAll(fs, writer);
    expect(listSegments(fs, writer.paths.log)).not.toContain(SEGMENT);
    if (item.kind === 'events') found.push(...item.events.map(text));
    else found.push(JSON.stringify(item));
  }
  store.close();
  writer.close();
  return { found: found.map((event) => event.split(' ')[0]!), from, end };
}

const offsets = (from: number, end: number): string[] =>
  Array.from({ length: end - from }, (_, i) => String(from + i));

it('what lies before the first offset wanted makes nothing come twice', async () => {
  const { found, from, end } = await readWhileSealed((first) => first + 10);
  expect(found).toEqual(offsets(from, end));
});

it('a run that is met only then is known from the chunk', async () => {
  const { found, from, end } = await readWhileSealed((first) => {
    expect(isRestarted(first), 'the run is met later').toBe(false);
    return first;
  });
  expect(found).toEqual(offsets(from, end));
});
