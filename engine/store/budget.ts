/** What a store may take of its disk. */
import type { FileSystem } from '../files/file-system.ts';

export interface StoreBudget {
  /** of everything under the store's directory */
  bytes: number | undefined;
  /** what is to stay free on the disk */
  minFreeBytes: number;
}

/** One segment may still be made: beyond the budget there is a reserve of two. */
export function allowsSegment(fs: FileSystem, dir: string, budget?: StoreBudget): boolean {
  if (budget === undefined) return true;
  const { bytes = Infinity, minFreeBytes } = budget;
  if (fs.info(dir).freeBytes < minFreeBytes) return false;
  return bytes === Infinity || fs.diskUse(dir) <= bytes;
}
