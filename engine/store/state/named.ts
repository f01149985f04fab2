/** Streams and cursors by the names that people give them: an unknown one gets the nearest. */
import { HelicorderError, nearest } from '../../base/errors.ts';
import type { CursorEntry, StreamSnapshot } from '../entries/control-entries.ts';
import type { ControlState } from './state.ts';

/** @throws NO_SUCH_STREAM, with the nearest name */
export function namedStream(state: ControlState, name: string): StreamSnapshot {
  const stream = state.streamNamed(name);
  if (stream) return stream;
  const names = [...state.streams.values()].map((known) => known.name);
  throw new HelicorderError('NO_SUCH_STREAM', `no stream ${name}${suggestion(name, names)}`);
}

/**
 * A stream that was found by its name before.
 * @throws NO_SUCH_STREAM if it has been removed, whatever has its name now
 */
export function knownStream(state: ControlState, id: number, name: string): StreamSnapshot {
  const stream = state.streams.get(id);
  if (stream) return stream;
  throw new HelicorderError('NO_SUCH_STREAM', `stream ${name} was removed`);
}

/**
 * A stream that somebody else has found by its name before, in another process perhaps.
 * @param incarnation what it was; undefined: whatever has the name is meant
 * @throws NO_SUCH_STREAM if it has been removed, whatever has its name now
 */
export function sameStream(
  state: ControlState,
  name: string,
  incarnation: string | undefined,
): StreamSnapshot {
  const stream = namedStream(state, name);
  if (incarnation === undefined || stream.incarnation === incarnation) return stream;
  throw new HelicorderError('NO_SUCH_STREAM', `stream ${name} was removed`);
}

/** @throws NO_SUCH_CURSOR, with the nearest name */
export function namedCursor(state: ControlState, name: string): CursorEntry {
  const cursor = state.cursors.get(name);
  if (cursor) return cursor;
  const names = [...state.cursors.keys()];
  throw new HelicorderError('NO_SUCH_CURSOR', `no cursor ${name}${suggestion(name, names)}`);
}

/** A cursor of a stream, if there is one. @throws USAGE if it is of another stream */
export function cursorOf(
  state: ControlState,
  name: string,
  stream: StreamSnapshot,
): CursorEntry | undefined {
  const cursor = state.cursors.get(name);
  if (cursor === undefined || cursor.stream === stream.id) return cursor;
  throw new HelicorderError('USAGE', `cursor ${name} is of another stream than ${stream.name}`);
}

function suggestion(name: string, names: readonly string[]): string {
  const close = nearest(name, names);
  return close === undefined ? '' : `; did you mean ${close}?`;
}
