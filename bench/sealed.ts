/**
 * Rows 7 and 8, sealed: the capture in chunks, everything in them counted: batch headers, times,
 * ledgers, directory, checksums; to what others make of the same samples (`bytes.ts`). It goes the
 * way all data goes, into the log and from there by the store's upkeep; long enough for a few
 * segments. Bytes are exact on any machine.
 */
import { SEGMENT_MIN_BYTES } from '../engine/base/constants.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { applyUpkeep } from '../engine/store/write/changes.ts';
import { storePaths } from '../engine/store/log/files.ts';
import { Store, systemEnvironment } from '../engine/store/store.ts';
import { upkeepStep } from '../engine/store/upkeep/upkeep.ts';
import { StoreWriter } from '../engine/store/write/writer.ts';
import { CAPTURE_STREAM, json, store, zstd } from './bytes.ts';
import { CAPTURE_SAMPLES, boundsOfCapture, loadCapture, repeat } from './capture.ts';
import type { Arm, Experiment, Metrics, RowSpec } from './harness.ts';

const SAMPLES_PER_BATCH = 1000;
const TIMES = 100;
const PANEL = 'bytes per sample in chunks';

const sealed: Arm = {
  name: 'sealed chunks',
  measure: async ({ dir }) => {
    store(repeat(loadCapture(), TIMES * CAPTURE_SAMPLES), dir, SAMPLES_PER_BATCH);
    await upkeepOf(dir);
    const samples = await sealedSamples(dir);
    const { chunks } = storePaths(dir);
    const bytes = nodeFileSystem
      .list(chunks)
      .reduce((sum, name) => sum + (nodeFileSystem.fileSize(`${chunks}/${name}`) ?? 0), 0);
    return { bytesPerSample: bytes / samples };
  },
};

/** As the recorder does it, until nothing is left to do. */
async function upkeepOf(dataDir: string): Promise<void> {
  const writer = StoreWriter.open(dataDir, {
    ...systemEnvironment,
    segmentBytes: SEGMENT_MIN_BYTES,
  });
  const rules = { dataDir, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
  try {
    for (;;) {
      const result = await upkeepStep(rules, systemEnvironment, () => Promise.resolve());
      applyUpkeep(writer, result);
      if (result.did === 'nothing') return;
    }
  } finally {
    writer.close();
  }
}

/** Read back from the chunks, value by value. @throws unless there are many, and all are there */
async function sealedSamples(dataDir: string): Promise<number> {
  const reader = Store.open(dataDir);
  try {
    const { chunks, state } = reader.reader;
    const { id } = reader.stream(CAPTURE_STREAM);
    const last = (await chunks.chain(state.sealedEnd)).at(-1);
    // without gaps a record is a sample, and offsets count from 0
    const end = last && (await chunks.use(last, (chunk) => chunk.row(id)?.nextOffset));
    let samples = 0;
    for await (const item of reader.read(CAPTURE_STREAM, { to: end ?? 0 })) {
      if (item.kind !== 'samples') throw new HelicorderError('ASSERTION', `a ${item.kind} in it`);
      samples += item.batch.samples;
    }
    if (end !== undefined && samples === end && samples >= CAPTURE_SAMPLES) return samples;
    throw new HelicorderError('ASSERTION', `${samples} samples in chunks up to offset ${end}`);
  } finally {
    reader.close();
  }
}

const common = {
  ...({ unit: 'B', better: 'lower', steady: true } as const),
  subject: sealed.name,
  value: (metrics: Metrics) => metrics.bytesPerSample!,
};

function against(id: string, arm: Arm, gate: number, stretch: number): RowSpec {
  return {
    ...common,
    ...{ id: `8-${id}`, name: `bytes per sample in chunks, to ${arm.name}` },
    figure: { panel: PANEL, at: arm.name },
    ...boundsOfCapture(gate, stretch),
    reference: { arm: arm.name, value: (metrics) => metrics.bytesPerSample! },
  };
}

export const sealing: Experiment = {
  name: 'sealing',
  rounds: 1,
  arms: [sealed, zstd, json],
  rows: [
    {
      ...common,
      id: '7-sealed',
      name: `bytes per sample in chunks, ${loadCapture().origin}`,
      figure: { panel: PANEL, at: 'sealed' },
      ...boundsOfCapture(2.6, 2.3),
    },
    against('zstd', zstd, 0.6, 0.5),
    against('json', json, 1 / 18, 1 / 25),
  ],
};
