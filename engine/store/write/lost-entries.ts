/** What damage has taken, written down: it stands in the log before anything that follows. */
import { encodeGap } from '../../batch/format.ts';
import { lostEntry, type LostEntry } from '../entries/control-entries.ts';
import { ENTRY_FLAG, KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';
import type { ControlState } from '../state/state.ts';

/** Adds what is known to be lost and not said by the log yet: ranges, and gaps at the ends. */
export function addLosses(builder: GroupBuilder, state: ControlState): void {
  for (const lost of state.losses.found) addLost(builder, lost);
  for (const stream of state.streams.values()) {
    for (const gap of state.losses.lostTail(state, stream))
      builder.add(KIND.gap, stream.id, encodeGap(gap));
  }
}

/** Adds, of ranges that a reader found lost, those that are news. @returns how many */
export function addNewLosses(
  builder: GroupBuilder,
  state: ControlState,
  lost: readonly LostEntry[],
): number {
  const news = lost.filter((one) => !state.losses.isPinned(one.stream, one.firstOffset));
  news.forEach((one) => addLost(builder, one));
  return news.length;
}

function addLost(builder: GroupBuilder, lost: LostEntry): void {
  builder.add(KIND.lost, lost.stream, lostEntry.encode(lost), ENTRY_FLAG.ignorable);
}
