/** May a store take more of its disk? */
import { BUDGET_MIN_SEGMENTS, MIB } from '../../base/constants.ts';
import { HelicorderError } from '../../base/errors.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { StoreBudget } from '../entries/retention-entry.ts';

/**
 * May the store take `bytes` more for records? What control entries and chunks that are being made
 * take beyond the budget is one segment each.
 */
export function allowsGrowth(
  fs: FileSystem,
  dir: string,
  bytes: number,
  budget?: StoreBudget,
): boolean {
  if (budget === undefined) return true;
  const { bytes: most = Infinity, minFreeBytes } = budget;
  if (fs.info(dir).freeBytes < minFreeBytes) return false;
  return most === Infinity || fs.diskUse(dir) + bytes <= most;
}

/** @throws CONFIG for a budget that cannot hold the segments of the store that there is */
export function checkBudget(dir: string, segmentBytes: number, budget?: StoreBudget): void {
  const leastBytes = BUDGET_MIN_SEGMENTS * segmentBytes;
  const { bytes = Infinity } = budget ?? {};
  if (bytes >= leastBytes) return;
  throw new HelicorderError(
    'CONFIG',
    `store.budget.bytes: ${dir} was made with segments of ${segmentBytes / MIB} MiB and needs at ` +
      `least ${leastBytes / MIB} MiB; give it that, or record into a new store`,
  );
}
