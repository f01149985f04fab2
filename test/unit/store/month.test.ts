/** A month in a hundred chunks: a minute of it is found without looking at what lies between. */
import { expect, it, vi } from 'vitest';
import { monotonicMs } from '../../../engine/base/clock.ts';
import { MIB } from '../../../engine/base/constants.ts';
import { DirectoryPlace } from '../../../engine/store/chunks/directory-place.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { Store, systemEnvironment } from '../../../engine/store/store.ts';
import { ManualClock } from '../../support/clocks.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealAll } from '../../support/sealing.ts';
import {
  PERIOD_NANOS,
  beginEvents,
  beginSamples,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';
const CHUNKS = 100;
const MINUTE_TICKS = 60_000;
const TICKS_PER_CHUNK = (30 * 24 * 60 * MINUTE_TICKS) / CHUNKS;
const UTC_OFFSET_NANOS = 1_700_000_000_000_000_000n;
const utcOf = (tick: number): bigint => UTC_OFFSET_NANOS + BigInt(tick) * PERIOD_NANOS;

/** Per chunk a second of samples at its beginning, and as much noise as fills a segment. */
async function month(): Promise<typeof systemEnvironment> {
  const clock = new ManualClock(0n, UTC_OFFSET_NANOS);
  const fs = new SimulatedFileSystem();
  const environment = { ...systemEnvironment, fs, clock, random: new SeededRandom(1) };
  const writer = openWriter(DIR, MIB, environment);
  const [samples, events] = [beginSamples(writer), beginEvents(writer)];
  const noise = new SeededRandom(2).bytes(200_000);
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const tick = chunk * TICKS_PER_CHUNK;
    clock.monotonicNanos = BigInt(tick) * PERIOD_NANOS;
    commitSamples(writer, samples, tick, 1000, UTC_OFFSET_NANOS);
    const before = segmentOf(writer.durableEnd);
    while (segmentOf(writer.durableEnd) === before) writer.appendEvents(events, [noise]);
    await sealAll(fs, writer);
  }
  writer.close();
  return environment;
}

it('one minute a month ago is found by opening few of a hundred chunks', async () => {
  const environment = await month();
  const opened = vi.spyOn(DirectoryPlace.prototype, 'open');
  for (const chunk of [1, 3, 50, 99]) {
    const store = Store.open(DIR, environment);
    expect((await store.reader.chunks.list()).length).toBeGreaterThanOrEqual(CHUNKS);
    opened.mockClear();
    const fromTime = utcOf(chunk * TICKS_PER_CHUNK);
    const startMs = monotonicMs();
    let samples = 0;
    const toTime = fromTime + 60_000_000_000n;
    for await (const item of store.read('test/samples', { fromTime, toTime })) {
      if (item.kind === 'samples') samples += item.batch.samples;
    }
    const elapsedMs = monotonicMs() - startMs;
    process.stdout.write(
      `a minute in chunk ${chunk} of ${CHUNKS}: ${opened.mock.calls.length} chunks opened, ` +
        `${elapsedMs.toFixed(1)} ms\n`,
    );
    expect(samples).toBe(1000);
    // three searches and what is read, with a cache of open chunks between them
    expect(opened.mock.calls.length).toBeLessThanOrEqual(4 * Math.ceil(Math.log2(CHUNKS)));
    store.close();
  }
  opened.mockRestore();
}, 120_000);
