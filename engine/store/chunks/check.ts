/** Reads every byte of a chunk that a reader would, and checks it. */
import type { ChunkReader } from './chunk-reader.ts';

/**
 * @param onDamage is told of each directory, block or times block that does not hold
 * @param pause called behind each block
 */
export async function checkChunk(
  chunk: ChunkReader,
  onDamage: (error: unknown) => void,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (const { stream } of chunk.table) {
    await attempt(onDamage, async () => {
      const directory = await chunk.directory(stream);
      for (const row of directory?.blocks ?? []) {
        await attempt(onDamage, () => chunk.blockBytes(row));
        if (row.times.length > 0) await attempt(onDamage, () => chunk.timesBytes(row.times));
        await pause();
      }
    });
  }
}

async function attempt(
  onDamage: (error: unknown) => void,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    onDamage(error);
  }
}

/** For `onDamage`: the first damage ends it. */
export function fail(error: unknown): never {
  throw error;
}
