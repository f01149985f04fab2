/** Plans what a trim will let go of; `changes.ts` makes it so. */
import { defined } from '../../base/assert.ts';
import { parseSchema } from '../../batch/schema.ts';
import { skipDamaged, type ChunkReader, type StreamDirectory } from '../chunks/chunk-reader.ts';
import type { TrimEntry } from '../entries/control-entries.ts';
import type { StoreReader } from '../read/reader.ts';
import { RetiredSums } from '../read/retired.ts';
import type { RunInfo } from '../state/known-runs.ts';
import { StreamReader } from '../read/stream-reader.ts';

/**
 * What a trim of `stream` to `lowWater` would let go of: all of it, since the stream's beginning.
 * Whole blocks of chunks are summed up by their directories, without being read.
 * @param lowWater at most what is durable as far as `reader` has come; one that is not beyond what
 *   has gone already gives the same trim again
 */
export async function planTrim(
  reader: StoreReader,
  stream: number,
  lowWater: number,
): Promise<TrimEntry> {
  const before = reader.state.trims.get(stream);
  if (before && before.lowWater >= lowWater) return before;
  const sums = new RetiredSums(before, lowWater);
  for (const range of await reader.chunks.chain(reader.state.sealedEnd)) {
    if (sums.isComplete) break;
    // records that cannot be read are counted with those behind them, as the reader's gaps are
    await skipDamaged(() =>
      reader.chunks.use(range, async (chunk) => {
        if ((chunk.row(stream)?.nextOffset ?? 0) > sums.reached) {
          await addChunk(sums, await chunk.directory(stream, reader.state), chunk);
        }
      }),
    );
  }
  // only what was there can be told apart from what is away
  if (reader.chunks.away && !sums.isComplete) throw reader.chunks.away;
  if (!sums.isComplete) await addRest(sums, new StreamReader(reader, stream, sums.reached));
  return { stream, lowWater, writers: sums.writers };
}

async function addChunk(
  sums: RetiredSums,
  directory: StreamDirectory | undefined,
  chunk: ChunkReader,
): Promise<void> {
  if (directory === undefined) return;
  const { stream } = directory;
  for (const row of directory.blocks) {
    if (sums.isComplete) return;
    if (row.firstOffset + row.records <= sums.reached) continue;
    if (sums.takesWhole(row)) {
      sums.addRow(row, infoOf(directory, row.run).run.writer);
      continue;
    }
    await skipDamaged(async () => {
      for (const item of await chunk.items(stream.id, row)) {
        sums.addItem(item, infoOf(directory, item.run));
      }
    });
  }
}

async function addRest(sums: RetiredSums, rest: StreamReader): Promise<void> {
  for await (const found of rest.raw()) {
    if (sums.isComplete) return;
    if (found.kind === 'raw') sums.addItem(found.item, found.info);
  }
}

function infoOf({ runs, schemas }: StreamDirectory, number: number): RunInfo {
  const run = defined(
    runs.find(({ id }) => id === number),
    `run ${number}`,
  );
  const { schema } = defined(
    schemas.find(({ id }) => id === run.schemaId),
    `schema of run ${number}`,
  );
  return { run, schema: parseSchema(schema) };
}
