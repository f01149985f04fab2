/** What is known of the cursors of a store: `cursor ls` and `cursor show`. */
import { systemClock } from '../base/clock.ts';
import { NANOS_PER_SECOND } from '../base/constants.ts';
import type { CursorEntry } from '../store/entries/control-entries.ts';
import { namedCursor } from '../store/state/named.ts';
import type { Store } from '../store/store.ts';
import type { CursorInfo } from './types.ts';

/** All of them, sorted by name. */
export function describeCursors(store: Store): CursorInfo[] {
  store.look();
  return cursorsSeen(store);
}

/** The same as of the last look. */
export function cursorsSeen(store: Store): CursorInfo[] {
  const cursors = [...store.reader.state.cursors.values()];
  cursors.sort((a, b) => (a.name < b.name ? -1 : 1));
  return cursors.map((cursor) => infoOf(store, cursor));
}

/** @throws NO_SUCH_CURSOR, with the nearest name */
export function describeCursor(store: Store, name: string): CursorInfo {
  store.look();
  return infoOf(store, namedCursor(store.reader.state, name));
}

function infoOf(store: Store, { name, stream: id, offset, updatedNanos }: CursorEntry): CursorInfo {
  const stream = store.reader.state.streams.get(id);
  const position = offset ?? 0;
  const lowWater = store.reader.state.lowWaterOf(id);
  const ageNanos = systemClock.read().utcNanos - updatedNanos;
  return {
    name,
    stream: stream?.name ?? `stream ${id}`,
    offset: String(position),
    lagRecords: String(Math.max(0, (stream?.nextOffset ?? position) - position)),
    retired: String(Math.max(0, lowWater - position)),
    updatedNanos: String(updatedNanos),
    // a clock that was set back makes nothing younger than now
    ageSeconds: Math.max(0, Number(ageNanos) / NANOS_PER_SECOND),
  };
}
