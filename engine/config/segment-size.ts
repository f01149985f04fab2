/** How large a segment is: as given, or so that a small budget still holds enough of them. */
import {
  BUDGET_MIN_SEGMENTS,
  BUDGET_SEGMENTS,
  MIB,
  SEGMENT_DEFAULT_BYTES,
  SEGMENT_MIN_BYTES,
} from '../base/constants.ts';
import type { Layers } from './layers.ts';
import type { ConfigTree } from './schema.ts';
import { formatSize } from './units.ts';

/** @throws HelicorderError USAGE or CONFIG if the budget is too small for its segments */
export function segmentBytesOf(layers: Layers, tree: ConfigTree): number {
  const { segmentSize, budget } = tree.store;
  if (budget.bytes === undefined) return segmentSize ?? SEGMENT_DEFAULT_BYTES;
  const fitting = fittingSegmentBytes(budget.bytes);
  const segmentBytes = segmentSize ?? fitting;
  const neededBytes = BUDGET_MIN_SEGMENTS * segmentBytes;
  if (budget.bytes >= neededBytes) return segmentBytes;
  throw layers.error(
    ['store', 'budget', 'bytes'],
    `${formatSize(budget.bytes)} has no room for ${BUDGET_MIN_SEGMENTS} segments of ` +
      `${formatSize(segmentBytes)}: give at least ${formatSize(neededBytes)}, or a ` +
      `store.segmentSize of ${formatSize(fitting)}, or none`,
  );
}

/** The largest whole MiB of which the budget holds as many as it should. */
function fittingSegmentBytes(budgetBytes: number): number {
  const wholeMib = Math.floor(budgetBytes / BUDGET_SEGMENTS / MIB) * MIB;
  return Math.min(SEGMENT_DEFAULT_BYTES, Math.max(SEGMENT_MIN_BYTES, wholeMib));
}
