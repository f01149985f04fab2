/**
 * Which records of its sources a stream has from copies. Each copy is a writer of its own, named
 * `source store/incarnation/base`, whose seq n is the source's offset base + n − 1: two copies of
 * one source that began at different offsets would bring the same records twice, each exactly once.
 */
import { HelicorderError } from '../base/errors.ts';
import type { HeldPosition } from '../txn/position.ts';
import type { ControlState } from './state.ts';

/** @throws USAGE if another copy has brought records that this one has still to bring */
export function checkOverlap(
  state: ControlState,
  stream: { id: number; name: string },
  writer: string,
  { hi }: Pick<HeldPosition, 'hi'>,
): void {
  const own = sourceOf(writer);
  for (const other of state.transactions.values()) {
    if (other.stream !== stream.id || other.writer === writer) continue;
    const { source, base } = sourceOf(other.writer);
    if (source !== own.source || base + other.hi <= own.base + hi) continue;
    throw new HelicorderError(
      'USAGE',
      `${stream.name} has the source's offsets ${base} to ${base + other.hi} from another copy: ` +
        `one that goes on at ${own.base + hi} would double them; go on with the cursor of that ` +
        'copy, or choose another target',
    );
  }
}

function sourceOf(writer: string): { source: string; base: number } {
  const slash = writer.lastIndexOf('/');
  return { source: writer.slice(0, slash), base: Number(writer.slice(slash + 1)) };
}
