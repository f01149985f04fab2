/**
 * Many streams in one store, one of them a thousand times larger than each of the others, within a
 * small budget: the disk stays within it, the large stream alone gives way, and every small one is
 * there to its last record.
 */
import { expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import { applyUpkeep } from '../../../engine/store/write/changes.ts';
import type { TrimEntry } from '../../../engine/store/entries/control-entries.ts';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { eventRun } from '../../../engine/store/write/group-plan.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { upkeepStep } from '../../../engine/store/upkeep/upkeep.ts';
import { StoreWriter, type OpenedRun } from '../../../engine/store/write/writer.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { bytes, text } from '../../support/stores.ts';

const DIR = '/store';
const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
const STREAMS = IS_SOAK ? 10_000 : 100;
const SEGMENT_BYTES = IS_SOAK ? 32 * MIB : MIB;
const BUDGET_BYTES = 8 * SEGMENT_BYTES;
const ROUNDS = 3;
const SMALL = bytes('a small event');
const LARGE_BYTES = 2000 * SMALL.length;
const NOISE = new SeededRandom(1).bytes(4 * MIB);
const LARGE_STREAM = 'many/large';
const smallName = (i: number): string => `many/small-${i}`;

const fs = new SimulatedFileSystem();
const environment: StoreEnvironment = { ...systemEnvironment, fs, pause: () => {} };
const budget = { bytes: BUDGET_BYTES, minFreeBytes: 0 };
const retention = [
  { ...KEEP_ALL, pattern: 'many/small-*' },
  { ...KEEP_ALL, pattern: '*', onFull: 'drop-oldest' as const },
];

async function upkeep(writer: StoreWriter): Promise<void> {
  const options = { dataDir: DIR, budgetBytes: BUDGET_BYTES, minFreeBytes: 0, retention };
  for (;;) {
    const result = await upkeepStep(options, environment, () => Promise.resolve());
    if (result.did === 'nothing') return;
    applyUpkeep(writer, result);
    expect(fs.diskUse(DIR)).toBeLessThanOrEqual(BUDGET_BYTES + 2 * SEGMENT_BYTES);
  }
}

/** What finds no room waits for upkeep, as in a recorder. */
async function append(writer: StoreWriter, run: OpenedRun, event: Uint8Array): Promise<void> {
  try {
    writer.appendEvents(run, [event]);
  } catch (error) {
    if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
    await upkeep(writer);
    writer.resume();
  }
}

/** Half of what the budget holds into the large stream, an event into each other. */
async function round(writer: StoreWriter, large: OpenedRun, small: OpenedRun[]): Promise<void> {
  for (const run of small) await append(writer, run, SMALL);
  for (let written = 0; written < BUDGET_BYTES / 2; written += LARGE_BYTES) {
    const at = written % (NOISE.length - LARGE_BYTES);
    await append(writer, large, NOISE.subarray(at, at + LARGE_BYTES));
    if (written % SEGMENT_BYTES < LARGE_BYTES) await upkeep(writer);
  }
}

it(
  `${STREAMS} streams and one a thousand times larger keep a budget`,
  async () => {
    for (let life = 0; life < ROUNDS; life++) {
      const writer = StoreWriter.open(DIR, { ...environment, segmentBytes: SEGMENT_BYTES, budget });
      const names = [LARGE_STREAM, ...Array.from({ length: STREAMS }, (_, i) => smallName(i))];
      const [large, ...small] = writer.beginRuns(names.map((name) => eventRun(name, 'w')));
      await round(writer, large!, small);
      await upkeep(writer);
      if (life % 2 === 0) writer.abandon();
      else writer.close();
    }
    const store = Store.open(DIR, environment);
    for (let i = 0; i < STREAMS; i += Math.ceil(STREAMS / 50)) {
      const events: string[] = [];
      for await (const item of store.read(smallName(i))) {
        if (item.kind === 'events') events.push(...item.events.map(text));
      }
      expect(events).toEqual(Array<string>(ROUNDS).fill(text(SMALL)));
    }
    const { id } = store.stream(LARGE_STREAM);
    expect(store.reader.state.lowWaterOf(id), 'the large one gave way').toBeGreaterThan(0);
    store.close();
    expect(await verify(DIR, environment)).toMatchObject({ ok: true, damage: [] });
  },
  IS_SOAK ? 3_600_000 : 360_000,
);

it('streams that grow old together are let go of in one write', async () => {
  const dir = '/old';
  const writer = StoreWriter.open(dir, { ...environment, segmentBytes: SEGMENT_BYTES });
  const names = Array.from({ length: 100 }, (_, i) => smallName(i));
  const runs = writer.beginRuns(names.map((name) => eventRun(name, 'w')));
  for (const run of runs) writer.appendEvents(run, [SMALL, SMALL]);
  const reader = StoreReader.open(dir, environment);
  const trims: TrimEntry[] = [];
  for (const { stream } of runs) trims.push(await planTrim(reader, stream.id, 1));
  reader.close();
  const before = writer.durableEnd;
  let writes = 0;
  const change = writer.change.bind(writer);
  writer.change = (add) => (writes++, change(add));
  applyUpkeep(writer, { did: 'planned', trims, isFull: false });
  expect(writes).toBe(1);
  expect(writer.durableEnd).toBeGreaterThan(before);
  expect(runs.every(({ stream }) => writer.state.lowWaterOf(stream.id) === 1)).toBe(true);
  writer.close();
});
